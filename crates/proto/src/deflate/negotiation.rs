//! Agreeing on parameters in the opening handshake (RFC 7692 §5, §7.1).
//!
//! A client sends what [`DeflateConfig::offers`] says; a server answers the first of them that
//! [`DeflateConfig::negotiate`] accepts; the client holds the answer against its offers with
//! [`DeflateConfig::verify`]. Other extensions in these lists are nobody's concern here.

use alloc::{vec, vec::Vec};
use core::fmt;

use super::{
    DeflateConfig, DeflateParams, Flow,
    element::{CLIENT_MAX_WINDOW_BITS, Element, MaxBits, NAME, window_bits},
};
use crate::extension::Extension;

impl DeflateConfig {
    /// What a client offers, in order of preference: all we wish for, and as a fallback the same
    /// without what a server must be able to do for it (§5.1, §7.1.3).
    pub fn offers(&self) -> Vec<Extension<'static>> {
        self.elements().into_iter().map(Element::to_extension).collect()
    }

    /// What a client has agreed to by its [`offers`](Self::offers), once the server's answer is
    /// there. `None`: the server declined.
    ///
    /// An error fails the handshake: §7 lists, for answers, what a client "MUST _Fail the WebSocket
    /// Connection_" on.
    pub fn verify(
        &self,
        answers: &[Extension<'_>],
    ) -> Result<Option<DeflateParams>, NegotiationError> {
        let mut answers = answers.iter().filter(|answer| answer.name() == NAME);
        let Some(answer) = answers.next() else { return Ok(None) };
        if answers.next().is_some() {
            return Err(NegotiationError::AcceptedTwice);
        }
        let answer = Element::read(answer)?;
        if answer.client_max_window_bits == Some(MaxBits::Any) {
            // §7.1.2.2: in an answer it has a value.
            return Err(NegotiationError::InvalidValue { param: CLIENT_MAX_WINDOW_BITS });
        }
        if !self.elements().into_iter().any(|offer| offer.admits(answer)) {
            return Err(NegotiationError::NotOffered);
        }
        let client_bits = MaxBits::limit(answer.client_max_window_bits);
        Ok(Some(self.params(
            Flow {
                // We may always use less than we are allowed.
                window_bits: window_bits(self.client_window_bits).min(client_bits),
                no_context_takeover: answer.client_no_context_takeover
                    || self.client_no_context_takeover,
            },
            Flow {
                window_bits: answer.server_max_window_bits.unwrap_or(15),
                no_context_takeover: answer.server_no_context_takeover,
            },
        )))
    }

    /// What a server agrees to, and its answer, given the client's offers in their order. `None`:
    /// none of them is for this extension and valid, so it is declined, which is no error (§5).
    ///
    /// The answer has what was offered, and of what was not only the two parameters without a
    /// value, where they are configured (§7.1.1). A client that does not offer
    /// `client_max_window_bits` may use 32 KiB of window whatever is configured here; a smaller
    /// window of ours is ours to use without a word.
    pub fn negotiate(
        &self,
        offers: &[Extension<'_>],
    ) -> Option<(DeflateParams, Extension<'static>)> {
        let offer = offers
            .iter()
            .filter(|offer| offer.name() == NAME)
            .find_map(|offer| Element::read(offer).ok())?;
        let client_bits = match offer.client_max_window_bits {
            None => 15, // §7.1.2.2: not invited, so not limited
            offered => window_bits(self.client_window_bits).min(MaxBits::limit(offered)),
        };
        let server_bits =
            window_bits(self.server_window_bits).min(offer.server_max_window_bits.unwrap_or(15));
        let params = self.params(
            Flow {
                window_bits: client_bits,
                no_context_takeover: offer.client_no_context_takeover
                    || self.client_no_context_takeover,
            },
            Flow {
                window_bits: server_bits,
                no_context_takeover: offer.server_no_context_takeover
                    || self.server_no_context_takeover,
            },
        );
        let answer = Element {
            // §7.1.1.1, §7.1.2.1: accepted by being answered.
            server_no_context_takeover: params.server.no_context_takeover,
            server_max_window_bits: offer.server_max_window_bits.map(|_| server_bits),
            client_no_context_takeover: params.client.no_context_takeover,
            client_max_window_bits: (client_bits < 15).then_some(MaxBits::Of(client_bits)),
        };
        Some((params, answer.to_extension()))
    }

    fn params(&self, client: Flow, server: Flow) -> DeflateParams {
        DeflateParams { client, server, level: self.level.min(9), threshold: self.threshold }
    }

    /// The client's offers.
    fn elements(&self) -> Vec<Element> {
        let limited = |bits| Some(window_bits(bits)).filter(|&bits| bits < 15);
        let fallback = Element {
            server_no_context_takeover: false,
            server_max_window_bits: None,
            client_no_context_takeover: self.client_no_context_takeover,
            // We can obey any limit, so the server may set one.
            client_max_window_bits: Some(
                limited(self.client_window_bits).map_or(MaxBits::Any, MaxBits::Of),
            ),
        };
        let preferred = Element {
            server_no_context_takeover: self.server_no_context_takeover,
            server_max_window_bits: limited(self.server_window_bits),
            ..fallback
        };
        if preferred == fallback { vec![fallback] } else { vec![preferred, fallback] }
    }
}

/// The server's answer is not one to what we offered. The handshake has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NegotiationError {
    /// It accepts the extension more than once.
    AcceptedTwice,
    /// A parameter that the extension does not have.
    UnknownParam,
    /// A parameter that stands there more than once.
    RepeatedParam {
        /// Its name.
        param: &'static str,
    },
    /// A parameter with a value that it cannot have, or without one that it must have.
    InvalidValue {
        /// Its name.
        param: &'static str,
    },
    /// Parameters that answer none of our offers.
    NotOffered,
}

impl NegotiationError {
    /// The section with the rule.
    pub const fn section(self) -> &'static str {
        match self {
            Self::AcceptedTwice => "RFC 7692 §5",
            Self::UnknownParam
            | Self::RepeatedParam { .. }
            | Self::InvalidValue { .. }
            | Self::NotOffered => "RFC 7692 §7",
        }
    }

    /// A stable name for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AcceptedTwice => "deflate_accepted_twice",
            Self::UnknownParam => "deflate_unknown_param",
            Self::RepeatedParam { .. } => "deflate_repeated_param",
            Self::InvalidValue { .. } => "deflate_invalid_value",
            Self::NotOffered => "deflate_not_offered",
        }
    }
}

impl fmt::Display for NegotiationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AcceptedTwice => f.write_str("the server accepts permessage-deflate twice"),
            Self::UnknownParam => {
                f.write_str("the server answers permessage-deflate with an unknown parameter")
            }
            Self::RepeatedParam { param } => write!(f, "the server answers {param} twice"),
            Self::InvalidValue { param } => {
                write!(f, "the server answers {param} with a value it cannot have")
            }
            Self::NotOffered => {
                f.write_str("the server's permessage-deflate parameters answer none of our offers")
            }
        }?;
        write!(f, " ({})", self.section())
    }
}

impl core::error::Error for NegotiationError {}
