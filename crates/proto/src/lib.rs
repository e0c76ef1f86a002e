//! One WebSocket connection as a value: bytes and time in, bytes and events out.
#![forbid(unsafe_code)]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod buffer;
mod close;
mod context;
mod error;
pub mod extension;
mod limits;
mod opcode;
mod time;
mod token;

pub use buffer::{BufferPool, MessageBuf};
pub use close::{CloseCode, CloseFrame, CloseReason};
pub use context::{Context, MaskSource};
pub use error::{LimitExceeded, ProtocolViolation, SendError};
pub use limits::{Limits, Timeouts};
pub use opcode::{Kind, OpCode, Role};
pub use time::Timestamp;
