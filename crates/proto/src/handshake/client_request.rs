//! [`ClientRequest`]: what a client asks for (RFC 6455 §4.1).

use alloc::{borrow::ToOwned as _, format, string::String, vec::Vec};

use super::{
    accept::is_reserved,
    answer::{Established, HandshakeFailure, check_answer, check_switch},
    error::{ApiMisuse, RedirectRefused},
    headers::Headers,
    key::{encode_basic, encode_key},
    response::Response,
};
use crate::{
    extension::{self, Extension},
    token::is_token,
    uri::{Authority, Scheme, Uri},
};

/// A client's opening handshake, to be sent as often as needed.
///
/// Over TCP a [`ClientHandshake`](super::ClientHandshake) sends it. Over a library that has its
/// own HTTP, [`headers_http1`](Self::headers_http1) or [`headers_http2`](Self::headers_http2) are
/// what to send, and [`check_http1`](Self::check_http1) or [`check_http2`](Self::check_http2) what
/// to do with the response.
#[derive(Debug, Clone)]
pub struct ClientRequest {
    uri: Uri,
    headers: Headers,
    subprotocols: Vec<String>,
    subprotocol_required: bool,
    extensions: Vec<Extension<'static>>,
}

impl ClientRequest {
    /// A request for `uri` without subprotocols, extensions or further headers.
    pub const fn new(uri: Uri) -> Self {
        Self {
            uri,
            headers: Headers::new(),
            subprotocols: Vec::new(),
            subprotocol_required: false,
            extensions: Vec::new(),
        }
    }

