//! The rules of the opening handshake, by section and by the ids of the security checklist.

use alloc::{format, string::String, vec::Vec};

use super::*;

mod client;
mod http2;
mod origin;
mod properties;
mod server;

/// §1.3's key, and the accept value that answers it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const NONCE: [u8; 16] = *b"the sample nonce";

const LIMITS: HandshakeLimits = HandshakeLimits {
    head_len_max: 16 << 10,
    header_count_max: 64,
    body_len_max: 16 << 10,
    interim_count_max: 8,
};

/// What a good request has, line by line.
const GOOD: [(&str, &str); 5] = [
    ("Host", "example.com"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", KEY),
    ("Sec-WebSocket-Version", "13"),
];

/// A GET with the good header lines but for those that `changes` names: a change replaces the line
/// of its name, several of one name are several lines, and `None` leaves it out.
fn request_with(changes: &[(&str, Option<&str>)]) -> Vec<u8> {
    head_with("GET /chat HTTP/1.1", &GOOD, changes)
}

fn head_with(line: &str, good: &[(&str, &str)], changes: &[(&str, Option<&str>)]) -> Vec<u8> {
    let is_changed = |name: &str| changes.iter().any(|(changed, _)| *changed == name);
    let kept = good.iter().copied().filter(|(name, _)| !is_changed(name));
    let changed = changes.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
    let lines = kept.chain(changed).flat_map(|(name, value)| [name, ": ", value, "\r\n"]);
    [line, "\r\n"].into_iter().chain(lines).chain(["\r\n"]).collect::<String>().into_bytes()
}

fn headers_of(fields: &[(&str, &str)]) -> Headers {
    Headers::from_fields(fields.iter().copied()).unwrap()
}

fn receive(mut bytes: &[u8]) -> Result<Option<Request>, RequestError> {
    ServerHandshake::new(LIMITS).receive(&mut bytes)
}

fn upgrade(bytes: &[u8]) -> UpgradeRequest {
    match receive(bytes) {
        Ok(Some(Request::WebSocket(request))) => request,
        other => panic!("{} gives {other:?}", bytes.escape_ascii()),
    }
}

/// The fields of a response, to compare.
fn pairs(headers: &Headers) -> Vec<(&str, &str)> {
    headers.iter().map(|(name, value)| (name, core::str::from_utf8(value).unwrap())).collect()
}

/// Every place where a stream of this length can be cut in two; some of them where Miri would take
/// minutes.
fn cuts(len: usize) -> impl Iterator<Item = usize> {
    (0..=len).step_by(if cfg!(miri) { 29 } else { 1 })
}
