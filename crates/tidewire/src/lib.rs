//! WebSockets that are right and fast: client and server on tokio.
//!
//! RFC 6455 in both roles, strictly; permessage-deflate (RFC 7692); WebSockets over HTTP/2 (RFC
//! 8441); TLS by rustls. No `unsafe`.
//!
//! A server:
//!
//! ```no_run
//! # async fn run() -> std::io::Result<()> {
//! let listener = tidewire::Listener::bind("127.0.0.1:9001").await?;
//! loop {
//!     let pending = listener.accept().await?;
//!     tokio::spawn(async move {
//!         let mut ws = pending.upgrade().await?; // a slow handshake holds up nobody
//!         while let Some(message) = ws.next().await? {
//!             ws.send(message).await?;
//!         }
//!         Ok::<_, tidewire::Error>(())
//!     });
//! }
//! # }
//! ```
//!
//! A client:
//!
//! ```no_run
//! # async fn run() -> Result<(), tidewire::Error> {
//! let mut ws = tidewire::connect("ws://127.0.0.1:9001/feed").await?;
//! ws.send("hello").await?;
//! while let Some(message) = ws.next().await? {
//!     println!("{message:?}");
//! }
//! # Ok(()) }
//! ```
//!
//! # What to know
//!
//! - [`Message`] is text or binary. Control frames are out of sight: Pings are answered, idle
//!   peers are pinged ([`Timeouts`]), `None` from [`WebSocket::next`] is a clean end.
//! - [`WebSocket::send`] corks by itself: answers to messages that arrived together leave
//!   together, without a timer.
//! - Every future may be dropped at any time; see [`WebSocket`].
//! - [`WebSocket::split`] gives halves for different tasks, [`Prepared`] one message for many,
//!   [`WebSocket::next_reader`] and [`WebSocket::writer`] messages that are larger than memory.
//! - Everything a peer can make grow is bounded by [`Limits`]; whose fault an [`Error`] is stands
//!   in its type.
//! - [`Server`] lets only pages of its own host connect, until told otherwise.
//! - An idle connection holds no buffer.
//!
//! The protocol itself, for other drivers than tokio, is [`proto`]; its documentation has a table
//! that says where each clause of the RFCs is obeyed.
#![forbid(unsafe_code)]

mod agreed;
#[cfg(feature = "axum")]
pub mod axum;
mod backoff;
mod bounds;
mod client;
mod deadline;
mod dialing;
mod error;
mod flusher;
#[cfg(any(feature = "http2", feature = "hyper"))]
mod heads;
mod hold;
#[cfg(feature = "http2")]
pub mod http2;
#[cfg(feature = "hyper")]
pub mod hyper;
mod link;
mod message;
mod net_stream;
mod opening;
mod proxy;
mod reconnecting;
#[cfg(feature = "http2")]
mod rewound;
mod server;
mod split;
mod stream_sink;
mod streaming;
mod thread;
mod timer;
#[cfg(feature = "tls")]
pub mod tls;
mod turns;
mod unread;
mod websocket;
#[cfg(any(feature = "http2", feature = "hyper"))]
mod windows;

pub use tidewire_proto as proto;
#[cfg(feature = "tls")]
pub use tokio_rustls::rustls;

pub use crate::{
    backoff::Backoff,
    client::{Client, connect},
    error::{Error, HandshakeError},
    link::Stream,
    message::Message,
    net_stream::NetStream,
    proxy::{Proxy, ProxyError},
    reconnecting::Reconnecting,
    server::{Handshake, Listener, Pending, Server},
    split::{Receiver, Sender, TrySendError},
    streaming::{MessageReader, MessageWriter},
    websocket::WebSocket,
};
pub use tidewire_proto::{
    CloseCode, Config, Kind, Limits, Outcome, Outgoing, Prepared, ReadyState, Role, Timeouts,
};
#[cfg(feature = "deflate")]
pub use tidewire_proto::{DeflateConfig, DeflateParams};
