//! [`Response`]: what a server answers, or what a client was answered, as plain data.

use alloc::{format, vec::Vec};
use core::fmt;

use super::headers::Headers;

/// Status, headers and body.
///
/// Over HTTP/1.1 [`encode`](Self::encode) writes it; over HTTP/2, hyper or axum its parts are
/// handed on.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    pub(super) status: u16,
    pub(super) headers: Headers,
    pub(super) body: Vec<u8>,
}

impl Response {
    /// The status code.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The header fields.
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The body. That of a response which a client received may be cut off at `body_len_max`.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The same with another body: that of a refusal which somebody else has read.
    #[must_use]
    pub fn with_body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    /// The bytes of this response in HTTP/1.1.
    pub fn encode(&self) -> Vec<u8> {
        let mut out =
            format!("HTTP/1.1 {} {}\r\n", self.status, reason_phrase(self.status)).into_bytes();
        self.headers.encode(&mut out);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        out
    }
}

/// Names of headers alone, and the body's length: neither cookies nor pages belong into a log.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body_len", &self.body.len())
            .finish()
    }
}

/// The usual words for a status; clients ignore them (RFC 9112 §4).
const fn reason_phrase(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
