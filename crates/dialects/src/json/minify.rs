//! Payloads: JSON that is checked once and kept as text, without what stands between its tokens.

use std::fmt;

use bytestring::ByteString;
use serde_json::value::RawValue;
use tidewire_hub::Data;

/// So deep may arrays and objects of a payload stand in each other. Nothing here minds more; the
/// parsers of those who receive it do.
pub const PAYLOAD_DEPTH_MAX: usize = 128;

/// Why a payload was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "one value of JSON, or not")]
pub enum InvalidJson {
    /// It is not one value of JSON (RFC 8259).
    Syntax,
    /// It nests deeper than [`PAYLOAD_DEPTH_MAX`].
    TooDeep,
}

/// Checks that `text` is one value of JSON, and keeps it without what stands between its tokens:
/// no newline is left, so it fits into line-based formats as it is.
///
/// Nothing is normalized: escapes, numbers, the order of keys and keys that stand twice stay as they
/// came, since what they mean is for those who read it.
///
/// # Errors
/// If it is no JSON, or nests too deep.
pub fn payload(text: &str) -> Result<Data, InvalidJson> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|_| InvalidJson::Syntax)?;
    minify(raw)
}

/// As [`payload`], of a value that stands in something larger and was checked with it.
pub(crate) fn minify(raw: &RawValue) -> Result<Data, InvalidJson> {
    let text = raw.get();
    let mut kept = String::new();
    let mut depth = 0_usize;
    let mut from = 0;
    for (at, token) in (Tokens { text, position: 0 }) {
        match token {
            b'[' | b'{' => {
                depth += 1;
                if depth > PAYLOAD_DEPTH_MAX {
                    return Err(InvalidJson::TooDeep);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            // Most clients send it minified already: nothing is copied before there is a reason to.
            _ => {
                if kept.is_empty() {
                    kept.reserve_exact(text.len());
                }
                kept.push_str(&text[from..at]);
                from = at + 1;
            }
        }
    }
    if from == 0 {
        return Ok(Data::Json(ByteString::from(text)));
    }
    kept.push_str(&text[from..]);
    // It may live as long as its channel's history.
    kept.shrink_to_fit();
    Ok(Data::Json(kept.into()))
}

/// The brackets and the white space of a valid text, outside of its strings.
struct Tokens<'a> {
    text: &'a str,
    position: usize,
}

impl Iterator for Tokens<'_> {
    type Item = (usize, u8);

    fn next(&mut self) -> Option<(usize, u8)> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.position) {
            let at = self.position;
            self.position += 1;
            match byte {
                b'"' => self.position = end_of_string(bytes, self.position),
                b' ' | b'\t' | b'\n' | b'\r' | b'[' | b'{' | b']' | b'}' => {
                    return Some((at, byte));
                }
                _ => {}
            }
        }
        None
    }
}

/// Where a string ends whose contents begin at `position`.
fn end_of_string(bytes: &[u8], mut position: usize) -> usize {
    while let Some(&byte) = bytes.get(position) {
        position += 1;
        match byte {
            b'"' => break,
            // What is escaped is at least one byte, and no quotation mark that ends anything.
            b'\\' => position += 1,
            _ => {}
        }
    }
    position
}

impl fmt::Display for InvalidJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax => f.write_str("the payload is not JSON"),
            Self::TooDeep => {
                write!(f, "the payload nests deeper than {PAYLOAD_DEPTH_MAX} levels")
            }
        }
    }
}

impl std::error::Error for InvalidJson {}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> Result<String, InvalidJson> {
        payload(text).map(|data| match data {
            Data::Json(text) => text.to_string(),
            Data::Binary(_) => unreachable!("JSON is text"),
        })
    }

    #[test]
    fn what_is_kept() {
        let cases = [
            // rule                                    text                        kept
            ("minified stays", r#"{"a":[1,2]}"#, r#"{"a":[1,2]}"#),
            ("RFC 8259 §2 white space goes", " {\t\"a\" :\r\n[ 1 , 2 ] } ", r#"{"a":[1,2]}"#),
            ("in strings it stays", r#"{ "a b" : " c " }"#, r#"{"a b":" c "}"#),
            ("§7 an escaped quotation mark ends nothing", r#"[ "\" ] " ]"#, r#"["\" ] "]"#),
            ("an escaped backslash escapes nothing", r#"[ "\\" , " " ]"#, r#"["\\"," "]"#),
            ("escapes stay as they came", r#""\u0041\n\/""#, r#""\u0041\n\/""#),
            ("§8.2 so does half a surrogate pair", r#""\ud800""#, r#""\ud800""#),
            ("scalars are values", " null ", "null"),
            ("§6 numbers stay as they came", " 1.50e+400 ", "1.50e+400"),
            ("§4 keys that stand twice stay", r#"{"a":1, "a":2}"#, r#"{"a":1,"a":2}"#),
            ("line separators are not newlines", "\"\u{2028} \"", "\"\u{2028} \""),
            ("beyond ASCII", "[ \"\u{e9} \u{1f30a}\" ]", "[\"\u{e9} \u{1f30a}\"]"),
        ];
        for (rule, text, expected) in cases {
            assert_eq!(kept(text).as_deref(), Ok(expected), "{rule}");
        }
    }

    #[test]
    fn what_is_refused() {
        let cases = [
            ("nothing", ""),
            ("white space alone", " "),
            ("two values", "1 2"),
            ("half a value", r#"{"a":"#),
            ("§9 a trailing comma", "[1,]"),
            ("§7 a newline in a string", "\"a\nb\""),
            ("§6 a leading zero", "01"),
            ("a byte order mark", "\u{feff}1"),
            ("a comment", "1 // one"),
        ];
        for (rule, text) in cases {
            assert_eq!(kept(text), Err(InvalidJson::Syntax), "{rule}");
        }
    }

    #[test]
    fn depth_at_the_limit_and_above() {
        let nested = |depth: usize| "[ ".repeat(depth) + &"]".repeat(depth);
        assert!(kept(&nested(PAYLOAD_DEPTH_MAX)).is_ok());
        assert_eq!(kept(&nested(PAYLOAD_DEPTH_MAX + 1)), Err(InvalidJson::TooDeep));
        // Without an end of the stack in sight.
        assert_eq!(kept(&nested(1_000_000)), Err(InvalidJson::TooDeep));
    }
}
