//! What named clients speak: JSON objects in text messages, told apart by their `type`.
//!
//! ```text
//! → {"type":"join","name":"Ada"}                   the first message; later, another name
//! → {"type":"say","text":"hello"}
//! ← {"type":"welcome","epoch":"…","you":{…},"people":[{…}],"recent":[{…}]}
//! ← {"type":"joined","who":{"id":7,"name":"Ada"}}
//! ← {"type":"renamed","who":{"id":7,"name":"Countess"},"before":"Ada"}
//! ← {"type":"said","offset":12,"at":1763632800000,
//!    "who":{"id":7,"name":"Ada"},"text":"hello"}
//! ← {"type":"left","who":{"id":7,"name":"Ada"}}
//! ```
//!
//! A client that comes back compares `epoch` and `offset` with what it has seen: within an epoch,
//! each message has its own offset; `at` is its time, in milliseconds since 1970. Anything else than these messages ends in 1008.

use bytestring::ByteString;
use serde::{Deserialize, Serialize};

/// The subprotocol's name (RFC 6455 §1.9).
pub const SUBPROTOCOL: &str = "tidewire.chat.v1";

/// What a named client sends.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Request {
    Join { name: String },
    Say { text: String },
}

/// What it receives.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Event<'a> {
    Welcome { epoch: &'a str, you: &'a Who, people: Vec<&'a Who>, recent: Vec<&'a Said> },
    Joined { who: &'a Who },
    Renamed { who: &'a Who, before: &'a str },
    Said(&'a Said),
    Left { who: &'a Who },
}

/// Somebody in the room.
#[derive(Debug, Clone, Default, Serialize, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) id: u64,
    pub(crate) name: ByteString,
}

/// One message.
#[derive(Debug, Clone, Default, Serialize, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) offset: u64,
    /// When the server heard it, in milliseconds since 1970 (UTC).
    pub(crate) at: u64,
    pub(crate) who: Who,
    pub(crate) text: ByteString,
}

impl Event<'_> {
    pub(crate) fn to_json(&self) -> String {
        #[expect(clippy::expect_used, reason = "strings and numbers: always JSON")]
        serde_json::to_string(self).expect("strings and numbers")
    }
}

impl Request {
    pub(crate) fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_by_rule() {
        let join = |name: &str| Some(Request::Join { name: name.into() });
        let say = |text: &str| Some(Request::Say { text: text.into() });
        let cases: &[(&str, &str, Option<Request>)] = &[
            ("join", r#"{"type":"join","name":"Ada"}"#, join("Ada")),
            ("say", r#"{"text":"a\nb","type":"say"}"#, say("a\nb")),
            ("an unknown type", r#"{"type":"sing"}"#, None),
            ("an unknown field", r#"{"type":"say","text":"","loud":1}"#, None),
            ("a missing field", r#"{"type":"say"}"#, None),
            ("another kind of value", r#"{"type":"say","text":1}"#, None),
            ("half an object", r#"{"type":"say","te"#, None),
            ("no object", "hello", None),
            ("deep", &"[".repeat(10_000), None),
        ];
        for (rule, text, wanted) in cases {
            assert_eq!(Request::from_json(text).ok(), *wanted, "{rule}");
        }
    }

    #[test]
    fn events_are_what_the_page_reads() {
        let who = Who { id: 7, name: "Ada".into() };
        let said = Said { offset: 12, at: 1, who: who.clone(), text: "<b>\n".into() };
        let cases = [
            (
                Event::Welcome { epoch: "e", you: &who, people: vec![&who], recent: vec![&said] },
                r#"{"type":"welcome","epoch":"e","you":{"id":7,"name":"Ada"},"people":[{"id":7,"name":"Ada"}],"recent":[{"offset":12,"at":1,"who":{"id":7,"name":"Ada"},"text":"<b>\n"}]}"#,
            ),
            (Event::Joined { who: &who }, r#"{"type":"joined","who":{"id":7,"name":"Ada"}}"#),
            (
                Event::Renamed { who: &who, before: "A" },
                r#"{"type":"renamed","who":{"id":7,"name":"Ada"},"before":"A"}"#,
            ),
            (
                Event::Said(&said),
                r#"{"type":"said","offset":12,"at":1,"who":{"id":7,"name":"Ada"},"text":"<b>\n"}"#,
            ),
            (Event::Left { who: &who }, r#"{"type":"left","who":{"id":7,"name":"Ada"}}"#),
        ];
        for (event, json) in cases {
            assert_eq!(event.to_json(), json);
        }
    }
}
