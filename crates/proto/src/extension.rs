//! `Sec-WebSocket-Extensions`: offers and answers as values (RFC 6455 §9.1).
//!
//! Knows the header's grammar and no extension. Reading is one pass over the bytes, each looked at
//! once, and what it allocates is bounded by [`EXTENSION_COUNT_MAX`] and [`PARAM_COUNT_MAX`]: other
//! libraries had quadratic parsers here (CVE-2020-7662, CVE-2021-32640).
//!
//! Names are compared exactly. §4.1 asks for "an ASCII case-insensitive match" where it wants one
//! (`Upgrade`, `Connection`) and not for extensions; a name in odd case is thus one that nobody
//! registered, and unknown extensions are declined, which is always safe.
//!
//! ```
//! use tidewire_proto::extension::{self, Extension};
//!
//! let offers = extension::parse([b"foo; a=\"1\", bar".as_slice(), b"baz;b"])?;
//! assert_eq!(offers.len(), 3);
//! assert_eq!(offers[0].name(), "foo");
//! assert_eq!(offers[0].params()[0].value(), Some("1"));
//! assert_eq!(extension::to_header_value(&offers), "foo; a=1, bar, baz; b");
//!
//! let answer = Extension::new("foo")?.with_param("a", Some("1"))?;
//! assert_eq!(answer.to_string(), "foo; a=1");
//! # Ok::<(), extension::ExtensionError>(())
//! ```

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt::{self, Write as _};

use crate::token::{is_ows, is_tchar, is_token};

/// Extensions in one handshake message, over all lines of the header. Browsers offer one.
pub const EXTENSION_COUNT_MAX: usize = 16;

/// Parameters of one extension. permessage-deflate defines four.
pub const PARAM_COUNT_MAX: usize = 16;

/// Empty list elements, over all lines. RFC 9110 §5.6.1.2 asks to ignore "a reasonable number"
/// of them, "but not so much that they could be used as a denial-of-service mechanism".
pub const EMPTY_ELEMENT_COUNT_MAX: usize = 16;

/// One element of the header: an extension's name and its parameters, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension<'a> {
    name: Cow<'a, str>,
    params: Vec<Param<'a>>,
}

impl<'a> Extension<'a> {
    /// An extension without parameters. `name` must be a token.
    pub fn new(name: impl Into<Cow<'a, str>>) -> Result<Self, ExtensionError> {
        Ok(Self { name: checked_token(name.into())?, params: Vec::new() })
    }

    /// The same with one more parameter. `name`, and `value` where there is one, must be tokens.
    pub fn with_param(
        mut self,
        name: impl Into<Cow<'a, str>>,
        value: Option<impl Into<Cow<'a, str>>>,
    ) -> Result<Self, ExtensionError> {
        if self.params.len() == PARAM_COUNT_MAX {
            return Err(ExtensionError::TooManyParams);
        }
        let value = value.map(|value| checked_token(value.into())).transpose()?;
        self.params.push(Param { name: checked_token(name.into())?, value });
        Ok(self)
    }

    /// The extension's registered name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its parameters, in the order in which they were sent.
    pub fn params(&self) -> &[Param<'a>] {
        &self.params
    }

    /// The same, without borrowing from the header.
    pub fn into_owned(self) -> Extension<'static> {
        Extension {
            name: Cow::Owned(self.name.into_owned()),
            params: self.params.into_iter().map(Param::into_owned).collect(),
        }
    }
}

/// For extensions that we know ourselves, so that their words need no check.
#[cfg(feature = "deflate")]
impl<'a> Extension<'a> {
    /// An extension without parameters. `name` is a token.
    pub(crate) fn known(name: &'static str) -> Self {
        debug_assert!(is_token(name.as_bytes()));
        Self { name: Cow::Borrowed(name), params: Vec::new() }
    }

    /// Adds a parameter. `name`, and `value` where there is one, are tokens.
    pub(crate) fn push_known(&mut self, name: &'static str, value: Option<Cow<'a, str>>) {
        debug_assert!(is_token(name.as_bytes()));
        debug_assert!(value.as_deref().is_none_or(|value| is_token(value.as_bytes())));
        self.params.push(Param { name: Cow::Borrowed(name), value });
    }
}

/// As it stands in the header: `name; param=value; flag`.
impl fmt::Display for Extension<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.params.iter().try_for_each(|param| write!(f, "; {param}"))
    }
}

