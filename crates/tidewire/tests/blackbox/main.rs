//! The built programs from outside: raw bytes over TCP, and what the process does then.
//!
//! Nothing of the library is used here, so that a mistake in it cannot hide itself: requests and
//! frames are written and read by code of their own.
#![cfg(test)]
#![allow(unreachable_pub, missing_docs, reason = "a test binary has no outside")]

mod chat;
mod closing;
mod frames;
mod handshake;
mod peer;
mod program;

#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod process;
