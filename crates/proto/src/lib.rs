//! One WebSocket connection as a value: bytes and time in, bytes and events out.
//!
//! RFC 6455 in both roles and permessage-deflate (RFC 7692), without I/O, clock, threads or
//! randomness of its own, and without `unsafe`. A driver moves bytes between this and a socket:
//! crate `tidewire` does so on tokio. Most programs want that one.
//!
//! - [`handshake`] opens a connection, over bytes or over heads that an HTTP library has parsed;
//!   [`uri`] and [`extension`] are what it reads and writes.
//! - [`Connection`] is everything after it: messages, fragments, control frames, the closing
//!   handshake, keep-alive, timeouts.
//! - [`Outbox`] is what waits to be written, and [`Prepared`] one message for many receivers.
//! - [`Context`] is what a thread hands in: the time, masking keys, pools.
//!
//! ```
//! use std::sync::Arc;
//! use tidewire_proto::{Config, Connection, Context, Event, MaskSource, Role};
//!
//! struct NotRandom; // a server masks nothing; a client needs the system's generator here
//! impl MaskSource for NotRandom {
//!     fn fill(&mut self, out: &mut [u8]) {
//!         out.fill(0);
//!     }
//! }
//!
//! let mut cx = Context::new(Box::new(NotRandom));
//! let mut conn = Connection::new(Role::Server, Arc::new(Config::default()), cx.now);
//!
//! let mut read = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"; // RFC 6455 §5.7: "Hello"
//! let mut input = &mut read[..];
//! while let Some(event) = conn.receive(&mut cx, &mut input) {
//!     if let Event::Text(text) = event {
//!         assert_eq!(text.as_str(), "Hello");
//!         conn.send(&mut cx, text)?; // an echo, from the bytes it arrived in
//!     }
//! }
//!
//! let written: Vec<u8> = conn.outbox().chunks().flatten().copied().collect();
//! assert_eq!(written, b"\x81\x05Hello");
//! conn.advance(&mut cx, written.len());
//! # Ok::<(), tidewire_proto::SendError>(())
//! ```
//!
//! # Where each clause is obeyed
//!
//! | clause | where |
//! |---|---|
//! | RFC 6455 §3, URIs | [`uri`] |
//! | §4.1, §4.2, §4.4, §9.1, §11.3, the opening handshake; RFC 8441 §4, §5 | [`handshake`], with a table of its own |
//! | §5.1, who masks; §5.4, order of fragments; §10.4, limits | [`Connection::receive`], [`Limits`] |
//! | §5.2, lengths, opcodes, reserved bits; §5.5, control frames | [`FrameHeader::decode`] |
//! | §5.3, §10.3, masking keys | [`mask`], [`MaskSource`] |
//! | §5.5.1, §7.1, the closing handshake, who ends TCP, 1005 and 1006 | [`ReadyState`], [`Transport`], [`Outcome`] |
//! | §5.5.2, §5.5.3, Pings and Pongs | [`Event::Ping`], [`Outbox`] |
//! | §5.6, §8.1, UTF-8, while it arrives | [`Text`], [`ProtocolViolation::InvalidUtf8`] |
//! | §7.1.7, to _Fail the WebSocket Connection_ | [`Failure`], [`ProtocolViolation`] |
//! | §7.4, close codes | [`CloseCode`], [`CloseFrame`] |
//! | RFC 7692 §5, §7.1, negotiation | `DeflateConfig` |
//! | RFC 7692 §6, §7.2, §8, compressed messages | [`Connection`], [`Outgoing::uncompressed`] |
//!
//! # Features
//!
//! `std` (default) only speeds up: httparse and simdutf8 detect the CPU. `deflate` (default) adds
//! permessage-deflate and implies `std`. With neither, the crate is `no_std` with `alloc`.
#![forbid(unsafe_code)]
#![cfg_attr(not(any(feature = "std", test)), no_std)]

extern crate alloc;

mod assembly;
mod buffer;
mod buffer_pool;
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
mod sharing;
mod time;
mod token;
pub mod uri;
mod utf8;

pub use buffer::MessageBuf;
pub use buffer_pool::BufferPool;
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
pub use outbox::{Chunks, Front, Outbox};
pub use prepared::Prepared;
pub use receiving::{Event, Fragment};
pub use time::Timestamp;
