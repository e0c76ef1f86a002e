//! What is typed, or piped in: lines, and what they ask for.

use std::{
    io::{self, BufRead as _},
    thread,
};

use serde::Deserialize;
use tidewire::{CloseCode, Message};
use tokio::sync::mpsc;

use super::output::hex;
use crate::Failure;

/// Lines that have been read and not yet sent; then whoever writes them has to wait.
const LINES_MAX: usize = 64;

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Send(Message),
    Close(CloseCode, String),
}

/// The lines of standard input, without their ends.
///
/// A thread reads them, since a read of a terminal cannot be called off; the program does not wait
/// for it when it ends.
pub(crate) fn lines() -> mpsc::Receiver<io::Result<String>> {
    let (sender, receiver) = mpsc::channel(LINES_MAX);
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let is_last = line.is_err();
            if sender.blocking_send(line).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

/// A line as people write it: a text message.
pub(crate) fn plain(line: String) -> Order {
    Order::Send(Message::from(line))
}

/// A line as scripts write it: one JSON object.
pub(crate) fn json(line: &str) -> Result<Order, Failure> {
    let order: JsonOrder = serde_json::from_str(line).map_err(|error| {
        format!(
            r#"not a line for --json: {error}; write {{"type":"text","text":"…"}}, {{"type":"binary","hex":"…"}} or {{"type":"close","code":1000,"reason":"…"}}"#
        )
    })?;
    Ok(match order {
        JsonOrder::Text { text } => Order::Send(Message::from(text)),
        JsonOrder::Binary { hex } => Order::Send(Message::from(
            hex::decode(&hex).ok_or("hex has two digits for each byte, from 0 to 9 and a to f")?,
        )),
        JsonOrder::Close { code, reason } => Order::Close(CloseCode::new(code), reason),
    })
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum JsonOrder {
    Text {
        text: String,
    },
    Binary {
        hex: String,
    },
    Close {
        #[serde(default = "normal")]
        code: u16,
        #[serde(default)]
        reason: String,
    },
}

const fn normal() -> u16 {
    CloseCode::NORMAL_CLOSURE.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_for_json_by_rule() {
        let text = |text: &str| Some(Order::Send(Message::from(text)));
        let close = |code, reason: &str| Some(Order::Close(CloseCode::new(code), reason.into()));
        let cases: &[(&str, &str, Option<Order>)] = &[
            ("text", r#"{"type":"text","text":"a\nb"}"#, text("a\nb")),
            (
                "binary",
                r#"{"type":"binary","hex":"00fFa1"}"#,
                Some(Order::Send(Message::from(vec![0, 0xff, 0xa1]))),
            ),
            ("close", r#"{"type":"close"}"#, close(1000, "")),
            ("why", r#"{"type":"close","code":4000,"reason":"b"}"#, close(4000, "b")),
            ("half a byte", r#"{"type":"binary","hex":"0"}"#, None),
            ("no digit", r#"{"type":"binary","hex":"0g"}"#, None),
            ("a sign is no digit", r#"{"type":"binary","hex":"+1"}"#, None),
            ("an unknown type", r#"{"type":"txt","text":""}"#, None),
            ("an unknown field", r#"{"type":"text","text":"","x":1}"#, None),
            ("no JSON", "hello", None),
            ("nothing", "", None),
        ];
        for (rule, line, wanted) in cases {
            assert_eq!(json(line).ok(), *wanted, "{rule}");
        }
    }
}
