//! Everything of the realtime server that touches the world: listeners, transports, tokens, the API, pages.
//!
//! HTTP is the control plane, on tokio and hyper; everything after a `101` is the data plane, on the
//! engine. [`node`] is the threads on which sessions live, [`web`] the way in.
//!
//! This is for Linux, as the engine is. Nothing here knows the command line, and nothing here ends the
//! process.
#![forbid(unsafe_code)]

pub mod config;
pub mod demo;
pub mod door;
mod listen;
pub mod node;
pub mod web;

pub use listen::{ListenError, Listeners};
pub use tidewire_engine::{Io, UnknownIo};

/// The examples of the README are compiled too.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
