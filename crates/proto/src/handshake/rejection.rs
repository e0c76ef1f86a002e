//! [`Rejection`]: how a server refuses a request.

use alloc::{format, string::ToString as _, vec::Vec};
use core::time::Duration;

use super::{
    error::{ApiMisuse, RequestError},
    headers::Headers,
    request::HttpVersion,
    response::Response,
};

/// A response that refuses, or answers a request that is no handshake: status, headers and body.
/// The connection ends after it.
///
/// ```
/// use tidewire_proto::handshake::{HttpVersion, Rejection};
///
/// let busy = Rejection::new(503, "Too many connections.")?.header("Retry-After", "5")?;
/// let response = busy.to_response(HttpVersion::Http11).encode();
/// assert!(response.starts_with(b"HTTP/1.1 503 Service Unavailable\r\n"));
/// # Ok::<(), tidewire_proto::handshake::ApiMisuse>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    status: u16,
    headers: Headers,
    body: Vec<u8>,
}

impl Rejection {
    /// A refusal with one plain sentence as its body. The status is one from 200 to 599; where the
    /// request is an HTTP/2 handshake, one from 300 (see
    /// [`UpgradeRequest::reject`](super::UpgradeRequest::reject)).
    pub fn new(status: u16, sentence: &str) -> Result<Self, ApiMisuse> {
        if !matches!(status, 200..=599) {
            return Err(ApiMisuse::Status { status });
        }
        Ok(Self::known(status, sentence))
    }

    /// 408, for a request whose head does not arrive in time.
    pub fn timeout() -> Self {
        Self::known(408, "The request did not arrive in time.")
    }

    /// 503, for a request for which there is no room at the moment: it may come again after so long, in
    /// whole seconds (RFC 9110 §10.2.3).
    pub fn busy(retry_after: Duration) -> Self {
        let mut rejection = Self::known(503, "There is no room at the moment.");
        rejection.headers.push("Retry-After", retry_after.as_secs().to_string().as_bytes());
        rejection
    }

    pub(super) fn known(status: u16, sentence: &str) -> Self {
        let mut headers = Headers::new();
        headers.push("Content-Type", b"text/plain; charset=utf-8");
        Self { status, headers, body: format!("{sentence}\n").into_bytes() }
    }

    /// Adds a header; refuses CR and LF, and those that are set by themselves: `Connection`,
    /// `Content-Length`, `Transfer-Encoding`.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, ApiMisuse> {
        if ["connection", "content-length", "transfer-encoding"]
            .iter()
            .any(|reserved| name.eq_ignore_ascii_case(reserved))
        {
            return Err(ApiMisuse::HeaderReserved);
        }
        self.headers.append(name, value)?;
        Ok(self)
    }

    /// Replaces the sentence by another body, for instance a page.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Result<Self, ApiMisuse> {
        let mut headers = Headers::new();
        headers.append("Content-Type", content_type)?;
        self.headers
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("content-type"))
            .for_each(|(name, value)| headers.push(name, value));
        self.headers = headers;
        self.body = body.into();
        Ok(self)
    }

    /// The status code.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The response by this version of HTTP: HTTP/2 knows no `Connection` (RFC 9113 §8.2.2).
    pub fn to_response(&self, version: HttpVersion) -> Response {
        let mut headers = Headers::new();
        if version.is_1() {
            if self.status == 426 {
                // RFC 9110 §15.5.22: "The server MUST send an Upgrade header field in a 426
                // response", and §7.8: whoever sends one names it in Connection.
                headers.push("Upgrade", b"websocket");
                headers.push("Connection", b"Upgrade, close");
            } else {
                headers.push("Connection", b"close");
            }
        }
        // RFC 9110 §8.6: neither length nor body in a 204; §15.4.5: no body in a 304.
        let body = if matches!(self.status, 204 | 304) { &[][..] } else { &self.body };
        for (name, value) in self.headers.iter() {
            if !(body.is_empty() && name.eq_ignore_ascii_case("content-type")) {
                headers.push(name, value);
            }
        }
        if !matches!(self.status, 204 | 304) {
            headers.push("Content-Length", body.len().to_string().as_bytes());
        }
        Response { status: self.status, headers, body: body.to_vec() }
    }
}

/// The status and the sentence of a failed check.
impl From<RequestError> for Rejection {
    fn from(error: RequestError) -> Self {
        let mut rejection = Self::known(error.status(), &error.to_string());
        match error {
            // RFC 9110 §15.5.6: "The origin server MUST generate an Allow header field".
            RequestError::Method => rejection.headers.push("Allow", b"GET"),
            // §4.4: "it MUST respond with a |Sec-WebSocket-Version| header field … containing all
            // versions it is willing to use."
            RequestError::VersionUnsupported => {
                rejection.headers.push("Sec-WebSocket-Version", b"13");
            }
            _ => {}
        }
        rejection
    }
}
