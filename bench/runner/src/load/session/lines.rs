//! Commands, and what must come of them.

use std::ops::Range;

use crate::{Result, load::traffic, scenario::Kind};

/// What a client has seen of a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) epoch: String,
    pub(super) offset: u64,
}

/// The server's ping, and our answer.
pub(super) const PING: &[u8] = b"{}";
/// The ids of the two commands with which every session begins.
pub(super) const CONNECT: u64 = 1;
pub(super) const SUBSCRIBE: u64 = 2;

pub(super) fn connect() -> Vec<u8> {
    frame(&format!(r#"{{"id":{CONNECT},"connect":{{}}}}"#))
}

/// Subscribes, and recovers what was published since a position.
pub(super) fn subscribe(channel: &str, since: Option<&Position>) -> Vec<u8> {
    let since = since.map_or(String::new(), |Position { epoch, offset }| {
        format!(r#","recover":true,"epoch":"{epoch}","offset":{offset}"#)
    });
    frame(&format!(r#"{{"id":{SUBSCRIBE},"subscribe":{{"channel":"{channel}"{since}}}}}"#))
}

pub(super) fn publish(id: u64, channel: &str, data: &str) -> Vec<u8> {
    frame(&format!(r#"{{"id":{id},"publish":{{"channel":"{channel}","data":{data}}}}}"#))
}

pub(super) fn presence_stats(id: u64, channel: &str) -> Vec<u8> {
    frame(&format!(r#"{{"id":{id},"presence_stats":{{"channel":"{channel}"}}}}"#))
}

/// A text frame as clients send it.
pub(super) fn frame(line: &str) -> Vec<u8> {
    // Any key will do on loopback, but one that changes the bytes.
    let key = [0x51, 0x0D, 0xA7, 0x3E];
    traffic::frame(0x80 | Kind::Text.opcode(), Some(key), line.as_bytes())
}

/// JSON of so many bytes without white space: an object, or where there is no room for one a string.
pub(super) fn data(number: usize, len: usize) -> String {
    let (begin, end) = (format!(r#"{{"id":{number},"user":"zoe","text":""#), r#""}"#);
    let words = "high tide at the harbour, ".chars().cycle();
    match len.checked_sub(begin.len() + end.len()) {
        Some(rest) => format!("{begin}{}{end}", words.take(rest).collect::<String>()),
        None => {
            format!("\"{}\"", words.skip(number).take(len.saturating_sub(2)).collect::<String>())
        }
    }
}

/// How long a push is that delivers data of so many bytes, with a name and numbers as they are in the
/// middle of a run.
pub(super) fn push_len(data_len: usize) -> usize {
    let client = "7d0c4ce5-3fbd-4a37-9dc0-3f4ce3a8f5d1";
    let (channel, offset, time) = (super::fanout::CHANNEL, 10_000, 1_700_000_000_000_u64);
    let around = format!(
        r#"{{"push":{{"channel":"{channel}","pub":{{"data":,"info":{{"user":"","client":"{client}"}},"offset":{offset},"time":{time}}}}}}}"#
    );
    around.len() + data(0, data_len).len()
}

/// The offset of a push that must deliver `data`.
pub(super) fn delivered(line: &[u8], channel: &str, data: &str) -> Result<u64> {
    let begin = format!(r#"{{"push":{{"channel":"{channel}","pub":{{"data":{data},"#);
    match line.strip_prefix(begin.as_bytes()).and_then(|rest| number(rest, "\"offset\":")) {
        Some(offset) if line.ends_with(b"}}}") => Ok(offset),
        _ => Err(unexpected("the push of what was published", line)),
    }
}

/// The id of the answer to a publish command.
pub(super) fn published(line: &[u8]) -> Result<u64> {
    match number(line, "{\"id\":") {
        Some(id) if line.ends_with(b",\"publish\":{}}") => Ok(id),
        _ => Err(unexpected("the answer to a publication", line)),
    }
}

/// Looks at an answer to one of the commands with which a session begins. Says the position if it was
/// the second one.
pub(super) fn joined(line: &[u8]) -> Result<Option<Position>> {
    if line.starts_with(br#"{"id":1,"connect":{"client":"#) {
        return Ok(None);
    }
    match text(line, "\"epoch\":\"") {
        Some(epoch) if line.starts_with(br#"{"id":2,"subscribe":{"#) => {
            // An offset of zero is left out. That of the stream stands behind those of publications.
            let offset = last_number(line, "\"offset\":").unwrap_or(0);
            Ok(Some(Position { epoch, offset }))
        }
        _ => Err(unexpected("a session and its subscription", line)),
    }
}

/// Whether all that was missed has been recovered: `data`, and nothing else.
pub(super) fn check_recovered(line: &[u8], data: &str) -> Result<()> {
    let one = format!(r#""publications":[{{"data":{data},"#);
    let count = |what: &str| line.windows(what.len()).filter(|at| *at == what.as_bytes()).count();
    if count(&one) == 1 && count("\"data\":") == 1 && count("\"recovered\":true") == 1 {
        return Ok(());
    }
    Err(unexpected("the one publication that was missed", line))
}

pub(super) fn unexpected(expected: &str, line: &[u8]) -> crate::Error {
    format!("not {expected}: {}", String::from_utf8_lossy(line)).into()
}

/// The digits after the first `name`.
fn number(line: &[u8], name: &str) -> Option<u64> {
    digits(&line[find(line, name)?.end..])
}

fn last_number(line: &[u8], name: &str) -> Option<u64> {
    let at = line.windows(name.len()).rposition(|part| part == name.as_bytes())?;
    digits(&line[at + name.len()..])
}

fn digits(text: &[u8]) -> Option<u64> {
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&text[..len]).ok()?.parse().ok()
}

/// The text after the first `name`, up to the next quotation mark.
fn text(line: &[u8], name: &str) -> Option<String> {
    let rest = &line[find(line, name)?.end..];
    let len = rest.iter().position(|byte| *byte == b'"')?;
    String::from_utf8(rest[..len].to_vec()).ok()
}

fn find(line: &[u8], name: &str) -> Option<Range<usize>> {
    let at = line.windows(name.len()).position(|part| part == name.as_bytes())?;
    Some(at..at + name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_has_the_length_asked_for_and_no_white_space_between() {
        for len in [2, 20, 39, 125, 1024] {
            let data = data(3, len);
            assert_eq!(data.len(), len, "{data}");
        }
        assert!(data(3, 125).starts_with(r#"{"id":3,"user":"zoe","text":"high tide"#));
    }

    #[test]
    fn a_push_is_what_was_published_at_an_offset() {
        let line = br#"{"push":{"channel":"c","pub":{"data":{"a":1},"info":{"user":"","client":"x"},"offset":17,"time":1}}}"#;
        assert_eq!(delivered(line, "c", r#"{"a":1}"#).unwrap(), 17);
        for (channel, data) in [("d", r#"{"a":1}"#), ("c", r#"{"a":2}"#), ("c", r#"{"a":1"#)] {
            assert!(delivered(line, channel, data).is_err(), "{channel} {data}");
        }
        assert!(delivered(&line[..line.len() - 1], "c", r#"{"a":1}"#).is_err());
    }

    #[test]
    fn answers_are_told_from_errors() {
        assert_eq!(published(br#"{"id":12,"publish":{}}"#).unwrap(), 12);
        assert!(published(br#"{"id":12,"error":{"code":100}}"#).is_err());
        assert_eq!(joined(br#"{"id":1,"connect":{"client":"x","ping":25}}"#).unwrap(), None);
        let line = br#"{"id":2,"subscribe":{"recoverable":true,"epoch":"ab","publications":[{"data":7,"offset":3}],"recovered":true,"offset":4}}"#;
        let position = Position { epoch: "ab".to_owned(), offset: 4 };
        assert_eq!(joined(line).unwrap(), Some(position));
        assert!(joined(br#"{"id":2,"error":{"code":103}}"#).is_err());
        assert!(check_recovered(line, "7").is_ok());
        assert!(check_recovered(line, "8").is_err());
    }

    #[test]
    fn nothing_or_too_much_is_not_recovered() {
        let none = br#"{"id":2,"subscribe":{"epoch":"ab","recovered":true,"offset":4}}"#;
        let two = br#"{"id":2,"subscribe":{"publications":[{"data":7,"offset":3},{"data":7,"offset":4}],"recovered":true}}"#;
        assert!(check_recovered(none, "7").is_err());
        assert!(check_recovered(two, "7").is_err());
    }
}
