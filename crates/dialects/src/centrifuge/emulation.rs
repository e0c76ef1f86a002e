//! Commands that come by requests of their own, since the session's connection goes one way only.

use std::fmt;

use bytestring::ByteString;
use serde::Deserialize;

use super::commands::Malformed;
use crate::json::{self, Record, Text, or_default};

/// The query parameter in which a client of server-sent events puts its first frame, where it can send
/// no body.
const CONNECT_PARAMETER: &str = "cf_connect";

/// The body of a request to `/emulation`: a frame, and whose it is.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "drivers take it apart")]
pub struct EmulationRequest {
    /// The node that has the session; empty where there is but one.
    pub node: ByteString,
    /// The session's secret.
    pub session: ByteString,
    /// The frame.
    pub frame: ByteString,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default, deserialize_with = "or_default")]
    node: Text,
    session: Text,
    /// A string that holds a frame.
    data: Text,
}

impl EmulationRequest {
    /// Reads a body. How long it may be is for whoever receives it to say; the frame in it is shorter
    /// than it.
    ///
    /// # Errors
    /// If it is no such request, or has no session.
    pub fn of_body(body: &[u8]) -> Result<Self, Malformed> {
        let Record(Body { node, session, data }) = json::body(body).ok_or(Malformed::Syntax)?;
        if session.0.is_empty() {
            return Err(Malformed::NoToken);
        }
        Ok(Self { node: node.0, session: session.0, frame: data.0 })
    }
}

/// A secret, and what somebody says, are not for logs.
impl fmt::Debug for EmulationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmulationRequest").field("node", &self.node).finish_non_exhaustive()
    }
}

/// The first frame, where the query of a request carries it; `None` where it does not.
///
/// A token in it stands in the logs of every proxy on the way: those who can had better send it as the
/// body of a POST.
///
/// # Errors
/// If its encoding is broken.
pub fn connect_frame_of_query(query: &str) -> Option<Result<String, Malformed>> {
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(CONNECT_PARAMETER)?.strip_prefix('='))?;
    Some(form_decoded(value).ok_or(Malformed::Syntax))
}

/// Undoes `application/x-www-form-urlencoded`. What is no encoding at all is refused.
fn form_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        let request = EmulationRequest::of_body(
            br#"{"session":"s","node":"n","data":"{\"id\":2}\n{}","more":1}"#,
        )
        .unwrap();
        assert_eq!((&*request.session, &*request.node), ("s", "n"));
        assert_eq!(&*request.frame, "{\"id\":2}\n{}");
        let cases = [
            ("no body", "", Malformed::Syntax),
            ("no object", r#"["n","s","{}"]"#, Malformed::Syntax),
            ("no session", r#"{"data":"{}"}"#, Malformed::Syntax),
            ("an empty session", r#"{"session":"","data":"{}"}"#, Malformed::NoToken),
            ("no data", r#"{"session":"s"}"#, Malformed::Syntax),
            ("data that is no string", r#"{"session":"s","data":{"id":1}}"#, Malformed::Syntax),
            (
                "a session that stands twice",
                r#"{"session":"s","session":"t","data":"{}"}"#,
                Malformed::Syntax,
            ),
        ];
        for (rule, body, why) in cases {
            assert_eq!(EmulationRequest::of_body(body.as_bytes()), Err(why), "{rule}");
        }
        // RFC 8259 §8.1, in what we do not know as well.
        let not_utf8 = b"{\"session\":\"s\",\"data\":\"\",\"x\":\"\xff\"}";
        assert_eq!(EmulationRequest::of_body(not_utf8), Err(Malformed::Syntax));
    }

    #[test]
    fn secrets_are_not_shown() {
        let request =
            EmulationRequest { node: "n".into(), session: "hush".into(), frame: "mum".into() };
        assert_eq!(format!("{request:?}"), r#"EmulationRequest { node: "n", .. }"#);
    }

    #[test]
    fn queries() {
        let cases = [
            ("no query", "", None),
            ("something else", "a=b&cf_connection=1", None),
            ("a name alone", "cf_connect", None),
            ("empty", "cf_connect=", Some(Ok(""))),
            ("as it is", "cf_connect={}", Some(Ok("{}"))),
            (
                "as browsers encode it",
                "a=b&cf_connect=%7B%22a%22%3A+1%7D&c",
                Some(Ok(r#"{"a": 1}"#)),
            ),
            ("the first counts", "cf_connect=1&cf_connect=2", Some(Ok("1"))),
            ("cut off", "cf_connect=%7", Some(Err(Malformed::Syntax))),
            ("not UTF-8", "cf_connect=%ff", Some(Err(Malformed::Syntax))),
        ];
        for (rule, query, frame) in cases {
            let expected = frame.map(|frame| frame.map(ToOwned::to_owned));
            assert_eq!(connect_frame_of_query(query), expected, "{rule}");
        }
    }
}
