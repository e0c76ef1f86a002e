//! WebSockets that are right and fast.
#![forbid(unsafe_code)]

mod agreed;
mod client;
mod deadline;
mod error;
mod flusher;
#[cfg(feature = "hyper")]
mod heads;
#[cfg(feature = "hyper")]
pub mod hyper;
mod link;
mod message;
mod net_stream;
mod opening;
mod server;
mod split;
mod stream_sink;
mod streaming;
mod thread;
#[cfg(feature = "tls")]
mod tls;
mod unread;
mod websocket;

pub use tidewire_proto as proto;
#[cfg(feature = "tls")]
pub use tokio_rustls::rustls;

pub use crate::{
    client::{Client, connect},
    error::{Error, HandshakeError},
    link::Stream,
    message::Message,
    net_stream::NetStream,
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
