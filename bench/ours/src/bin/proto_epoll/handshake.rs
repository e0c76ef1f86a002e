//! The opening handshake, as far as this proof needs one.

use std::io;

use base64::{Engine, prelude::BASE64_STANDARD};

const REQUEST_LEN_MAX: usize = 8 << 10;
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The response to `request` once it is complete.
pub(crate) fn respond(request: &[u8], ended: bool) -> io::Result<Option<Vec<u8>>> {
    if !request.ends_with(b"\r\n\r\n") {
        return if ended || request.len() > REQUEST_LEN_MAX {
            Err(io::ErrorKind::InvalidData.into())
        } else {
            Ok(None)
        };
    }
    let request = str::from_utf8(request).map_err(io::Error::other)?;
    let key = request
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))
        .map(|(_, value)| value.trim())
        .ok_or(io::ErrorKind::InvalidData)?;
    let digest = sha1_smol::Sha1::from(format!("{key}{GUID}")).digest().bytes();
    Ok(Some(
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            BASE64_STANDARD.encode(digest)
        )
        .into_bytes(),
    ))
}
