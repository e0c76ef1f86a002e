//! One WebSocket connection as a value: bytes and time in, bytes and events out.
#![forbid(unsafe_code)]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod assembly;
mod buffer;
mod close;
mod closing;
#[cfg(feature = "deflate")]
mod compression;
#[cfg(not(feature = "deflate"))]
#[path = "no_compression.rs"]
mod compression;
mod connection;
mod context;
#[cfg(feature = "deflate")]
mod deflate;
mod error;
pub mod extension;
pub mod handshake;
mod header;
mod limits;
pub mod mask;
mod message;
mod opcode;
mod outbox;
mod prepared;
mod receiving;
mod sending;
mod time;
mod token;
pub mod uri;
mod utf8;

pub use buffer::{BufferPool, MessageBuf};
pub use close::{CloseCode, CloseFrame, CloseReason};
pub use closing::{Failure, Initiator, Outcome, ReadyState, TimeoutKind, Transport};
pub use connection::{Config, Connection};
pub use context::{Context, MaskSource};
#[cfg(feature = "deflate")]
pub use deflate::{Codecs, DeflateConfig, DeflateParams, Flow, NegotiationError};
pub use error::{LimitExceeded, ProtocolViolation, SendError};
pub use header::{EncodedHeader, FrameHeader};
pub use limits::{Limits, Timeouts};
pub use message::{Outgoing, Payload, Text};
pub use opcode::{Kind, OpCode, Role};
pub use outbox::Outbox;
pub use prepared::Prepared;
pub use receiving::{Event, Fragment};
pub use time::Timestamp;
