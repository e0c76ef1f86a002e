//! [`Accept`]: what a server adds to its `101`.

use alloc::{string::String, vec::Vec};

use super::{error::ApiMisuse, headers::Headers};
use crate::extension::Extension;

/// How a server accepts an opening handshake (RFC 6455 §4.2.2 item 5): without subprotocol and
/// extension, unless one is chosen from the client's offers.
#[derive(Debug, Clone, Default)]
pub struct Accept {
    pub(super) subprotocol: Option<String>,
    pub(super) extensions: Vec<Extension<'static>>,
    pub(super) headers: Headers,
}

impl Accept {
    /// Neither subprotocol nor extension nor further headers.
    pub const fn new() -> Self {
        Self { subprotocol: None, extensions: Vec::new(), headers: Headers::new() }
    }

    /// Selects a subprotocol; it must be one that the client offered.
    #[must_use]
    pub fn subprotocol(mut self, subprotocol: &str) -> Self {
        self.subprotocol = Some(subprotocol.into());
        self
    }

    /// The subprotocol that was selected.
    pub fn chosen_subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Whether no extension has been accepted.
    pub const fn accepts_no_extension(&self) -> bool {
        self.extensions.is_empty()
    }

    /// Accepts an extension with these parameters; the client must have offered it.
    #[must_use]
    pub fn extension(mut self, answer: Extension<'static>) -> Self {
        self.extensions.push(answer);
        self
    }

    /// Adds a header, such as `Set-Cookie`; refuses CR and LF, and headers of the handshake.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, ApiMisuse> {
        if is_reserved(name) {
            return Err(ApiMisuse::HeaderReserved);
        }
        self.headers.append(name, value)?;
        Ok(self)
    }
}

/// Headers that the handshake writes itself, and those that would announce a body.
pub(super) fn is_reserved(name: &str) -> bool {
    [
        "connection",
        "upgrade",
        "content-length",
        "transfer-encoding",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
    ]
    .iter()
    .any(|reserved| name.eq_ignore_ascii_case(reserved))
}
