//! `permessage-deflate` as it stands in a `Sec-WebSocket-Extensions` header: [`Element`].

use core::mem;

use super::NegotiationError;
use crate::extension::Extension;

pub(super) const NAME: &str = "permessage-deflate";
const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
pub(super) const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// All values that window bits may have (§7.1.2.1: "a decimal integer value without leading
/// zeroes between 8 to 15, inclusive").
const WINDOW_BITS: [&str; 8] = ["8", "9", "10", "11", "12", "13", "14", "15"];

/// One `permessage-deflate` in a header: an offer or an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    pub(super) server_max_window_bits: Option<u8>,
    pub(super) client_max_window_bits: Option<MaxBits>,
}

/// The value of `client_max_window_bits`, which an offer may leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MaxBits {
    Any,
    Of(u8),
}

impl MaxBits {
    pub(super) fn limit(offered: Option<Self>) -> u8 {
        match offered {
            None | Some(Self::Any) => 15,
            Some(Self::Of(bits)) => bits,
        }
    }
}

impl Element {
    /// §7: no other parameters than the four, each at most once, with a valid value or none.
    pub(super) fn read(extension: &Extension<'_>) -> Result<Self, NegotiationError> {
        let mut read = Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: None,
            client_max_window_bits: None,
        };
        for param in extension.params() {
            let (name, repeated) = match (param.name(), param.value()) {
                (SERVER_NO_CONTEXT_TAKEOVER, value) => {
                    no_value(SERVER_NO_CONTEXT_TAKEOVER, value)?;
                    let repeated = mem::replace(&mut read.server_no_context_takeover, true);
                    (SERVER_NO_CONTEXT_TAKEOVER, repeated)
                }
                (CLIENT_NO_CONTEXT_TAKEOVER, value) => {
                    no_value(CLIENT_NO_CONTEXT_TAKEOVER, value)?;
                    let repeated = mem::replace(&mut read.client_no_context_takeover, true);
                    (CLIENT_NO_CONTEXT_TAKEOVER, repeated)
                }
                (SERVER_MAX_WINDOW_BITS, value) => {
                    let bits = bits_value(SERVER_MAX_WINDOW_BITS, value.unwrap_or_default())?;
                    let repeated = read.server_max_window_bits.replace(bits).is_some();
                    (SERVER_MAX_WINDOW_BITS, repeated)
                }
                (CLIENT_MAX_WINDOW_BITS, value) => {
                    let bits = match value {
                        None => MaxBits::Any,
                        Some(value) => MaxBits::Of(bits_value(CLIENT_MAX_WINDOW_BITS, value)?),
                    };
                    let repeated = read.client_max_window_bits.replace(bits).is_some();
                    (CLIENT_MAX_WINDOW_BITS, repeated)
                }
                _ => return Err(NegotiationError::UnknownParam),
            };
            if repeated {
                return Err(NegotiationError::RepeatedParam { param: name });
            }
        }
        Ok(read)
    }

    /// Whether `answer` accepts this offer. What it adds without having been asked is allowed
    /// (§7.1.1, §7.1.2.1), except for `client_max_window_bits` (§7.1.2.2).
    pub(super) fn admits(self, answer: Self) -> bool {
        answer.server_no_context_takeover >= self.server_no_context_takeover
            && self.server_max_window_bits.is_none_or(|offered| {
                answer.server_max_window_bits.is_some_and(|answered| answered <= offered)
            })
            && (answer.client_max_window_bits.is_none() || self.client_max_window_bits.is_some())
    }

    pub(super) fn to_extension(self) -> Extension<'static> {
        let mut extension = Extension::known(NAME);
        if self.server_no_context_takeover {
            extension.push_known(SERVER_NO_CONTEXT_TAKEOVER, None);
        }
        if self.client_no_context_takeover {
            extension.push_known(CLIENT_NO_CONTEXT_TAKEOVER, None);
        }
        if let Some(bits) = self.server_max_window_bits {
            extension.push_known(SERVER_MAX_WINDOW_BITS, Some(bits_text(bits).into()));
        }
        match self.client_max_window_bits {
            None => {}
            Some(MaxBits::Any) => extension.push_known(CLIENT_MAX_WINDOW_BITS, None),
            Some(MaxBits::Of(bits)) => {
                extension.push_known(CLIENT_MAX_WINDOW_BITS, Some(bits_text(bits).into()));
            }
        }
        extension
    }
}

fn no_value(param: &'static str, value: Option<&str>) -> Result<(), NegotiationError> {
    match value {
        None => Ok(()),
        Some(_) => Err(NegotiationError::InvalidValue { param }),
    }
}

fn bits_value(param: &'static str, value: &str) -> Result<u8, NegotiationError> {
    (8..=15)
        .zip(WINDOW_BITS)
        .find_map(|(bits, text)| (text == value).then_some(bits))
        .ok_or(NegotiationError::InvalidValue { param })
}

fn bits_text(bits: u8) -> &'static str {
    WINDOW_BITS[usize::from(window_bits(bits)) - 8]
}

/// What is configured, brought into range.
pub(super) fn window_bits(configured: u8) -> u8 {
    configured.clamp(8, 15)
}
