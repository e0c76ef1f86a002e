//! The client's side of the opening handshake (RFC 6455 §4.1), as bytes.

use std::net::SocketAddr;

use crate::Result;

/// The key of RFC 6455 §1.3 and the accept value that belongs to it (§4.2.2). One key will do: it
/// only proves that a server speaks WebSocket.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const RESPONSE_LEN_MAX: usize = 8 << 10;
const END: &[u8] = b"\r\n\r\n";

pub(super) fn request(addr: SocketAddr) -> Vec<u8> {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {addr}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    request.into_bytes()
}

/// Whether `response` is all of the server's consent; an error if it is something else.
pub(super) fn is_complete(response: &[u8]) -> Result<bool> {
    if !response.ends_with(END) {
        if response.len() > RESPONSE_LEN_MAX {
            return Err("the server overran the opening handshake".into());
        }
        return Ok(false);
    }
    let response = String::from_utf8_lossy(response);
    let mut lines = response.split("\r\n");
    let status = lines.next().unwrap_or_default();
    let accepted = lines.filter_map(|line| line.split_once(':')).any(|(name, value)| {
        name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == ACCEPT
    });
    if !status.starts_with("HTTP/1.1 101") || !accepted {
        return Err(format!("the opening handshake was refused: {status}").into());
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_is_101_and_the_right_accept_value() {
        let good =
            format!("HTTP/1.1 101 Whatever\r\nX: y\r\nsec-websocket-accept: {ACCEPT}\r\n\r\n");
        assert!(is_complete(good.as_bytes()).unwrap());
        assert!(!is_complete(&good.as_bytes()[..good.len() - 1]).unwrap());
        let cases = [
            ("no accept value", "HTTP/1.1 101 Whatever\r\n\r\n".to_owned()),
            ("another accept value", good.replace(ACCEPT, "c3pQTE1CaVR4YVE5a1lHenpoWlJiSyt4T28=")),
            ("another status", good.replace("101", "200")),
        ];
        for (what, response) in cases {
            assert!(is_complete(response.as_bytes()).is_err(), "{what}");
        }
        assert!(is_complete(&[b'x'; RESPONSE_LEN_MAX + 1]).is_err(), "no end");
    }
}