/// A parameter of an extension, with or without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param<'a> {
    name: Cow<'a, str>,
    value: Option<Cow<'a, str>>,
}

impl Param<'_> {
    /// The parameter's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value, unquoted; `None` where the name stands alone. A token, or empty where the peer
    /// wrote `name=` or `name=""`: no extension can accept that, see [`parse`].
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    fn into_owned(self) -> Param<'static> {
        Param {
            name: Cow::Owned(self.name.into_owned()),
            value: self.value.map(|value| Cow::Owned(value.into_owned())),
        }
    }
}

impl fmt::Display for Param<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value() {
            None => f.write_str(&self.name),
            Some("") => write!(f, "{}=\"\"", self.name),
            Some(value) => write!(f, "{}={value}", self.name),
        }
    }
}

/// The value of a `Sec-WebSocket-Extensions` header that carries `extensions` in this order.
pub fn to_header_value<'e, 'a: 'e>(
    extensions: impl IntoIterator<Item = &'e Extension<'a>>,
) -> String {
    let mut out = String::new();
    for extension in extensions {
        let comma = if out.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(out, "{comma}{extension}");
    }
    out
}

/// Reads all lines of a `Sec-WebSocket-Extensions` header, in order, as one list.
///
/// §9.1: "a value received … that does not conform to the ABNF … MUST immediately _Fail the
/// WebSocket Connection_", so an error here refuses the handshake. Two leniences: empty list
/// elements are skipped (RFC 9110 §5.6.1.2), so a header without any element offers nothing; and
/// an empty value is handed on, so that a server declines it like any other invalid value of a
/// parameter instead of losing the connection.
pub fn parse<'a>(
    lines: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Extension<'a>>, ExtensionError> {
    let mut list = List::default();
    // Combining the lines with commas means the same (RFC 9110 §5.3): no element can span two
    // lines, since a quoted comma is no part of a token.
    lines.into_iter().try_for_each(|line| list.line(line))?;
    Ok(list.extensions)
}

/// A list being read.
#[derive(Debug, Default)]
struct List<'a> {
    extensions: Vec<Extension<'a>>,
    empty_element_count: usize,
    /// How often a byte was looked at, to show that the time is linear.
    #[cfg(test)]
    examined: usize,
}

impl<'a> List<'a> {
    fn line(&mut self, line: &'a [u8]) -> Result<(), ExtensionError> {
        let mut cursor = Cursor {
            line,
            at: 0,
            #[cfg(test)]
            examined: 0,
        };
        let result = self.elements(&mut cursor);
        #[cfg(test)]
        {
            self.examined += cursor.examined;
        }
        result
    }

    fn elements(&mut self, cursor: &mut Cursor<'a>) -> Result<(), ExtensionError> {
        loop {
            match cursor.skip_ows() {
                None => return Ok(()),
                Some(b',') => {
                    cursor.at += 1;
                    self.empty_element_count += 1;
                    if self.empty_element_count > EMPTY_ELEMENT_COUNT_MAX {
                        return Err(ExtensionError::TooManyEmptyElements);
                    }
                    continue;
                }
                Some(_) => {}
            }
            if self.extensions.len() == EXTENSION_COUNT_MAX {
                return Err(ExtensionError::TooManyExtensions);
            }
            self.extensions.push(cursor.extension()?);
            match cursor.skip_ows() {
                None => return Ok(()),
                Some(b',') => cursor.at += 1,
                Some(byte) => return Err(cursor.unexpected(byte)),
            }
        }
    }
}

/// A place in one line. It only moves on.
struct Cursor<'a> {
    line: &'a [u8],
    at: usize,
    #[cfg(test)]
    examined: usize,
}

impl<'a> Cursor<'a> {
    #[cfg_attr(not(test), expect(clippy::needless_pass_by_ref_mut, reason = "tests count here"))]
    fn peek(&mut self) -> Option<u8> {
        #[cfg(test)]
        {
            self.examined += 1;
        }
        self.line.get(self.at).copied()
    }

    /// The next byte that is no white space: the grammar is RFC 2616's, which implies it between
    /// any two words and separators (§2.1 there, "implied *LWS").
    fn skip_ows(&mut self) -> Option<u8> {
        loop {
            match self.peek() {
                Some(byte) if is_ows(byte) => self.at += 1,
                next => return next,
            }
        }
    }

