//! [`Scalar`]: the types that an option may have, as they are written.

use std::{fmt::Write as _, net::SocketAddr, path::PathBuf};

use toml::de::DeValue;

use crate::door::{Network, OriginPattern, Secret, token::Algorithm};

/// What an option may be: one value, in a file or as text.
pub(super) trait Scalar: Sized {
    /// What may be written, to follow "it is no" or "write".
    const EXPECTED: &'static str;

    /// Whether values of it are never shown.
    const SECRET: bool = false;

    /// From text: a string of the file, an environment variable, a flag.
    fn from_text(text: &str) -> Result<Self, String>;

    /// From a value of the file; strings, unless it says otherwise.
    fn from_value(value: &DeValue<'_>) -> Result<Self, String> {
        match value {
            DeValue::String(text) => Self::from_text(text),
            _ => Err(Self::expected(value)),
        }
    }

    /// As it would stand in the file; `None` where it is unset, or must not be seen.
    fn show(&self) -> Option<String>;

    /// The sentence for a value of another type.
    fn expected(value: &DeValue<'_>) -> String {
        format!("this is {}, and it takes {}", type_of(value), Self::EXPECTED)
    }
}

/// With the article that belongs to it.
pub(super) fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "a switch",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// As a basic string of TOML.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            '\n' => quoted.push_str("\\n"),
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

impl Scalar for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("{text:?} is neither true nor false"))
    }

    fn from_value(value: &DeValue<'_>) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| Self::expected(value))
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Scalar for u32 {
    const EXPECTED: &'static str = "a whole number from 0 to 4294967295";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("{text:?} is not {}", Self::EXPECTED))
    }

    fn from_value(value: &DeValue<'_>) -> Result<Self, String> {
        let integer = value.as_integer().ok_or_else(|| Self::expected(value))?;
        Self::from_str_radix(integer.as_str(), integer.radix())
            .map_err(|_| format!("{} is not {}", integer.as_str(), Self::EXPECTED))
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Scalar for String {
    const EXPECTED: &'static str = "text";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn show(&self) -> Option<String> {
        Some(quoted(self))
    }
}

impl Scalar for Secret {
    const EXPECTED: &'static str = "text";
    const SECRET: bool = true;

    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(Self::new(text)) }
    }

    fn show(&self) -> Option<String> {
        None
    }
}

impl Scalar for PathBuf {
    const EXPECTED: &'static str = "the path of a file";

    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(Self::from(text)) }
    }

    fn show(&self) -> Option<String> {
        self.to_str().map(quoted)
    }
}

impl Scalar for SocketAddr {
    const EXPECTED: &'static str =
        "an address and a port, as in \"127.0.0.1:8080\" or \"[::]:8080\"";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("{text:?} is not {}", Self::EXPECTED))
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

impl Scalar for Network {
    const EXPECTED: &'static str = "a network, as in \"10.0.0.0/8\"";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: crate::door::InvalidNetwork| error.to_string())
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

/// An origin, a pattern of origins, or `*`: checked here, and read again where it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginText(pub(super) String);

impl Scalar for OriginText {
    const EXPECTED: &'static str = "an origin, as in \"https://example.com\"";

    fn from_text(text: &str) -> Result<Self, String> {
        if text != "*" {
            text.parse::<OriginPattern>().map_err(|error| error.to_string())?;
        }
        Ok(Self(text.to_owned()))
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.0))
    }
}

impl Scalar for Algorithm {
    const EXPECTED: &'static str = "one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, \
                                    ES384, EdDSA";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("{text:?} is not {}", Self::EXPECTED))
    }

    fn show(&self) -> Option<String> {
        Some(quoted(self.name()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidewire_engine::Io;
    use tidewire_hub::Brim;

    use super::*;
    use crate::config::Size;

    fn shown<T: Scalar>(text: &str) -> Option<String> {
        T::from_text(text).ok().and_then(|value| value.show())
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        let cases = [
            (shown::<Duration>("250ms"), Some("\"250ms\"")),
            (shown::<Duration>("1000ms"), Some("\"1s\"")),
            (shown::<Duration>("90s"), Some("\"90s\"")),
            (shown::<Duration>("720h"), Some("\"30d\"")),
            (shown::<Duration>("0s"), Some("\"0s\"")),
            (shown::<Duration>("10"), None),
            (shown::<Duration>("s"), None),
            (shown::<Duration>("1.5s"), None),
            (shown::<Duration>("-1s"), None),
            (shown::<Duration>("1 s"), None),
            (shown::<Duration>("99999999999999999999d"), None),
            (shown::<Duration>("18446744073709551615d"), None),
            (shown::<Size>("65536"), Some("\"64KiB\"")),
            (shown::<Size>("1000"), Some("1000")),
            (shown::<Size>("1MiB"), Some("\"1MiB\"")),
            (shown::<Size>("4096MiB"), None),
            (shown::<Size>("1GB"), None),
            (shown::<u32>("4294967295"), Some("4294967295")),
            (shown::<u32>("4294967296"), None),
            (shown::<bool>("yes"), None),
            (shown::<Io>("uring"), Some("\"uring\"")),
            (shown::<Brim>("drop_oldest"), Some("\"drop_oldest\"")),
            (shown::<Algorithm>("EdDSA"), Some("\"EdDSA\"")),
            (shown::<Algorithm>("none"), None),
            (shown::<Network>("10.0.0.0/8"), Some("\"10.0.0.0/8\"")),
            (shown::<OriginText>("https://*.a.org"), Some("\"https://*.a.org\"")),
            (shown::<OriginText>("a.org"), None),
            (shown::<String>("a \"b\""), Some("\"a \\\"b\\\"\"")),
            (shown::<Secret>("a"), None),
        ];
        for (index, (shown, expected)) in cases.iter().enumerate() {
            assert_eq!(shown.as_deref(), *expected, "case {index}");
        }
    }
}
