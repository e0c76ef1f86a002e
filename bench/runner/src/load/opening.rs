//! The client's side of the opening handshake (RFC 6455 §4.1), as bytes.

use std::net::SocketAddr;

use crate::{Result, task::Task};

/// The key of RFC 6455 §1.3 and the accept value that belongs to it (§4.2.2). One key will do: it
/// only proves that a server speaks WebSocket.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const RESPONSE_LEN_MAX: usize = 8 << 10;
const END: &[u8] = b"\r\n\r\n";

pub(super) fn request(addr: SocketAddr, task: Task) -> Vec<u8> {
    let extensions = match task {
        Task::Deflate => {
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
             client_no_context_takeover\r\n"
        }
        Task::DeflateTakeover => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        _ => "",
    };
    let path = if task.is_of_sessions() { "/connection/websocket" } else { "/" };
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {addr}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{extensions}\r\n"
    );
    request.into_bytes()
}

/// Whether `response` is all of the server's consent; an error if it is something else.
pub(super) fn is_complete(response: &[u8], task: Task) -> Result<bool> {
    if !response.ends_with(END) {
        if response.len() > RESPONSE_LEN_MAX {
            return Err("the server overran the opening handshake".into());
        }
        return Ok(false);
    }
    let response = String::from_utf8_lossy(response);
    let mut lines = response.split("\r\n");
    let status = lines.next().unwrap_or_default();
    let (mut accepted, mut extensions) = (false, String::new());
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        accepted |= name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == ACCEPT;
        if name.eq_ignore_ascii_case("sec-websocket-extensions") {
            value.trim().clone_into(&mut extensions);
        }
    }
    if !status.starts_with("HTTP/1.1 101") || !accepted {
        return Err(format!("the opening handshake was refused: {status}").into());
    }
    if !is_agreed(&extensions, task) {
        return Err(format!("the server agreed to other extensions: `{extensions}`").into());
    }
    Ok(true)
}

/// Whether all servers of a task do the same work: history is kept in both directions (RFC 7692
/// §7.1.1), or the server keeps none, and the client's window is the largest.
fn is_agreed(extensions: &str, task: Task) -> bool {
    let has = |word: &str| extensions.contains(word);
    match task {
        Task::Deflate => has("permessage-deflate") && has("server_no_context_takeover"),
        Task::DeflateTakeover => {
            has("permessage-deflate")
                && !has("no_context_takeover")
                && !has("client_max_window_bits")
        }
        _ => extensions.is_empty(),
    }
}

/// The server's side, for a test: reads a request and agrees to it.
#[cfg(test)]
pub(super) fn consent(socket: &mut std::net::TcpStream) {
    use std::io::{Read, Write};

    let mut request = Vec::new();
    while !request.ends_with(END) {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        request.extend(byte);
    }
    write!(socket, "HTTP/1.1 101 Yes\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n").unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_is_101_and_the_right_accept_value() {
        let good =
            format!("HTTP/1.1 101 Whatever\r\nX: y\r\nsec-websocket-accept: {ACCEPT}\r\n\r\n");
        assert!(is_complete(good.as_bytes(), Task::Echo).unwrap());
        assert!(!is_complete(&good.as_bytes()[..good.len() - 1], Task::Echo).unwrap());
        let cases = [
            ("no accept value", "HTTP/1.1 101 Whatever\r\n\r\n".to_owned()),
            ("another accept value", good.replace(ACCEPT, "c3pQTE1CaVR4YVE5a1lHenpoWlJiSyt4T28=")),
            ("another status", good.replace("101", "200")),
        ];
        for (what, response) in cases {
            assert!(is_complete(response.as_bytes(), Task::Echo).is_err(), "{what}");
        }
        assert!(is_complete(&[b'x'; RESPONSE_LEN_MAX + 1], Task::Echo).is_err(), "no end");
    }

    #[test]
    fn history_is_kept_or_not_as_the_task_says() {
        let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        let cases = [
            // agreed                                        echo   deflate  takeover
            ("", true, false, false),
            ("permessage-deflate", false, false, true),
            (both, false, true, false),
            ("permessage-deflate;server_no_context_takeover", false, true, false),
            ("permessage-deflate; client_no_context_takeover", false, false, false),
            ("permessage-deflate; client_max_window_bits=12", false, false, false),
        ];
        for (extensions, echo, deflate, takeover) in cases {
            let agreed = [Task::Echo, Task::Deflate, Task::DeflateTakeover]
                .map(|task| is_agreed(extensions, task));
            assert_eq!(agreed, [echo, deflate, takeover], "{extensions}");
        }
    }
}