    /// `extension = extension-token *( ";" extension-param )`
    fn extension(&mut self) -> Result<Extension<'a>, ExtensionError> {
        let mut extension = Extension { name: Cow::Borrowed(self.token()?), params: Vec::new() };
        while self.skip_ows() == Some(b';') {
            if extension.params.len() == PARAM_COUNT_MAX {
                return Err(ExtensionError::TooManyParams);
            }
            self.at += 1;
            self.skip_ows();
            extension.params.push(self.param()?);
        }
        Ok(extension)
    }

    /// `extension-param = token [ "=" (token | quoted-string) ]`
    fn param(&mut self) -> Result<Param<'a>, ExtensionError> {
        let name = Cow::Borrowed(self.token()?);
        if self.skip_ows() != Some(b'=') {
            return Ok(Param { name, value: None });
        }
        self.at += 1;
        let value = match self.skip_ows() {
            Some(b'"') => self.quoted_string()?,
            None | Some(b';' | b',') => Cow::Borrowed(""),
            Some(_) => Cow::Borrowed(self.token()?),
        };
        Ok(Param { name, value: Some(value) })
    }

    fn token(&mut self) -> Result<&'a str, ExtensionError> {
        let start = self.at;
        loop {
            match self.peek() {
                Some(byte) if is_tchar(byte) => self.at += 1,
                Some(byte) if self.at == start => return Err(self.unexpected(byte)),
                None if self.at == start => return Err(ExtensionError::UnexpectedEnd),
                _ => return Ok(self.since(start)),
            }
        }
    }

    /// §9.1: "When using the quoted-string syntax variant, the value after quoted-string
    /// unescaping MUST conform to the 'token' ABNF."
    fn quoted_string(&mut self) -> Result<Cow<'a, str>, ExtensionError> {
        self.at += 1; // the opening quote
        let start = self.at;
        let mut unescaped: Option<String> = None;
        loop {
            let Some(mut byte) = self.peek() else { return Err(ExtensionError::UnclosedQuote) };
            if byte == b'"' {
                let plain = self.since(start);
                self.at += 1;
                return Ok(unescaped.map_or(Cow::Borrowed(plain), Cow::Owned));
            }
            if byte == b'\\' {
                unescaped.get_or_insert_with(|| self.since(start).into());
                self.at += 1;
                let Some(escaped) = self.peek() else { return Err(ExtensionError::UnclosedQuote) };
                byte = escaped;
            }
            if !is_tchar(byte) {
                return Err(ExtensionError::ValueNotToken { byte });
            }
            if let Some(text) = &mut unescaped {
                text.push(char::from(byte));
            }
            self.at += 1;
        }
    }

    /// What was read since `start`: tchars only, which are ASCII.
    fn since(&self, start: usize) -> &'a str {
        self.line
            .get(start..self.at)
            .and_then(|bytes| core::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    fn unexpected(&self, byte: u8) -> ExtensionError {
        ExtensionError::UnexpectedByte { byte, at: self.at }
    }
}

fn checked_token(text: Cow<'_, str>) -> Result<Cow<'_, str>, ExtensionError> {
    if is_token(text.as_bytes()) { Ok(text) } else { Err(ExtensionError::NotAToken) }
}

/// What is wrong with a `Sec-WebSocket-Extensions` header, or with an extension to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExtensionError {
    /// A byte that the grammar does not allow here.
    UnexpectedByte {
        /// The byte.
        byte: u8,
        /// Its place in its line, from zero.
        at: usize,
    },
    /// The header ends where a name should stand.
    UnexpectedEnd,
    /// A quoted value without its closing quote.
    UnclosedQuote,
    /// A quoted value whose content is not a token.
    ValueNotToken {
        /// The first byte that no token has.
        byte: u8,
    },
    /// More than [`EXTENSION_COUNT_MAX`] extensions.
    TooManyExtensions,
    /// An extension with more than [`PARAM_COUNT_MAX`] parameters.
    TooManyParams,
    /// More than [`EMPTY_ELEMENT_COUNT_MAX`] empty list elements.
    TooManyEmptyElements,
    /// Our caller's: a name or value of an extension to be written is not a token.
    NotAToken,
}

