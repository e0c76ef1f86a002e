//! The grammar of RFC 6455 §9.1, in one pass.

use alloc::{borrow::Cow, string::String, vec::Vec};

use super::{
    EMPTY_ELEMENT_COUNT_MAX, EXTENSION_COUNT_MAX, Extension, ExtensionError, PARAM_COUNT_MAX, Param,
};
use crate::token::{is_ows, is_tchar};

/// Reads all lines of a `Sec-WebSocket-Extensions` header, in order, as one list.
///
/// §9.1: "If a value is received … that does not conform to the ABNF below, the recipient of such
/// malformed data MUST immediately _Fail the WebSocket Connection_", so an error here refuses the
/// handshake. Two leniences: empty list
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
pub(super) struct List<'a> {
    extensions: Vec<Extension<'a>>,
    empty_element_count: usize,
    /// How often a byte was looked at, to show that the time is linear.
    #[cfg(test)]
    pub(super) examined: usize,
}

impl<'a> List<'a> {
    pub(super) fn line(&mut self, line: &'a [u8]) -> Result<(), ExtensionError> {
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
