//! [`Request`]: what a client asks for, from bytes or from a head that somebody else has parsed.

use alloc::string::String;

use super::{
    error::{HeadError, RequestError},
    head::{Head, Minor},
    headers::{Headers, Occurrence},
    limits::HandshakeLimits,
    rejection::Rejection,
    response::Response,
    upgrade::UpgradeRequest,
};
use crate::uri::{Authority, Scheme, UriError};

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HttpVersion {
    /// HTTP/1.0, over which there are no WebSockets.
    Http10,
    /// HTTP/1.1: RFC 6455.
    Http11,
    /// HTTP/2: RFC 8441.
    Http2,
    /// HTTP/3: RFC 9220.
    Http3,
}

impl HttpVersion {
    pub(super) const fn is_1(self) -> bool {
        matches!(self, Self::Http10 | Self::Http11)
    }
}

/// The first part of a request that somebody else has parsed: hyper, or an HTTP/2 library.
///
/// What its version does not have is empty: `protocol`, `scheme` and `authority` belong to HTTP/2
/// and 3.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "HTTP's pseudo-headers and nothing else")]
pub struct RequestHead<'a> {
    /// The version.
    pub version: HttpVersion,
    /// The method.
    pub method: &'a str,
    /// The request target, with the query; `:path` in HTTP/2.
    pub target: &'a str,
    /// `:scheme`.
    pub scheme: Option<&'a str>,
    /// `:authority`.
    pub authority: Option<&'a str>,
    /// `:protocol` (RFC 8441 §4).
    pub protocol: Option<&'a str>,
}

impl<'a> RequestHead<'a> {
    /// The head of an HTTP/1.1 request.
    pub const fn http11(method: &'a str, target: &'a str) -> Self {
        let version = HttpVersion::Http11;
        Self { version, method, target, scheme: None, authority: None, protocol: None }
    }
}

/// A request that obeys HTTP: an opening handshake, or something else that a server may answer
/// with a page.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "a request is a handshake, or it is not")]
pub enum Request {
    /// A valid opening handshake.
    WebSocket(UpgradeRequest),
    /// A request that does not ask for a WebSocket at all.
    Other(HttpRequest),
}