    /// The URI.
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Adds a header, such as `Origin` or `Cookie`; refuses CR and LF, and headers of the
    /// handshake. A `Host` replaces the URI's, an `Authorization` its user info.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, ApiMisuse> {
        if is_reserved(name) {
            return Err(ApiMisuse::HeaderReserved);
        }
        if name.eq_ignore_ascii_case("host") {
            let valid = core::str::from_utf8(value.as_ref())
                .is_ok_and(|host| host.parse::<Authority>().is_ok());
            if !valid {
                return Err(ApiMisuse::HeaderValue);
            }
            if self.headers.contains("host") {
                return Err(ApiMisuse::HeaderReserved);
            }
        }
        self.headers.append(name, value)?;
        Ok(self)
    }

    /// Offers a subprotocol, after those offered before (§4.1 item 10: tokens, each once).
    pub fn subprotocol(mut self, subprotocol: &str) -> Result<Self, ApiMisuse> {
        if !is_token(subprotocol.as_bytes()) {
            return Err(ApiMisuse::SubprotocolInvalid);
        }
        if self.subprotocols.iter().any(|offer| offer == subprotocol) {
            return Err(ApiMisuse::SubprotocolRepeated);
        }
        self.subprotocols.push(subprotocol.into());
        Ok(self)
    }

    /// Whether a server that selects none of our subprotocols is refused, as browsers do by the
    /// WHATWG's algorithm. By RFC 6455, and by default, it is not.
    #[must_use]
    pub const fn require_subprotocol(mut self, required: bool) -> Self {
        self.subprotocol_required = required;
        self
    }

    /// Offers an extension, after those offered before (§9.1: the order is that of preference).
    #[must_use]
    pub fn extension(mut self, offer: Extension<'static>) -> Self {
        self.extensions.push(offer);
        self
    }

    /// The same request for where a redirect points: the `Location` of a 3xx.
    ///
    /// To another origin it goes without `Authorization`, `Cookie`, `Host` and user info
    /// (RFC 9110 §15.4, CVE-2026-42498). From `wss` to `ws` is refused. How many redirects to
    /// follow, and whether any, is the caller's to decide.
    pub fn redirect(&self, location: &str) -> Result<Self, RedirectRefused> {
        let mut uri = self.uri.resolve(location).map_err(RedirectRefused::Location)?;
        if self.uri.scheme() == Scheme::Wss && uri.scheme() == Scheme::Ws {
            return Err(RedirectRefused::Insecure);
        }
        let mut headers = self.headers.clone();
        if self.uri.is_same_origin(&uri) {
            uri.set_user_info(self.uri.user_info().cloned());
        } else {
            headers.remove(&["authorization", "proxy-authorization", "cookie", "host"]);
        }
        Ok(Self { uri, headers, ..self.clone() })
    }

    /// The header fields of an HTTP/1.1 request: GET, and the URI's resource name as its target.
    ///
    /// `nonce` is 16 bytes that nobody could guess, fresh for each attempt (§4.1 item 7).
    pub fn headers_http1(&self, nonce: [u8; 16]) -> Headers {
        let mut headers = Headers::new();
        if !self.headers.contains("host") {
            headers.push("Host", self.uri.host_header().as_bytes());
        }
        headers.push("Upgrade", b"websocket");
        headers.push("Connection", b"Upgrade");
        headers.push("Sec-WebSocket-Key", encode_key(nonce).as_bytes());
        self.push_common(&mut headers);
        headers
    }

    /// The header fields of an extended CONNECT (RFC 8441 §5): no Key, Upgrade or Connection.
    ///
    /// Its pseudo-headers are `:method` CONNECT, `:protocol` websocket, `:scheme`
    /// [`uri().scheme().http()`](crate::uri::Scheme::http), `:authority`
    /// [`authority()`](Self::authority), `:path` [`uri().resource_name()`](Uri::resource_name).
    pub fn headers_http2(&self) -> Headers {
        let mut all = Headers::new();
        self.push_common(&mut all);
        let mut headers = Headers::new();
        for (name, value) in all.iter() {
            // RFC 9113 §8.2: "Field names MUST be converted to lowercase"; §8.3.1: `:authority`
            // stands for Host.
            let name = name.to_ascii_lowercase();
            if name != "host" {
                headers.push(&name, value);
            }
        }
        headers
    }

    /// The value of `Host` or `:authority`.
    pub fn authority(&self) -> String {
        match self.headers.get("host").map(core::str::from_utf8) {
            Some(Ok(host)) => host.to_owned(),
            _ => self.uri.host_header(),
        }
    }

    fn push_common(&self, headers: &mut Headers) {
        headers.push("Sec-WebSocket-Version", b"13");
        if !self.subprotocols.is_empty() {
            headers.push("Sec-WebSocket-Protocol", self.subprotocols.join(", ").as_bytes());
        }
        if !self.extensions.is_empty() {
            let value = extension::to_header_value(&self.extensions);
            headers.push("Sec-WebSocket-Extensions", value.as_bytes());
        }
        if let Some(user_info) = self.uri.user_info()
            && !self.headers.contains("authorization")
        {
            let credentials = encode_basic(user_info.user(), user_info.password());
            headers.push("Authorization", credentials.as_bytes());
        }
        headers.extend(&self.headers);
    }

    /// The bytes of the HTTP/1.1 request.
    pub(super) fn encode(&self, nonce: [u8; 16]) -> Vec<u8> {
        let mut out = format!("GET {} HTTP/1.1\r\n", self.uri.resource_name()).into_bytes();
        self.headers_http1(nonce).encode(&mut out);
        out.extend_from_slice(b"\r\n");
        out
    }

    /// Checks a response of HTTP/1.1 that somebody else has read (§4.1): a 101 that answers
    /// `nonce`, or a refusal.
    pub fn check_http1(
        &self,
        nonce: [u8; 16],
        status: u16,
        headers: Headers,
    ) -> Result<Established, HandshakeFailure> {
        if status != 101 {
            return Err(refused(status, headers));
        }
        check_switch(&headers, &encode_key(nonce))?;
        self.check_answer(headers)
    }

    /// Checks a response to an extended CONNECT (RFC 8441 §5): any 2xx accepts (RFC 9110 §9.3.6),
    /// and there is no Accept to compare.
    pub fn check_http2(
        &self,
        status: u16,
        headers: Headers,
    ) -> Result<Established, HandshakeFailure> {
        if !matches!(status, 200..=299) {
            return Err(refused(status, headers));
        }
        self.check_answer(headers)
    }

    pub(super) fn check_answer(&self, headers: Headers) -> Result<Established, HandshakeFailure> {
        let required = self.subprotocol_required;
        Ok(check_answer(headers, &self.subprotocols, required, &self.extensions)?)
    }
}

fn refused(status: u16, headers: Headers) -> HandshakeFailure {
    HandshakeFailure::Refused(Response { status, headers, body: Vec::new() })
}
