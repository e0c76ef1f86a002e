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

use crate::token::is_token;

mod error;
mod parser;

pub use error::ExtensionError;
pub use parser::parse;

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

fn checked_token(text: Cow<'_, str>) -> Result<Cow<'_, str>, ExtensionError> {
    if is_token(text.as_bytes()) { Ok(text) } else { Err(ExtensionError::NotAToken) }
}

#[cfg(test)]
mod tests;
