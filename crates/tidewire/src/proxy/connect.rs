//! A tunnel by HTTP CONNECT (RFC 9110 §9.3.6).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tidewire_proto::uri::{Host, UserInfo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{ProxyError, TunnelError};
use crate::link::Stream;

/// The longest head of a response that is read, in bytes, interim ones included.
const HEAD_LEN_MAX: usize = 16 << 10;

/// The most header lines in one.
const HEADER_COUNT_MAX: usize = 64;

pub(super) async fn tunnel<S: Stream>(
    io: &mut S,
    host: &Host,
    port: u16,
    credentials: Option<&UserInfo>,
) -> Result<(), TunnelError> {
    io.write_all(request(host, port, credentials).as_bytes()).await?;
    io.flush().await?;
    match read_status(io).await? {
        200..=299 => Ok(()),
        // RFC 9110 §15.5.8. We speak Basic, and have said all that we know at once.
        407 if credentials.is_none() => Err(ProxyError::CredentialsMissing.into()),
        407 => Err(ProxyError::CredentialsRefused.into()),
        status => Err(ProxyError::Refused { status }.into()),
    }
}

/// RFC 9112 §3.2.3: the target is host and port, even where the port is a default.
fn request(host: &Host, port: u16, credentials: Option<&UserInfo>) -> String {
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
    if let Some(user_info) = credentials {
        let pair = [user_info.user(), b":", user_info.password()].concat();
        request += "Proxy-Authorization: Basic ";
        request += &STANDARD.encode(pair);
        request += "\r\n";
    }
    request + "\r\n"
}

/// The status of the final response. What follows its head is not read: after a 2xx it is the
/// server's, and of a refusal nobody wants more.
async fn read_status<S: Stream>(io: &mut S) -> Result<u16, TunnelError> {
    let mut left = HEAD_LEN_MAX;
    loop {
        let head = read_head(io, &mut left).await?;
        let mut headers = [httparse::EMPTY_HEADER; HEADER_COUNT_MAX];
        let mut response = httparse::Response::new(&mut headers);
        match (response.parse(&head), response.code) {
            // RFC 9110 §15.2: interim responses may come before.
            (Ok(httparse::Status::Complete(_)), Some(100..=199)) => {}
            (Ok(httparse::Status::Complete(_)), Some(status)) => return Ok(status),
            _ => return Err(ProxyError::Malformed.into()),
        }
    }
}

/// Up to the empty line and not a byte further. One byte at a time, which costs a system call
/// each: there are a few hundred, once per connection, and nothing has to be kept for later.
async fn read_head<S: Stream>(io: &mut S, left: &mut usize) -> Result<Vec<u8>, TunnelError> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        *left = left.checked_sub(1).ok_or(ProxyError::TooLong { head_len_max: HEAD_LEN_MAX })?;
        head.push(io.read_u8().await?);
    }
    Ok(head)
}
