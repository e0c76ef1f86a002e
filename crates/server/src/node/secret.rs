//! [`StreamName`]: what a session over HTTP is addressed by on its way up.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// The name of a session that has no socket of its own: its thread, and 128 bits that nobody else
/// knows. Not its [`ClientId`](tidewire_hub::ClientId), which others see in presence.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StreamName {
    thread: u16,
    secret: [u8; 16],
}

impl StreamName {
    /// With bits from the system's generator.
    pub(crate) fn new(thread: u16, secret: [u8; 16]) -> Self {
        Self { thread, secret }
    }

    /// As a client has sent it back.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (thread, secret) = text.split_once('.')?;
        let mut bytes = [0; 16];
        // One byte more than there may be is an error already.
        let len = URL_SAFE_NO_PAD.decode_slice(secret, &mut bytes).ok()?;
        (len == bytes.len()).then_some(Self { thread: thread.parse().ok()?, secret: bytes })
    }

    pub(crate) fn thread(self) -> usize {
        self.thread.into()
    }
}

/// As it is told to the client, and to nobody else.
impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.thread, URL_SAFE_NO_PAD.encode(self.secret))
    }
}

/// Without the secret: it shall not stand in a log.
impl fmt::Debug for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamName({}, ..)", self.thread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_comes_back() {
        let name = StreamName::new(7, [0xA5; 16]);
        assert_eq!(StreamName::parse(&name.to_string()), Some(name));
        assert!(!format!("{name:?}").contains(&name.to_string()[2..]));
    }

    #[test]
    fn anything_else_is_nobody() {
        let good = StreamName::new(0, [1; 16]).to_string();
        for wrong in [
            "",
            ".",
            "0.",
            "x.AQEBAQEBAQEBAQEBAQEBAQ",
            "65536.AQEBAQEBAQEBAQEBAQEBAQ",
            "0.AQ",
            &format!("{good}A"),
            &good[..good.len() - 1],
        ] {
            assert_eq!(StreamName::parse(wrong), None, "{wrong}");
        }
    }
}
