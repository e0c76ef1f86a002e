//! [`UpgradeRequest`]: a valid opening handshake, before the server has decided (RFC 6455 §4.2).

use alloc::{borrow::ToOwned as _, string::String, vec::Vec};

use super::{
    accept::Accept,
    error::{ApiMisuse, RequestError},
    headers::{Headers, Occurrence, elements},
    key::{accept_key, is_valid_key},
    rejection::Rejection,
    request::{HttpRequest, HttpVersion, parse_authority},
    response::Response,
};
#[cfg(feature = "deflate")]
use crate::{DeflateConfig, DeflateParams};
use crate::{
    extension::{self, Extension},
    token::is_token,
    uri::{Authority, Scheme},
};

/// Subprotocols that one request may offer.
pub const SUBPROTOCOL_COUNT_MAX: usize = 64;

/// A client's opening handshake that has passed every check of RFC 6455 §4.2.1. What is left to
/// decide is whether to [`accept`](Self::accept) or to [`reject`](Self::reject) it.
#[derive(Debug, Clone)]
pub struct UpgradeRequest {
    http: HttpRequest,
    authority: Authority,
    scheme: Option<Scheme>,
    /// Over HTTP/1.1 alone: RFC 8441 §5 has neither Key nor Accept.
    key: Option<String>,
    origin: Option<String>,
    subprotocols: Vec<String>,
    extensions: Vec<Extension<'static>>,
}

impl UpgradeRequest {
    /// The checks of §4.2.1, items 3 to 6; method, version and Host are checked already.
    pub(super) fn of_http1(mut http: HttpRequest, host: Authority) -> Result<Self, RequestError> {
        // Item 1: a /resource name/, or "an absolute HTTP/HTTPS URI containing the /resource
        // name/", whose authority then counts and not that of Host (RFC 9112 §3.2.2).
        let (authority, scheme) = match absolute_form(&http.target)? {
            Some((scheme, authority, resource_name)) => {
                http.target = resource_name;
                (authority, Some(scheme))
            }
            None => (host, None),
        };
        if !http.headers.list_contains("upgrade", "websocket") {
            return Err(RequestError::UpgradeMissing);
        }
        if !http.headers.list_contains("connection", "upgrade") {
            return Err(RequestError::ConnectionMissing);
        }
        check_version(&http.headers)?;
        let key = match http.headers.single("sec-websocket-key") {
            Occurrence::Missing => return Err(RequestError::KeyMissing),
            Occurrence::Repeated => return Err(RequestError::KeyRepeated),
            Occurrence::Once(key) if !is_valid_key(key) => return Err(RequestError::KeyInvalid),
            Occurrence::Once(key) => String::from_utf8_lossy(key).into_owned(),
        };
        Self::of(http, authority, scheme, Some(key))
    }

    /// RFC 8441 §5: no Key, Upgrade or Connection; the version is still checked. A Key that a
    /// proxy passes on is ignored.
    pub(super) fn of_http2(
        http: HttpRequest,
        authority: Authority,
        scheme: Scheme,
    ) -> Result<Self, RequestError> {
        if !http.target.starts_with('/') {
            return Err(RequestError::TargetInvalid);
        }
        check_version(&http.headers)?;
        Self::of(http, authority, Some(scheme), None)
    }

    fn of(
        http: HttpRequest,
        authority: Authority,
        scheme: Option<Scheme>,
        key: Option<String>,
    ) -> Result<Self, RequestError> {
        check_body(&http.headers)?;
        let origin = match http.headers.single("origin") {
            Occurrence::Missing => None,
            Occurrence::Repeated => return Err(RequestError::OriginRepeated),
            Occurrence::Once(origin) if !origin.is_ascii() => {
                return Err(RequestError::OriginInvalid);
            }
            Occurrence::Once(origin) => Some(String::from_utf8_lossy(origin).into_owned()),
        };
        let subprotocols = subprotocols(&http.headers)?;
        let extensions = extension::parse(http.headers.get_all("sec-websocket-extensions"))?
            .into_iter()
            .map(Extension::into_owned)
            .collect();
        Ok(Self { http, authority, scheme, key, origin, subprotocols, extensions })
    }

    /// The version of HTTP.
    pub const fn version(&self) -> HttpVersion {
        self.http.version
    }

    /// The _resource name_ (RFC 6455 §3): path and query.
    pub fn resource_name(&self) -> &str {
        &self.http.target
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.http.target.split('?').next().unwrap_or_default()
    }

    /// The query, without its `?`; `None` where there is none.
    pub fn query(&self) -> Option<&str> {
        self.http.target.split_once('?').map(|(_, query)| query)
    }

