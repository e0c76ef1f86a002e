//! Heads of requests and responses, between proto's values and those of the crate `http`.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use tidewire_proto::handshake::{
    ApiMisuse, HandshakeLimits, HeadError, Headers, HttpVersion, Request, RequestError,
    RequestHead, Response,
};

/// Checks a request that an HTTP library has read.
///
/// `protocol` is the `:protocol` of an extended CONNECT (RFC 8441 §4).
pub(crate) fn request(
    method: &Method,
    uri: &Uri,
    version: Version,
    fields: &HeaderMap,
    protocol: Option<&str>,
    limits: &HandshakeLimits,
) -> Result<Request, RequestError> {
    let target = uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    // The library has bounds of its own; ours may be lower.
    let len: usize = fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if len + method.as_str().len() + target.len() > limits.head_len_max {
        return Err(HeadError::TooLong { head_len_max: limits.head_len_max }.into());
    }
    let version = self::version(version);
    // In HTTP/1.1 scheme and authority are part of the target, where it is an absolute one.
    let absolute;
    let (target, scheme, authority) = match version {
        HttpVersion::Http10 | HttpVersion::Http11 if uri.authority().is_some() => {
            absolute = uri.to_string();
            (&*absolute, None, None)
        }
        HttpVersion::Http10 | HttpVersion::Http11 => (target, None, None),
        _ => (target, uri.scheme_str(), uri.authority().map(http::uri::Authority::as_str)),
    };
    let head =
        RequestHead { version, method: method.as_str(), target, scheme, authority, protocol };
    let headers = headers(fields).map_err(|_| HeadError::Header)?;
    Request::from_head(&head, headers, limits)
}

/// The version of a request, for proto.
pub(crate) const fn version(version: Version) -> HttpVersion {
    match version {
        Version::HTTP_2 => HttpVersion::Http2,
        Version::HTTP_3 => HttpVersion::Http3,
        Version::HTTP_11 => HttpVersion::Http11,
        _ => HttpVersion::Http10,
    }
}

/// The fields of a head, for proto.
pub(crate) fn headers(fields: &HeaderMap) -> Result<Headers, ApiMisuse> {
    Headers::from_fields(fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

/// A response of proto's, for an HTTP library.
pub(crate) fn response<B: From<Bytes>>(
    response: &Response,
) -> Result<http::Response<B>, ApiMisuse> {
    let mut out = http::Response::new(B::from(Bytes::copy_from_slice(response.body())));
    *out.status_mut() = http::StatusCode::from_u16(response.status())
        .map_err(|_| ApiMisuse::Status { status: response.status() })?;
    *out.headers_mut() = header_map(response.headers())?;
    Ok(out)
}

/// Header fields of proto's, for an HTTP library.
pub(crate) fn header_map(headers: &Headers) -> Result<HeaderMap, ApiMisuse> {
    let mut fields = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers.iter() {
        // proto has checked both; what is left is a length that the library does not take.
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| ApiMisuse::HeaderName)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| ApiMisuse::HeaderValue)?;
        fields.append(name, value);
    }
    Ok(fields)
}