impl ExtensionError {
    /// The section with the rule.
    pub const fn section(self) -> &'static str {
        match self {
            Self::UnexpectedByte { .. }
            | Self::UnexpectedEnd
            | Self::UnclosedQuote
            | Self::ValueNotToken { .. }
            | Self::NotAToken => "RFC 6455 §9.1",
            Self::TooManyExtensions | Self::TooManyParams => "RFC 6455 §10.4",
            Self::TooManyEmptyElements => "RFC 9110 §5.6.1.2",
        }
    }

    /// A stable name for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnexpectedByte { .. } => "extension_unexpected_byte",
            Self::UnexpectedEnd => "extension_unexpected_end",
            Self::UnclosedQuote => "extension_unclosed_quote",
            Self::ValueNotToken { .. } => "extension_value_not_token",
            Self::TooManyExtensions => "extension_count_max",
            Self::TooManyParams => "extension_param_count_max",
            Self::TooManyEmptyElements => "extension_empty_element_count_max",
            Self::NotAToken => "extension_not_a_token",
        }
    }
}

impl fmt::Display for ExtensionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sec-WebSocket-Extensions: ")?;
        match self {
            Self::UnexpectedByte { byte, at } => {
                write!(f, "byte {byte:#04x} at {at} is not allowed there")
            }
            Self::UnexpectedEnd => f.write_str("it ends where a name should stand"),
            Self::UnclosedQuote => f.write_str("a quoted value has no closing quote"),
            Self::ValueNotToken { byte } => {
                write!(f, "a quoted value contains byte {byte:#04x}, which no token has")
            }
            Self::TooManyExtensions => {
                write!(f, "more than {EXTENSION_COUNT_MAX} extensions")
            }
            Self::TooManyParams => {
                write!(f, "an extension with more than {PARAM_COUNT_MAX} parameters")
            }
            Self::TooManyEmptyElements => {
                write!(f, "more than {EMPTY_ELEMENT_COUNT_MAX} empty list elements")
            }
            Self::NotAToken => f.write_str("a name or a value is not a token"),
        }?;
        write!(f, " ({})", self.section())
    }
}

