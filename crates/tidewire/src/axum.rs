//! WebSockets in an [axum](https://docs.rs/axum) 0.8 application.
//!
//! [`Upgrade`] is an extractor. It takes HTTP/1.1 upgrades (RFC 6455 §4) and extended CONNECTs of
//! HTTP/2 (RFC 8441), so route it with `any`: the one is a GET, the other a CONNECT. What is no
//! handshake, or a wrong one, is answered before the handler runs, with the status that says why.
//!
//! ```
//! use axum::{Router, response::Response, routing::any};
//! use tidewire::{WebSocket, axum::{Stream, Upgrade}};
//!
//! async fn chat(upgrade: Upgrade) -> Response {
//!     upgrade.subprotocols(["chat.v2", "chat.v1"]).on_upgrade(echo)
//! }
//!
//! async fn echo(mut ws: WebSocket<Stream>) -> Result<(), tidewire::Error> {
//!     while let Some(message) = ws.next().await? {
//!         ws.send(message).await?;
//!     }
//!     Ok(())
//! }
//!
//! let app: Router = Router::new().route("/chat", any(chat));
//! ```
//!
//! What is said of hyper in [`tidewire::hyper`](crate::hyper) holds here as well. `axum::serve`
//! enables extended CONNECT by itself, but has hyper's windows: where peers may leave WebSockets
//! unread over HTTP/2, serve the `Router` by hyper, with ours.

use std::{
    any::Any,
    fmt::Display,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use axum_core::{
    body::Body,
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::request::Parts;
use hyper::ext::Protocol;
use tidewire_proto::{
    Config, Limits, Timeouts,
    handshake::{OriginPolicy, UpgradeRequest},
};

pub use crate::hyper::Stream;
use crate::{
    error::HandshakeError,
    heads,
    hyper::{Handshake, Refused},
    server::Server,
    websocket::WebSocket,
};

/// Extracts a valid opening handshake; see [the module](self).
///
/// Its rules are those of a [`Server`], with the same defaults: above all, only pages of the same
/// host may connect.
#[derive(Debug)]
#[must_use = "nothing comes of it without `on_upgrade`"]
pub struct Upgrade(Handshake);

impl Upgrade {
    /// What the client asks for.
    pub const fn request(&self) -> &UpgradeRequest {
        self.0.request()
    }

    /// All rules at once.
    pub fn server(self, server: &Server) -> Self {
        self.with(|_| server.clone())
    }

    /// The subprotocols that we speak, the one we like best first.
    pub fn subprotocols<T: Into<String>>(self, subprotocols: impl IntoIterator<Item = T>) -> Self {
        self.with(|server| server.subprotocols(subprotocols))
    }

    /// Which pages may connect (RFC 6455 §10.2). Others get 403.
    pub fn origin(self, policy: OriginPolicy) -> Self {
        self.with(|server| server.origins(policy))
    }

    /// What is accepted from the client.
    pub fn limits(self, limits: Limits) -> Self {
        self.with(|server| server.limits(limits))
    }

    /// How long is waited for it.
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        self.with(|server| server.timeouts(timeouts))
    }

    /// Compresses messages, if the client offers it (RFC 7692).
    #[cfg(feature = "deflate")]
    pub fn deflate(self, config: tidewire_proto::DeflateConfig) -> Self {
        self.with(|server| server.deflate(config))
    }

    /// Everything that proto lets be configured.
    pub fn with_config(self, change: impl FnOnce(&mut Config)) -> Self {
        self.with(|server| server.with_config(change))
    }

    /// Accepts, and runs `handler` in a task of its own with the connection. Or refuses, where the
    /// rules say so.
    ///
    /// A refused Origin, an error of the handler, or a panic in it, is logged by `tracing`. A
    /// connection that a panic leaves open is closed with 1011.
    pub fn on_upgrade<H, F>(self, handler: H) -> Response
    where
        H: FnOnce(WebSocket<Stream>) -> F + Send + 'static,
        F: Future<Output: Ended> + Send + 'static,
    {
        let (response, upgrading) = match self.0.accept() {
            Ok(accepted) => accepted,
            Err(refused) => return IntoResponse::into_response(refused),
        };
        tokio::spawn(async move {
            match upgrading.await {
                Ok(ws) => run(async move { handler(ws).await }).await,
                Err(error) => tracing::debug!(%error, "no WebSocket came of an upgrade"),
            }
        });
        response.map(Body::new)
    }

    fn with(self, change: impl FnOnce(Server) -> Server) -> Self {
        Self(self.0.under(change))
    }
}

impl<S: Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let protocol = parts.extensions.get::<Protocol>().cloned();
        let server = Server::new();
        let checked = heads::request(
            &parts.method,
            &parts.uri,
            parts.version,
            &parts.headers,
            protocol.as_ref().map(Protocol::as_str),
            &server.bounds().handshake_limits,
        );
        Handshake::new(checked, parts.version, &mut parts.extensions, &server).map(Self)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self.error() {
            // A setting of ours may be the reason, so whoever reads our logs is to know.
            error @ HandshakeError::Origin(_) => tracing::warn!(%error, "refused a WebSocket"),
            error => tracing::debug!(%error, "refused a WebSocket"),
        }
        Self::into_response(self).map(Body::new)
    }
}

/// What a handler may return: nothing, or a `Result` whose error is logged.
pub trait Ended: Send {
    /// Writes to the log what is worth it.
    fn log(self);
}

impl Ended for () {
    fn log(self) {}
}

impl<E: Display + Send> Ended for Result<(), E> {
    fn log(self) {
        if let Err(error) = self {
            tracing::warn!(%error, "a WebSocket ended");
        }
    }
}

/// Runs a handler to its end, be it a panic.
async fn run<F: Future<Output: Ended>>(handler: F) {
    let mut handler = pin!(handler);
    // It is not polled again after a panic, so nobody sees what it left half done.
    let ended =
        poll_fn(|task| match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(task))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        });
    match ended.await {
        Ok(ended) => ended.log(),
        Err(panic) => tracing::error!(panic = message(&*panic), "a WebSocket handler panicked"),
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(message), _) => message,
        (_, Some(message)) => message,
        _ => "without a message",
    }
}
