//! [`Established`] and [`HandshakeFailure`]: what a client makes of the response (RFC 6455 §4.1).

use alloc::{string::String, vec::Vec};
use core::fmt;

use super::{
    error::ResponseError,
    headers::{Headers, Occurrence},
    key::accept_key,
    response::Response,
};
use crate::extension::{self, Extension};

/// What client and server have agreed on.
#[derive(Debug, Clone)]
pub struct Established {
    subprotocol: Option<String>,
    extensions: Vec<Extension<'static>>,
    headers: Headers,
}

impl Established {
    /// The subprotocol in use.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The extensions in use, in the order in which they apply (§9.1). Each has a name that was
    /// offered; whether its parameters are lawful, and whether it may stand here twice, is for the
    /// extension to say.
    pub fn extensions(&self) -> &[Extension<'static>] {
        &self.extensions
    }

    /// The header fields of the response.
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The header fields of the response, to keep.
    pub fn into_headers(self) -> Headers {
        self.headers
    }
}

/// Why there is no connection: the server refused, or its answer makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an answer is a lawful refusal, or it is not lawful")]
pub enum HandshakeFailure {
    /// The server answered with another status than 101: a refusal, a redirect, a page.
    Refused(Response),
    /// The answer breaks the protocol, or a limit.
    Invalid(ResponseError),
}

impl HandshakeFailure {
    /// The section with the rule.
    pub const fn section(&self) -> &'static str {
        match self {
            Self::Refused(_) => "RFC 6455 §4.1",
            Self::Invalid(error) => error.section(),
        }
    }

    /// A stable name for logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Invalid(error) => error.name(),
        }
    }
}

impl fmt::Display for HandshakeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(response) => {
                let section = self.section();
                write!(f, "the server refused with status {} ({section})", response.status())
            }
            Self::Invalid(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for HandshakeFailure {}

impl From<ResponseError> for HandshakeFailure {
    fn from(error: ResponseError) -> Self {
        Self::Invalid(error)
    }
}

/// Items 2 to 4 of the response: it switches to WebSockets and has seen our key.
pub(super) fn check_switch(headers: &Headers, key: &str) -> Result<(), ResponseError> {
    if !headers.list_contains("upgrade", "websocket") {
        return Err(ResponseError::UpgradeMissing);
    }
    if !headers.list_contains("connection", "upgrade") {
        return Err(ResponseError::ConnectionMissing);
    }
    match headers.single("sec-websocket-accept") {
        Occurrence::Missing => Err(ResponseError::AcceptMissing),
        Occurrence::Repeated => Err(ResponseError::AcceptRepeated),
        Occurrence::Once(accept) if accept != accept_key(key.as_bytes()).as_bytes() => {
            Err(ResponseError::AcceptWrong)
        }
        Occurrence::Once(_) => Ok(()),
    }
}

/// Items 5 and 6: extensions and subprotocol are of those that we offered.
pub(super) fn check_answer(
    headers: Headers,
    subprotocols: &[String],
    subprotocol_required: bool,
    offers: &[Extension<'_>],
) -> Result<Established, ResponseError> {
    let extensions: Vec<_> = extension::parse(headers.get_all("sec-websocket-extensions"))?
        .into_iter()
        .map(Extension::into_owned)
        .collect();
    let offered = |answer: &Extension<'_>| offers.iter().any(|offer| offer.name() == answer.name());
    if !extensions.iter().all(offered) {
        return Err(ResponseError::ExtensionNotOffered);
    }
    let subprotocol = match headers.single("sec-websocket-protocol") {
        Occurrence::Missing if subprotocol_required => {
            return Err(ResponseError::SubprotocolMissing);
        }
        Occurrence::Missing => None,
        Occurrence::Repeated => return Err(ResponseError::SubprotocolRepeated),
        // A list of two is no token, hence none that we offered.
        Occurrence::Once(chosen) => Some(
            subprotocols
                .iter()
                .find(|offer| offer.as_bytes() == chosen)
                .ok_or(ResponseError::SubprotocolNotOffered)?
                .clone(),
        ),
    };
    Ok(Established { subprotocol, extensions, headers })
}