impl Request {
    /// Checks a request whose head somebody else has parsed (RFC 6455 §4.2.1, RFC 8441 §4 and §5).
    ///
    /// ```
    /// use tidewire_proto::handshake::{HandshakeLimits, Headers, Request, RequestHead};
    ///
    /// let headers = Headers::from_fields([
    ///     ("host", "example.com"),
    ///     ("upgrade", "websocket"),
    ///     ("connection", "Upgrade"),
    ///     ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ///     ("sec-websocket-version", "13"),
    /// ])?;
    /// let head = RequestHead::http11("GET", "/chat");
    /// let request = Request::from_head(&head, headers, &HandshakeLimits::default())?;
    /// assert!(matches!(request, Request::WebSocket(request) if request.path() == "/chat"));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn from_head(
        head: &RequestHead<'_>,
        headers: Headers,
        limits: &HandshakeLimits,
    ) -> Result<Self, RequestError> {
        let header_count_max = limits.header_count_max;
        if headers.len() > header_count_max {
            return Err(HeadError::TooManyHeaders { header_count_max }.into());
        }
        if !is_target(head.target) {
            return Err(RequestError::TargetInvalid);
        }
        let http = HttpRequest {
            version: head.version,
            method: head.method.into(),
            target: head.target.into(),
            headers,
        };
        if head.version.is_1() { Self::of_http1(http) } else { Self::of_http2(head, http) }
    }

    pub(super) fn from_bytes(head: &Head, limits: &HandshakeLimits) -> Result<Self, RequestError> {
        let (method, target, Minor(minor), headers) = head.request()?;
        let mut head = RequestHead::http11(method, target);
        if minor == 0 {
            head.version = HttpVersion::Http10;
        }
        Self::from_head(&head, headers, limits)
    }

    fn of_http1(http: HttpRequest) -> Result<Self, RequestError> {
        // RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any
        // HTTP/1.1 request message that lacks a Host header field and to any request message that
        // contains more than one Host header field line or a Host header field with an invalid
        // field value."
        let host = match http.headers.single("host") {
            Occurrence::Repeated => return Err(RequestError::HostRepeated),
            Occurrence::Missing => None,
            Occurrence::Once(value) => Some(parse_authority(value)?),
        };
        if http.version == HttpVersion::Http11 && host.is_none() {
            return Err(RequestError::HostMissing);
        }
        // A browser that follows a link sends none of these three. One of them is enough to be
        // taken for a handshake, so that a proxy which drops Upgrade gets a 426 and not a page.
        if !http.headers.list_contains("upgrade", "websocket")
            && !http.headers.contains("sec-websocket-key")
            && !http.headers.contains("sec-websocket-version")
        {
            return Ok(Self::Other(http));
        }
        if http.method != "GET" {
            return Err(RequestError::Method);
        }
        let (HttpVersion::Http11, Some(host)) = (http.version, host) else {
            return Err(RequestError::Http10);
        };
        UpgradeRequest::of_http1(http, host).map(Self::WebSocket)
    }

    fn of_http2(head: &RequestHead<'_>, http: HttpRequest) -> Result<Self, RequestError> {
        let Some(protocol) = head.protocol else { return Ok(Self::Other(http)) };
        // RFC 8441 §4: ":protocol" is for CONNECT, and then ":scheme" and ":path" MUST be there.
        if http.method != "CONNECT" {
            return Err(RequestError::ProtocolWithoutConnect);
        }
        // RFC 9110 §7.8: "recipients SHOULD use case-insensitive comparison when matching each
        // protocol-name to supported protocols". haproxy passes on what an HTTP/1.1 client wrote.
        if !protocol.eq_ignore_ascii_case("websocket") {
            return Err(RequestError::ProtocolUnknown);
        }
        let (Some(scheme), Some(authority)) = (head.scheme, head.authority) else {
            return Err(RequestError::PseudoHeaderMissing);
        };
        // §5: "http" for ws, "https" for wss.
        let scheme = Scheme::from_any(scheme).ok_or(RequestError::PseudoHeaderMissing)?;
        if http.target.is_empty() {
            return Err(RequestError::PseudoHeaderMissing);
        }
        let authority = parse_authority(authority.as_bytes())?;
        UpgradeRequest::of_http2(http, authority, scheme).map(Self::WebSocket)
    }
}

/// A request of HTTP: method, target, headers.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    pub(super) version: HttpVersion,
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Headers,
}

impl HttpRequest {
    /// The version.
    pub const fn version(&self) -> HttpVersion {
        self.version
    }

    /// The method, in the case in which it was sent.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The target: path and query, or what else the method allows (RFC 9112 §3.2).
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The header fields.
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The refusal of an endpoint that serves WebSockets alone: 426 (RFC 9110 §15.5.22).
    pub fn upgrade_required(&self) -> Rejection {
        RequestError::UpgradeMissing.into()
    }

    /// The response to this request: without its body where the method is HEAD (RFC 9110 §9.3.2).
    pub fn respond(&self, with: &Rejection) -> Response {
        let mut response = with.to_response(self.version);
        if self.method == "HEAD" {
            response.body.clear();
        }
        response
    }
}

pub(super) fn parse_authority(value: &[u8]) -> Result<Authority, RequestError> {
    let text = core::str::from_utf8(value).map_err(|_| RequestError::HostInvalid)?;
    text.parse().map_err(|_: UriError| RequestError::HostInvalid)
}

/// Whether a target is visible ASCII without a fragment, which no form of it has (RFC 9112 §3.2).
fn is_target(target: &str) -> bool {
    target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}
