//! WebSockets over HTTP/2 (RFC 8441): many on one connection, each a stream of its own.
//!
//! A server accepts a [`Connection`], by [`Server::http2`](crate::Server::http2), and takes
//! handshakes from it. Where HTTP/1.1 is spoken on the same port,
//! [`Server::negotiate`](crate::Server::negotiate) tells them apart:
//!
//! ```no_run
//! # use tidewire::{Server, http2::Negotiated};
//! # async fn echo<S: tidewire::Stream>(_: tidewire::WebSocket<S>) {}
//! # async fn run(pending: tidewire::Pending) -> Result<(), tidewire::Error> {
//! match pending.negotiate().await? {
//!     Negotiated::Http1(handshake) => echo(handshake.accept().await?).await,
//!     Negotiated::Http2(mut connection) => {
//!         while let Some(handshake) = connection.next().await? {
//!             tokio::spawn(async { Ok::<_, tidewire::Error>(echo(handshake.accept()?).await) });
//!         }
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! A client makes a [`Connector`] and opens WebSockets by it:
//!
//! ```no_run
//! # async fn run() -> Result<(), tidewire::Error> {
//! let connector = tidewire::Client::new().connect_http2("wss://example.com").await?;
//! let mut news = connector.connect("wss://example.com/news").await?;
//! let mut chat = connector.connect("wss://example.com/chat").await?;
//! # Ok(()) }
//! ```
//!
//! # What stands for TCP (§5)
//! `END_STREAM` is a FIN. `RST_STREAM` with CANCEL is a RST: a [`Stream`] sends it that is dropped
//! while the peer takes nothing, and where a peer sends it, an [`Error::Io`](crate::Error::Io) says
//! so. A GOAWAY lets WebSockets go on; only new ones are not opened.
//!
//! # Flow control
//! A stream's window is opened as its messages are consumed, and a connection's window is the sum
//! of its streams': a WebSocket that nobody reads holds up no other.

mod client;
mod server;
mod stream;

pub use self::{
    client::Connector,
    server::{Connection, Handshake, Negotiated},
    stream::Stream,
};
pub use crate::windows::{CONNECTION_WINDOW_LEN, STREAM_COUNT_MAX, STREAM_WINDOW_LEN};

/// What a stream may hold back for a peer that does not take it, beside the WebSocket's own queue.
const SEND_BUFFER_LEN_MAX: usize = 64 << 10;
