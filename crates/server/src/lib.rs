//! Listeners, pages and rooms: the part of tidewire that touches the world.
//!
//! So far there is [`dev`]: a server for trying things out, with a chat room at `/` and a page to
//! chat with. It is open to everybody who reaches it, and says so.
//!
//! HTTP is hyper's, on tokio; what happens after the `101` is the engine's, on threads of its own, and
//! so this is for Linux. Nothing here knows the command line, and nothing here ends the process.
#![forbid(unsafe_code)]

pub mod chat;
pub mod config;
pub mod dev;
pub mod door;
mod listen;
mod pages;

pub use listen::{ListenError, Listeners};
pub use tidewire_engine::{Io, UnknownIo};

/// The examples of the README are compiled too.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
