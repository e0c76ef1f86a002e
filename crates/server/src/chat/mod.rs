//! One open chat room.
//!
//! Clients come in two kinds and share the room. A *bare* one knows nothing but WebSocket: the
//! text that it sends reaches everybody, and it receives `Name: text`, with the name `User` for
//! what a bare client said. A *named* one speaks [`SUBPROTOCOL`], whose messages are in [`wire`]:
//! it has a name, and learns of joins and leaves, and of what was said before it came.
//!
//! The room is the handler of an engine, and one thread of it owns the room with all of its connections.
//!
//! Everything that a client can make grow has a bound in [`ChatLimits`]. A client that sends faster
//! than its pace is read more slowly; one that reads too slowly is closed with 1013.

mod deadlines;
mod handler;
mod history;
mod limits;
mod name;
mod pace;
mod room;
pub mod wire;

#[cfg(test)]
mod tests;

pub(crate) use handler::{Chat, Command, Guest};
pub use limits::ChatLimits;
pub use wire::SUBPROTOCOL;
