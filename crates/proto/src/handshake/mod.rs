//! The opening handshake in both roles (RFC 6455 §4), over HTTP/1.1 and 2.
//!
//! One implementation for raw TCP, hyper, axum and HTTP/2: [`ServerHandshake`] and
//! [`ClientHandshake`] read bytes as they arrive; [`Request::from_head`] and
//! [`ClientRequest::check_http1`] take a head that somebody else has parsed,
//! [`ClientRequest::check_http2`] likewise for RFC 8441.
//!
//! Every check is made here. Every decision is the caller's, with typed values: whether the page
//! may connect ([`OriginPolicy`]), which subprotocol and extension ([`Accept`]), or how to refuse
//! ([`Rejection`]). Nothing here is random, waits, or looks at a clock: the caller hands in the
//! client's nonce and ends what takes too long.
//!
//! What a peer can make grow is bounded by [`HandshakeLimits`].
//!
//! | clause | obeyed in |
//! |---|---|
//! | RFC 6455 §4.1, the request: items 1 to 12 | [`ClientRequest`] |
//! | §4.1, the response: items 1 to 6 | [`ClientRequest::check_http1`], [`ClientHandshake`] |
//! | §4.2.1, what a server reads | [`Request::from_head`], [`ServerHandshake`] |
//! | §4.2.2, what it answers | [`UpgradeRequest::accept`], [`Rejection`] |
//! | §4.4, versions | [`RequestError::VersionUnsupported`] |
//! | §9.1, extensions | [`extension`](crate::extension) |
//! | §10.2, origins | [`OriginPolicy`] |
//! | §11.3, which headers may repeat | [`RequestError`], [`ResponseError`] |
//! | RFC 8441 §4 and §5, RFC 9220 §3 | [`Request::from_head`], [`ClientRequest::headers_http2`] |
//! | RFC 9112 §2.2, §3.2, §5, §6.3 | [`HeadError`], [`RequestError`] |
//!
//! Not here, since they need a driver: at most one connection under way per host (§4.1), the
//! timeouts, TLS and proxies.

mod accept;
mod answer;
mod body;
mod client;
mod client_request;
mod error;
mod head;
mod headers;
mod key;
mod limits;
mod origin;
mod rejection;
mod request;
mod response;
mod server;
mod upgrade;

#[cfg(test)]
mod tests;

pub use accept::Accept;
pub use answer::{Established, HandshakeFailure};
pub use client::ClientHandshake;
pub use client_request::ClientRequest;
pub use error::{ApiMisuse, HeadError, RedirectRefused, RequestError, ResponseError};
pub use headers::Headers;
pub use key::accept_key;
pub use limits::HandshakeLimits;
pub use origin::{Origin, OriginPolicy, OriginRefused};
pub use rejection::Rejection;
pub use request::{HttpRequest, HttpVersion, Request, RequestHead};
pub use response::Response;
pub use server::ServerHandshake;
pub use upgrade::{SUBPROTOCOL_COUNT_MAX, UpgradeRequest};
