//! WebSockets that are right and fast.
#![forbid(unsafe_code)]

mod error;
mod flusher;
mod link;
mod message;
mod split;
mod stream_sink;
mod streaming;
mod thread;
mod unread;
mod websocket;

pub use tidewire_proto as proto;

pub use crate::{
    error::Error,
    link::Stream,
    message::Message,
    split::{Receiver, Sender, TrySendError},
    streaming::{MessageReader, MessageWriter},
    websocket::WebSocket,
};
pub use tidewire_proto::{
    CloseCode, Config, Kind, Limits, Outcome, Outgoing, Prepared, ReadyState, Role, Timeouts,
};
