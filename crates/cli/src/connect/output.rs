//! What is printed: messages on standard output, the rest on standard error; or with `--json`,
//! everything as objects on standard output.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use serde::Serialize;
use tidewire::{
    Error, HandshakeError, Message, Outcome, WebSocket,
    proto::{handshake::Response, uri::Uri},
};

use crate::Failure;

/// Prints what happens.
#[derive(Debug)]
pub(crate) struct Output {
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// For people: what would command the terminal is shown and not obeyed.
    Terminal {
        colour: bool,
    },
    /// Messages as they are, one after another.
    Pipe,
    Json,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Event<'a> {
    Open {
        url: String,
        subprotocol: Option<&'a str>,
        deflate: bool,
    },
    Text {
        text: &'a str,
    },
    Binary {
        hex: String,
    },
    Latency {
        ms: f64,
    },
    Close {
        code: u16,
        reason: &'a str,
        clean: bool,
    },
    Error {
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        #[serde(skip_serializing_if = "Option::is_none")]
        body: Option<String>,
    },
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let form = if json {
            Form::Json
        } else if io::stdout().is_terminal() {
            Form::Terminal { colour: std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty()) }
        } else {
            Form::Pipe
        };
        Self { form }
    }

    pub(crate) fn opened(&self, uri: &Uri, ws: &WebSocket) -> Result<(), Failure> {
        let (subprotocol, deflate) = (ws.subprotocol(), ws.deflate().is_some());
        if self.form == Form::Json {
            return print(&json(&Event::Open { url: uri.to_string(), subprotocol, deflate }));
        }
        let chosen = subprotocol.map(|name| format!(", subprotocol {name}")).unwrap_or_default();
        let compressed = if deflate { ", compressed" } else { "" };
        eprintln!("connected to {uri}{chosen}{compressed}");
        if io::stdin().is_terminal() {
            eprintln!("each line that you write is sent; Ctrl-D closes");
        }
        Ok(())
    }

    pub(crate) fn message(&self, message: &Message) -> Result<(), Failure> {
        let line = match (self.form, message) {
            (Form::Json, Message::Text(text)) => json(&Event::Text { text }),
            (Form::Json, Message::Binary(bytes)) => {
                json(&Event::Binary { hex: hex::encode(bytes) })
            }
            (Form::Pipe, Message::Text(text)) => text.to_string(),
            (Form::Pipe, Message::Binary(bytes)) => hex::encode(bytes),
            (Form::Terminal { colour }, Message::Text(text)) => {
                format!("{} {}", arrow(colour), harmless(text))
            }
            (Form::Terminal { colour }, Message::Binary(bytes)) => {
                format!("{} [{} bytes] {}", arrow(colour), bytes.len(), hex::encode(bytes))
            }
        };
        print(&line)
    }

    pub(crate) fn latency(&self, latency: Duration) -> Result<(), Failure> {
        let ms = latency.as_secs_f64() * 1e3;
        if self.form == Form::Json {
            return print(&json(&Event::Latency { ms }));
        }
        eprintln!("round trip {ms:.2} ms");
        Ok(())
    }

    pub(crate) fn closed(&self, outcome: &Outcome) -> Result<(), Failure> {
        let (code, reason, clean) = (outcome.code().get(), outcome.reason(), outcome.was_clean());
        if self.form == Form::Json {
            return print(&json(&Event::Close { code, reason, clean }));
        }
        let meaning = match code {
            1005 => " (the Close frame had no code)",
            1006 => " (the connection ended without a Close frame)",
            _ => "",
        };
        let colon = if reason.is_empty() { "" } else { ": " };
        eprintln!("closed with {code}{meaning}{colon}{}", harmless(reason));
        Ok(())
    }

    /// There is no connection. People read the sentence when the program ends.
    pub(crate) fn refused(&self, message: &str, error: &Error) -> Result<(), Failure> {
        if self.form != Form::Json {
            return Ok(());
        }
        let response = match error {
            Error::Handshake(error) => match &**error {
                HandshakeError::Refused(response) => Some(response),
                _ => None,
            },
            _ => None,
        };
        print(&json(&Event::Error {
            message,
            status: response.map(Response::status),
            body: response.map(|response| String::from_utf8_lossy(response.body()).into_owned()),
        }))
    }

    /// It ended badly.
    pub(crate) fn failed(&self, message: &str) -> Result<(), Failure> {
        if self.form == Form::Json {
            print(&json(&Event::Error { message, status: None, body: None }))?;
        }
        Ok(())
    }
}

const fn arrow(colour: bool) -> &'static str {
    if colour { "\u{1b}[36m<\u{1b}[0m" } else { "<" }
}

/// Text that cannot command a terminal: control characters are escaped, but for line ends and tabs.
pub(crate) fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && !matches!(c, '\n' | '\t') {
            harmless.extend(c.escape_default());
        } else {
            harmless.push(c);
        }
    }
    harmless
}

fn json(event: &Event<'_>) -> String {
    #[expect(clippy::expect_used, reason = "strings and numbers: always JSON")]
    serde_json::to_string(event).expect("strings and numbers")
}

fn print(line: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(|error| format!("cannot write to standard output: {error}"))
}

/// Bytes as digits.
pub(crate) mod hex {
    use super::*;

    pub(crate) fn encode(bytes: &[u8]) -> String {
        let mut digits = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            // Writing to a String does not fail.
            let _ = write!(digits, "{byte:02x}");
        }
        digits
    }

    pub(crate) fn decode(digits: &str) -> Option<Vec<u8>> {
        let value = |digit: u8| char::from(digit).to_digit(16).and_then(|v| u8::try_from(v).ok());
        let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        pairs.iter().map(|[high, low]| Some(value(*high)? << 4 | value(*low)?)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_commands_the_terminal() {
        let cases = [
            ("plain", "a\tb\nc κ 🌊", "a\tb\nc κ 🌊"),
            ("escape", "\u{1b}[2J", "\\u{1b}[2J"),
            ("its C1 form", "\u{9b}2J", "\\u{9b}2J"),
            ("carriage return", "a\rb", "a\\rb"),
            ("bell", "\u{7}", "\\u{7}"),
        ];
        for (rule, text, shown) in cases {
            assert_eq!(harmless(text), shown, "{rule}");
        }
    }

    #[test]
    fn hex_decode_undoes_encode() {
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(hex::decode(&hex::encode(&bytes)), Some(bytes));
        assert_eq!(hex::encode(&[0, 1, 0xfe]), "0001fe");
    }
}
