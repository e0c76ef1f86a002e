//! Close frames: [`CloseCode`], [`CloseReason`], [`CloseFrame`] (RFC 6455 §5.5.1, §7.4).

use alloc::string::String;
use core::fmt;

use crate::error::{ProtocolViolation, SendError};

/// Why a connection ends: the status code of a Close frame (RFC 6455 §7.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL_CLOSURE: Self = Self(1000);
    /// 1001: the endpoint goes away: a server shuts down, a browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of data that this endpoint cannot accept.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: the Close frame carried no code. Never on the wire (§7.1.5).
    pub const NO_STATUS_RECEIVED: Self = Self(1005);
    /// 1006: the connection ended without a Close frame. Never on the wire (§7.1.5).
    pub const ABNORMAL_CLOSURE: Self = Self(1006);
    /// 1007: data that does not fit the message's type, such as invalid UTF-8.
    pub const INVALID_FRAME_PAYLOAD_DATA: Self = Self(1007);
    /// 1008: against this endpoint's policy.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message too big to process.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: the client wanted an extension that the server did not negotiate.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: the server met a condition that it did not expect.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts (IANA registry).
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: try again later (IANA registry).
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got an invalid response (IANA registry).
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: the TLS handshake failed. Never on the wire (§7.4.1).
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// The code with this number, of any range; see [`may_travel`](Self::may_travel).
    pub const fn new(code: u16) -> Self {
        Self(code)
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether a Close frame may carry this code.
    ///
    /// §7.4.1, §7.4.2 and the IANA registry: 1000 to 1003, 1007 to 1014, 3000 to 4999. Not 1004
    /// (reserved), not 1005, 1006, 1015 (local only), not 0 to 999, not what nobody has defined.
    pub const fn may_travel(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

/// The reason of a Close frame: at most [`CloseReason::LEN_MAX`] bytes of UTF-8 (§5.5.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct CloseReason(String);

impl CloseReason {
    /// A control frame carries 125 bytes (§5.5), two of which are the code.
    pub const LEN_MAX: usize = 123;

    /// Checks the length of a reason.
    pub fn new(reason: &str) -> Result<Self, SendError> {
        if reason.len() > Self::LEN_MAX {
            return Err(SendError::CloseReasonTooLong { len: reason.len() });
        }
        Ok(Self(reason.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a Close frame says (§5.5.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct CloseFrame {
    code: Option<CloseCode>,
    reason: CloseReason,
}

impl CloseFrame {
    /// A Close frame without a body; the other end reports it as 1005 (§7.1.5).
    pub const EMPTY: Self = Self { code: None, reason: CloseReason(String::new()) };

    /// A Close frame that we want to send.
    ///
    /// Refuses codes that must not travel (§7.4.1) and reasons above 123 bytes.
    pub fn new(code: CloseCode, reason: &str) -> Result<Self, SendError> {
        if !code.may_travel() {
            return Err(SendError::CloseCodeMayNotTravel(code));
        }
        Ok(Self { code: Some(code), reason: CloseReason::new(reason)? })
    }

    /// A frame with a code of ours and no reason.
    pub(crate) const fn from_code(code: CloseCode) -> Self {
        Self { code: Some(code), reason: CloseReason(String::new()) }
    }

    /// Reads the body of a Close frame that arrived (§5.5.1, §7.4, §8.1).
    pub fn decode(body: &[u8]) -> Result<Self, ProtocolViolation> {
        match body {
            [] => Ok(Self::EMPTY),
            [_] => Err(ProtocolViolation::CloseBodyOfOneByte),
            [high, low, reason @ ..] => {
                let code = CloseCode(u16::from_be_bytes([*high, *low]));
                if !code.may_travel() {
                    return Err(ProtocolViolation::CloseCodeMayNotTravel(code));
                }
                let reason = simdutf8::basic::from_utf8(reason)
                    .map_err(|_| ProtocolViolation::InvalidUtf8InCloseReason)?;
                Ok(Self { code: Some(code), reason: CloseReason(reason.into()) })
            }
        }
    }

    /// Writes the body of this frame to the front of `out`, and tells its length.
    pub(crate) fn encode_body(&self, out: &mut [u8; 2 + CloseReason::LEN_MAX]) -> usize {
        let Some(code) = self.code else { return 0 };
        let reason = self.reason.as_str().as_bytes();
        let len = 2 + reason.len();
        out[..2].copy_from_slice(&code.get().to_be_bytes());
        out[2..len].copy_from_slice(reason);
        len
    }

    /// The code, or [`CloseCode::NO_STATUS_RECEIVED`] where the frame carries none (§7.1.5).
    pub const fn code(&self) -> CloseCode {
        match self.code {
            Some(code) => code,
            None => CloseCode::NO_STATUS_RECEIVED,
        }
    }

    /// The reason; empty where the frame carries none.
    pub fn reason(&self) -> &str {
        self.reason.as_str()
    }

    /// Whether the frame has no body at all.
    pub const fn is_empty(&self) -> bool {
        self.code.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProtocolViolation as V;

    #[test]
    fn close_bodies_by_section() {
        let code = |code| CloseFrame::from_code(CloseCode::new(code));
        let cases: &[(&str, &[u8], Result<CloseFrame, V>)] = &[
            ("K5 §5.5.1 an empty body has no code", &[], Ok(CloseFrame::EMPTY)),
            ("K1 §5.5.1 a body begins with two bytes", &[3], Err(V::CloseBodyOfOneByte)),
            ("K3 §7.4.1 1000", &[0x03, 0xE8], Ok(code(1000))),
            ("K2 §7.4.2 0", &[0, 0], Err(V::CloseCodeMayNotTravel(CloseCode::new(0)))),
            (
                "K7 §8.1 the reason is UTF-8",
                &[0x03, 0xE8, 0xC0, 0x80],
                Err(V::InvalidUtf8InCloseReason),
            ),
        ];
        for (rule, body, frame) in cases {
            assert_eq!(CloseFrame::decode(body), *frame, "{rule}");
        }
    }

    /// K2, K3: every code of 16 bits, against the ranges as §7.4 and the IANA registry list them.
    #[test]
    fn k2_k3_codes_that_may_travel() {
        let travel = |code: u16| {
            (1000..=1003).contains(&code) // RFC 6455
                || (1007..=1011).contains(&code) // RFC 6455
                || (1012..=1014).contains(&code) // IANA
                || (3000..5000).contains(&code)
        };
        // Miri takes a minute for all; these have most of the edges.
        for code in if cfg!(miri) { 995..=1020 } else { 0..=u16::MAX } {
            let decoded = CloseFrame::decode(&code.to_be_bytes());
            assert_eq!(decoded.is_ok(), travel(code), "{code}");
            assert_eq!(CloseFrame::new(CloseCode::new(code), "").is_ok(), travel(code), "{code}");
        }
    }

    #[test]
    fn k11_a_reason_has_at_most_123_bytes() {
        let fits = "r".repeat(CloseReason::LEN_MAX);
        assert!(CloseFrame::new(CloseCode::NORMAL_CLOSURE, &fits).is_ok());
        let over = "r".repeat(CloseReason::LEN_MAX + 1);
        assert_eq!(
            CloseFrame::new(CloseCode::NORMAL_CLOSURE, &over),
            Err(SendError::CloseReasonTooLong { len: 124 })
        );
    }
}
