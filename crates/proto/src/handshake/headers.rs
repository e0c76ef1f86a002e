//! [`Headers`]: header fields in order, owned.

use alloc::vec::Vec;
use core::{fmt, ops::Range};

use super::error::ApiMisuse;
use crate::token::{is_ows, is_token};

/// Header fields in the order in which they were sent or added. Names compare in any case
/// (RFC 9110 §5.1).
///
/// `Debug` shows names alone: values may be cookies or tokens.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Headers {
    /// Names and values, one after the other.
    text: Vec<u8>,
    fields: Vec<Field>,
}

#[derive(Clone, PartialEq, Eq)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
}

impl Headers {
    /// No fields. Allocates nothing.
    pub const fn new() -> Self {
        Self { text: Vec::new(), fields: Vec::new() }
    }

    /// These fields, in this order; refuses what [`append`](Self::append) refuses.
    pub fn from_fields<'f, V: AsRef<[u8]>>(
        fields: impl IntoIterator<Item = (&'f str, V)>,
    ) -> Result<Self, ApiMisuse> {
        let mut headers = Self::new();
        for (name, value) in fields {
            headers.append(name, value)?;
        }
        Ok(headers)
    }

    /// Adds a field. White space around the value is left out.
    ///
    /// Refuses a name that is no token, and a value with CR, LF, NUL or another control character:
    /// it could end the header and begin another (RFC 9110 §5.5, CVE-2026-1527).
    pub fn append(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), ApiMisuse> {
        let value = value.as_ref();
        if !is_token(name.as_bytes()) {
            return Err(ApiMisuse::HeaderName);
        }
        if !value.iter().copied().all(is_field_byte) {
            return Err(ApiMisuse::HeaderValue);
        }
        self.push(name, value);
        Ok(())
    }

    /// Adds a field that is known to be valid.
    pub(super) fn push(&mut self, name: &str, value: &[u8]) {
        let value = trim_ows(value);
        let start = self.text.len();
        let middle = start + name.len();
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(value);
        self.fields.push(Field { name: start..middle, value: middle..self.text.len() });
    }

    /// Takes out the fields with one of these names.
    pub(super) fn remove(&mut self, names: &[&str]) {
        let mut kept = Self::new();
        for (name, value) in self.iter() {
            if !names.iter().any(|removed| name.eq_ignore_ascii_case(removed)) {
                kept.push(name, value);
            }
        }
        *self = kept;
    }

    /// Adds all fields of `other`.
    pub(super) fn extend(&mut self, other: &Self) {
        for (name, value) in other.iter() {
            self.push(name, value);
        }
    }

    /// All fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|field| {
            let name = self.text.get(field.name.clone()).unwrap_or_default();
            let value = self.text.get(field.value.clone()).unwrap_or_default();
            (core::str::from_utf8(name).unwrap_or_default(), value)
        })
    }

    /// The values of all fields with this name, in order.
    pub fn get_all<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
        self.iter().filter(move |(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// The value of the first field with this name.
    pub fn get<'h>(&'h self, name: &'h str) -> Option<&'h [u8]> {
        self.get_all(name).next()
    }

    /// Whether there is a field with this name.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The only value of a field that must not be repeated.
    pub(super) fn single<'h>(&'h self, name: &'h str) -> Occurrence<'h> {
        let mut values = self.get_all(name);
        match (values.next(), values.next()) {
            (None, _) => Occurrence::Missing,
            (Some(value), None) => Occurrence::Once(value),
            (Some(_), Some(_)) => Occurrence::Repeated,
        }
    }

    /// Whether a header that is a list of tokens contains `token`, in any case and on any line.
    pub(super) fn list_contains(&self, name: &str, token: &str) -> bool {
        self.get_all(name)
            .flat_map(elements)
            .any(|found| found.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Appends the fields as HTTP/1.1 writes them, without the empty line after the last.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        for (name, value) in self.iter() {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

/// How often a header stands in a message.
pub(super) enum Occurrence<'h> {
    Missing,
    Once(&'h [u8]),
    Repeated,
}

/// The elements of a list header (RFC 9110 §5.6.1). Empty ones are left out; the head's length
/// bounds how many there can be.
pub(super) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim_ows).filter(|element| !element.is_empty())
}

/// `field-vchar`, space and tab (RFC 9110 §5.5): no control character, but bytes above ASCII.
pub(super) const fn is_field_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7F)
}

pub(super) fn trim_ows(mut value: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = value
        && is_ows(*first)
    {
        value = rest;
    }
    while let [rest @ .., last] = value
        && is_ows(*last)
    {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use alloc::{format, vec};

    use super::*;

    #[test]
    fn h14_values_cannot_end_the_header() {
        let mut headers = Headers::new();
        for value in ["a\r\nb: c", "a\nb", "a\rb", "\0", "\x7f", "\x1b[2J"] {
            assert_eq!(headers.append("x", value), Err(ApiMisuse::HeaderValue), "{value:?}");
        }
        for name in ["", "a b", "a:", "a\r\n", "\u{e4}", "a\0"] {
            assert_eq!(headers.append(name, "v"), Err(ApiMisuse::HeaderName), "{name:?}");
        }
        assert!(headers.is_empty());
    }

    #[test]
    fn fields_keep_their_order_and_compare_in_any_case() {
        let mut headers = Headers::new();
        headers.append("Cookie", " a=1\t").unwrap();
        headers.append("x", "").unwrap();
        headers.append("cookie", b"\xFF").unwrap();
        assert_eq!(headers.get_all("COOKIE").collect::<Vec<_>>(), vec![&b"a=1"[..], b"\xFF"]);
        assert_eq!(headers.get("x"), Some(&b""[..]));
        assert_eq!(headers.get("y"), None);
        assert_eq!(format!("{headers:?}"), r#"["Cookie", "x", "cookie"]"#);
        let mut encoded = Vec::new();
        headers.encode(&mut encoded);
        assert_eq!(encoded, b"Cookie: a=1\r\nx: \r\ncookie: \xFF\r\n");
    }

    #[test]
    fn h7_lists_of_tokens() {
        let cases: &[(&[&str], bool)] = &[
            (&["upgrade"], true),
            (&["keep-alive, Upgrade"], true),
            (&["keep-alive", "x", "\tUPGRADE ,"], true),
            (&[",,upgrade"], true),
            (&["upgraded"], false),
            (&["up grade"], false),
            (&["\"upgrade\""], false),
            (&["keep-alive; upgrade"], false),
            (&[""], false),
            (&[], false),
        ];
        for (lines, found) in cases {
            let mut headers = Headers::new();
            for line in *lines {
                headers.append("Connection", line).unwrap();
            }
            assert_eq!(headers.list_contains("connection", "Upgrade"), *found, "{lines:?}");
        }
    }
}