impl core::error::Error for ExtensionError {}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString as _, vec};

    use proptest::prelude::*;

    use super::*;
    use ExtensionError as E;

    #[test]
    fn lists_by_section() {
        let cases: &[(&str, &[&str], &str)] = &[
            ("§9.1 one", &["foo"], "foo"),
            ("§9.1 a list keeps its order", &["foo, bar;a"], "foo, bar; a"),
            ("§9.1 several lines are one list", &["foo; a=1", "bar", "foo"], "foo; a=1, bar, foo"),
            ("§9.1 the RFC's example", &["bar; baz=2"], "bar; baz=2"),
            ("§9.1 quoted", &["foo; a=\"10\""], "foo; a=10"),
            ("§9.1 quoted and escaped", &["foo; a=\"1\\0\\a\""], "foo; a=10a"),
            ("RFC 2616 §2.1 implied white space", &["\tfoo ;\ta = 1 , bar "], "foo; a=1, bar"),
            ("RFC 9110 §5.6.1.2 empty elements", &[",, foo ,,bar,", "", ","], "foo, bar"),
            ("RFC 9110 §5.6.1.2 nothing at all", &["", " "], ""),
            ("D2 an empty value is for the extension", &["foo; a=; b"], "foo; a=\"\"; b"),
            ("D2 also a quoted one", &["foo; a=\"\""], "foo; a=\"\""),
        ];
        for (rule, lines, canonical) in cases {
            let list = parse(lines.iter().map(|line| line.as_bytes())).unwrap();
            assert_eq!(to_header_value(&list), *canonical, "{rule}");
        }
    }

    #[test]
    fn malformed_by_section() {
        let many = |piece: &str, count: usize| piece.repeat(count);
        let cases: &[(&str, &str, E)] = &[
            ("H16 §9.1 unclosed quote", "foo; a=\"b", E::UnclosedQuote),
            ("H16 §9.1 unclosed quote after an escape", "foo; a=\"b\\", E::UnclosedQuote),
            ("H16 §9.1 quotes hide no comma", "a; b=\"1, c\"", E::ValueNotToken { byte: b',' }),
            ("H16 §9.1 nor an escaped quote", "a; b=\"\\\"\"", E::ValueNotToken { byte: b'"' }),
            ("H16 §9.1 quoted value without a name", "\"foo\"", unexpected(b'"', 0)),
            ("H16 §9.1 two words", "foo bar", unexpected(b'b', 4)),
            ("H16 §9.1 two values", "foo; a=1 2", unexpected(b'2', 9)),
            ("H16 §9.1 value after a quote", "foo; a=\"1\"2", unexpected(b'2', 10)),
            ("H16 §9.1 empty parameter", "foo;", E::UnexpectedEnd),
            ("H16 §9.1 empty parameter within", "foo; ; a", unexpected(b';', 5)),
            ("H16 §9.1 parameter without a name", "foo; =1", unexpected(b'=', 5)),
            ("H16 §9.1 not ASCII", "foo; a=\u{e9}", unexpected(0xC3, 7)),
            ("H16 §9.1 NUL", "foo\0", unexpected(0, 3)),
            ("H16 10^5 parameters", &many("a;", 100_000), E::TooManyParams),
            ("H16 64 KiB of commas", &many(",", 65_536), E::TooManyEmptyElements),
            ("H16 10^5 extensions", &many("a,", 100_000), E::TooManyExtensions),
        ];
        for (rule, line, error) in cases {
            assert_eq!(parse([line.as_bytes()]), Err(*error), "{rule}");
        }
    }

    fn unexpected(byte: u8, at: usize) -> ExtensionError {
        ExtensionError::UnexpectedByte { byte, at }
    }

    #[test]
    fn h16_limits_at_and_beyond() {
        let cases: &[(&str, &str, &str, usize, E)] = &[
            ("extensions", "a", ",a", EXTENSION_COUNT_MAX - 1, E::TooManyExtensions),
            ("parameters", "a", ";b", PARAM_COUNT_MAX, E::TooManyParams),
            ("empty elements", "", ",", EMPTY_ELEMENT_COUNT_MAX, E::TooManyEmptyElements),
        ];
        for (limit, start, more, count, error) in cases {
            let at = format!("{start}{}", more.repeat(*count));
            assert!(parse([at.as_bytes()]).is_ok(), "{limit}");
            let beyond = format!("{start}{}", more.repeat(count + 1));
            assert_eq!(parse([beyond.as_bytes()]), Err(*error), "{limit}");
        }
        // The limits hold over all lines, not for each.
        let lines = vec![b"a".as_slice(); EXTENSION_COUNT_MAX + 1];
        assert_eq!(parse(lines), Err(E::TooManyExtensions));
        let lines = vec![b",".as_slice(); EMPTY_ELEMENT_COUNT_MAX + 1];
        assert_eq!(parse(lines), Err(E::TooManyEmptyElements));
    }

    /// H16: whatever the bytes are, each is looked at a fixed number of times.
    fn examined(line: &[u8]) -> usize {
        let mut list = List::default();
        let _ = list.line(line);
        list.examined
    }

    #[test]
    fn h16_time_is_linear() {
        for piece in [" ", "\t", "a", "\\\"", "a;", "a=", "\"", ";", "=", "a=\"", "a b", "\"\\"] {
            for start in ["", "a", "a;", "a;b=", "a;b=\""] {
                let line = format!("{start}{}", piece.repeat(65_536 / piece.len()));
                assert!(examined(line.as_bytes()) <= 4 * line.len(), "{start}{piece}…");
            }
        }
    }

    #[test]
    fn what_is_written_is_made_of_tokens() {
        for bad in ["", "a b", "a\r\nb", "a;b", "a,b", "\u{e9}", "\"a\""] {
            assert_eq!(Extension::new(bad), Err(E::NotAToken));
            let foo = || Extension::new("foo").unwrap();
            assert_eq!(foo().with_param(bad, None::<&str>), Err(E::NotAToken));
            assert_eq!(foo().with_param("a", Some(bad)), Err(E::NotAToken));
        }
    }

    #[cfg(feature = "deflate")]
    #[test]
    fn known_words_are_written_as_they_are() {
        let mut known = Extension::known("foo");
        known.push_known("a", Some(Cow::Borrowed("1")));
        known.push_known("b", None);
        assert_eq!(known.to_string(), "foo; a=1; b");
    }

    proptest! {
        #[test]
        fn never_panics_and_stays_linear(
            line in "[ab=;,\" \\\\\t]{0,64}|[\\x00-\\xff]{0,64}".prop_map(String::into_bytes),
        ) {
            let _ = parse([line.as_slice()]);
            prop_assert!(examined(&line) <= 4 * line.len() + 4);
        }

        /// What is written is read as the same list.
        #[test]
        fn writing_undoes_reading(
            lines in prop::collection::vec(
                "[ab]; [ab]( ?= ?(\"[ab]{0,2}\"|[ab]{1,2}))?(,[ab])?",
                0..4,
            ),
        ) {
            let list = parse(lines.iter().map(String::as_bytes)).unwrap();
            let written = to_header_value(&list);
            prop_assert_eq!(parse([written.as_bytes()]).unwrap(), list);
        }
    }
}