    /// Host and port as the client named them: from `Host`, `:authority`, or an absolute target.
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The scheme, where the request names one: `:scheme`, or that of an absolute target. A peer
    /// can write what it likes here; see [`OriginPolicy::check`](super::OriginPolicy::check).
    pub const fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    /// `Origin`: the page that opened the connection, if a browser did (§10.2).
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// The subprotocols on offer, in the client's order of preference.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.subprotocols.iter().map(String::as_str)
    }

    /// The first of `preferred` that the client offers; compared exactly, the server's order
    /// counts.
    pub fn choose_subprotocol<'s>(
        &self,
        preferred: impl IntoIterator<Item = &'s str>,
    ) -> Option<&'s str> {
        preferred.into_iter().find(|wanted| self.subprotocols().any(|offer| offer == *wanted))
    }

    /// The extensions on offer, in the client's order of preference (§9.1).
    pub fn extensions(&self) -> &[Extension<'static>] {
        &self.extensions
    }

    /// All header fields.
    pub const fn headers(&self) -> &Headers {
        &self.http.headers
    }

    /// The response that accepts, as [`accept`](Self::accept) makes it, with permessage-deflate by
    /// `config` where the client offers it; and its parameters, if they are agreed on by it. Who has
    /// accepted extensions by itself has decided against ours.
    #[cfg(feature = "deflate")]
    pub fn accept_compressed(
        &self,
        accept: &Accept,
        config: Option<&DeflateConfig>,
    ) -> Result<(Response, Option<DeflateParams>), ApiMisuse> {
        if let Some(config) = config.filter(|_| accept.accepts_no_extension())
            && let Some((params, answer)) = config.negotiate(self.extensions())
        {
            let response = self.accept(&accept.clone().extension(answer))?;
            return Ok((response, Some(params)));
        }
        Ok((self.accept(accept)?, None))
    }

    /// The response that accepts: 101 (§4.2.2 item 5), or 200 over HTTP/2 (RFC 8441 §5). Once it
    /// is sent, the connection is open.
    ///
    /// Refuses a subprotocol or an extension that is not on offer (§4.2.2 items 4 and 5).
    pub fn accept(&self, accept: &Accept) -> Result<Response, ApiMisuse> {
        if let Some(chosen) = &accept.subprotocol
            && !self.subprotocols.contains(chosen)
        {
            return Err(ApiMisuse::SubprotocolNotOffered);
        }
        let offered = |answer: &Extension<'_>| {
            self.extensions.iter().any(|offer| offer.name() == answer.name())
        };
        if !accept.extensions.iter().all(offered) {
            return Err(ApiMisuse::ExtensionNotOffered);
        }
        let mut headers = Headers::new();
        let status = match &self.key {
            Some(key) => {
                headers.push("Upgrade", b"websocket");
                headers.push("Connection", b"Upgrade");
                headers.push("Sec-WebSocket-Accept", accept_key(key.as_bytes()).as_bytes());
                101
            }
            None => 200,
        };
        if let Some(subprotocol) = &accept.subprotocol {
            headers.push("Sec-WebSocket-Protocol", subprotocol.as_bytes());
        }
        if !accept.extensions.is_empty() {
            let value = extension::to_header_value(&accept.extensions);
            headers.push("Sec-WebSocket-Extensions", value.as_bytes());
        }
        headers.extend(&accept.headers);
        Ok(Response { status, headers, body: Vec::new() })
    }

    /// The response that refuses, with any status that does: over HTTP/2 a 2xx would accept.
    pub fn reject(&self, rejection: &Rejection) -> Result<Response, ApiMisuse> {
        let status = rejection.status();
        if !self.version().is_1() && matches!(status, 200..=299) {
            return Err(ApiMisuse::Status { status });
        }
        Ok(rejection.to_response(self.version()))
    }
}

/// §4.2.1 item 6, §4.4.
fn check_version(headers: &Headers) -> Result<(), RequestError> {
    match headers.single("sec-websocket-version") {
        Occurrence::Once(b"13") => Ok(()),
        Occurrence::Once(_) | Occurrence::Missing => Err(RequestError::VersionUnsupported),
        Occurrence::Repeated => Err(RequestError::VersionRepeated),
    }
}

/// A body after the head would be taken for frames, or frames for a body by a proxy: both are ways
/// to smuggle. `Content-Length: 0` announces none.
fn check_body(headers: &Headers) -> Result<(), RequestError> {
    let none = |length: &[u8]| !length.is_empty() && length.iter().all(|&digit| digit == b'0');
    if headers.contains("transfer-encoding") || !headers.get_all("content-length").all(none) {
        return Err(RequestError::Body);
    }
    Ok(())
}

/// §4.1 item 10: the elements "MUST be non-empty strings … and MUST all be unique strings".
fn subprotocols(headers: &Headers) -> Result<Vec<String>, RequestError> {
    let mut offers: Vec<String> = Vec::new();
    for element in headers.get_all("sec-websocket-protocol").flat_map(elements) {
        if !is_token(element) {
            return Err(RequestError::SubprotocolInvalid);
        }
        if offers.iter().any(|offer| offer.as_bytes() == element) {
            return Err(RequestError::SubprotocolRepeated);
        }
        if offers.len() == SUBPROTOCOL_COUNT_MAX {
            return Err(RequestError::TooManySubprotocols);
        }
        offers.push(String::from_utf8_lossy(element).into_owned());
    }
    Ok(offers)
}

/// Takes an absolute target apart; `None` for a path.
fn absolute_form(target: &str) -> Result<Option<(Scheme, Authority, String)>, RequestError> {
    if target.starts_with('/') {
        return Ok(None);
    }
    let (scheme, rest) = target.split_once("://").ok_or(RequestError::TargetInvalid)?;
    let scheme = Scheme::from_any(scheme).ok_or(RequestError::TargetInvalid)?;
    let (authority, resource) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let slash = if resource.starts_with('/') { "" } else { "/" };
    let authority = parse_authority(authority.as_bytes())?;
    Ok(Some((scheme, authority, slash.to_owned() + resource)))
}
