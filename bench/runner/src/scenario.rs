//! One kind of work: how large a message is, of which kind, over how many connections.

use std::{fmt, str::FromStr};

use crate::Error;

/// `text:1KiBx100x16`: 16 text messages of 1 KiB in flight on each of 100 connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scenario {
    pub(crate) kind: Kind,
    /// Payload bytes of each message.
    pub(crate) payload_len: usize,
    pub(crate) connection_count: usize,
    /// So many messages leave in one write; the next so many follow when all have come back.
    pub(crate) in_flight: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Binary,
}

impl Kind {
    /// RFC 6455 §5.2.
    pub(crate) const fn opcode(self) -> u8 {
        match self {
            Self::Text => 1,
            Self::Binary => 2,
        }
    }
}

/// Keeps the precomputed bytes of one scenario within reason.
const WINDOW_LEN_MAX: usize = 64 << 20;

impl Scenario {
    /// What it is without its connections, for people.
    pub(crate) fn work(&self) -> String {
        let kind = if self.kind == Kind::Text { " of text" } else { "" };
        let (number, unit) = len_in_units(self.payload_len);
        let unit = if unit.is_empty() { "bytes" } else { unit };
        format!("{number} {unit}{kind}, {} in flight", self.in_flight)
    }

    /// All combinations of a scenario in which places may be lists:
    /// `20,125x1,100,1000x1` is six scenarios.
    pub(crate) fn parse_all(text: &str) -> Result<Vec<Self>, Error> {
        let (prefix, rest) = match text.split_once(':') {
            Some((prefix, rest)) => (format!("{prefix}:"), rest),
            None => (String::new(), text),
        };
        let mut texts = vec![prefix];
        for (place, choices) in rest.split('x').enumerate() {
            let between = if place > 0 { "x" } else { "" };
            texts = texts
                .iter()
                .flat_map(|text| choices.split(',').map(move |one| format!("{text}{between}{one}")))
                .collect();
        }
        texts.iter().map(|text| text.parse()).collect()
    }
}

impl FromStr for Scenario {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            format!(
                "`{text}` is not a scenario; one is `[text:]SIZExCONNECTIONSxIN_FLIGHT`, such as 125x100x1 or text:1KiBx100x16"
            )
        };
        let (kind, rest) = match text.strip_prefix("text:") {
            Some(rest) => (Kind::Text, rest),
            None => (Kind::Binary, text.strip_prefix("binary:").unwrap_or(text)),
        };
        let mut parts = rest.split('x');
        let (Some(size), Some(connections), Some(in_flight), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong().into());
        };
        let scenario = Self {
            kind,
            payload_len: parse_len(size).ok_or_else(wrong)?,
            connection_count: connections.parse().map_err(|_| wrong())?,
            in_flight: in_flight.parse().map_err(|_| wrong())?,
        };
        if scenario.connection_count == 0 || scenario.in_flight == 0 {
            return Err("a scenario needs at least one connection and one message".into());
        }
        if scenario.payload_len.saturating_mul(scenario.in_flight) > WINDOW_LEN_MAX {
            return Err(format!("`{text}` has more than 64 MiB in flight per connection").into());
        }
        Ok(scenario)
    }
}

fn parse_len(text: &str) -> Option<usize> {
    let (digits, unit) = if let Some(digits) = text.strip_suffix("KiB") {
        (digits, 1 << 10)
    } else if let Some(digits) = text.strip_suffix("MiB") {
        (digits, 1 << 20)
    } else {
        (text, 1)
    };
    digits.parse::<usize>().ok()?.checked_mul(unit)
}

fn len_in_units(len: usize) -> (usize, &'static str) {
    match len {
        len if len > 0 && len % (1 << 20) == 0 => (len >> 20, "MiB"),
        len if len > 0 && len % (1 << 10) == 0 => (len >> 10, "KiB"),
        len => (len, ""),
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == Kind::Text {
            f.write_str("text:")?;
        }
        let (number, unit) = len_in_units(self.payload_len);
        write!(f, "{number}{unit}x{}x{}", self.connection_count, self.in_flight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_what_was_parsed() {
        for text in ["125x100x1", "text:1KiBx100x16", "1MiBx10x1", "0x1x1"] {
            assert_eq!(text.parse::<Scenario>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn lists_are_all_their_combinations() {
        let cases: &[(&str, &[&str])] = &[
            ("125x100x1", &["125x100x1"]),
            ("text:1KiBx1,10x16", &["text:1KiBx1x16", "text:1KiBx10x16"]),
            ("1,2x3,4x1", &["1x3x1", "1x4x1", "2x3x1", "2x4x1"]),
        ];
        for (text, expected) in cases {
            let all = Scenario::parse_all(text).unwrap();
            assert_eq!(all.iter().map(Scenario::to_string).collect::<Vec<_>>(), *expected);
        }
        for text in ["", ",1x1x1", "1x1,0x1", "1x1"] {
            assert!(Scenario::parse_all(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "125", "125x100", "125x0x1", "125x1x0", "1GiBx1x1", "64MiBx1x2", "1x1x1x1"]
        {
            assert!(text.parse::<Scenario>().is_err(), "{text}");
        }
    }
}
