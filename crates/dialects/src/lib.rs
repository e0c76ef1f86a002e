//! What sessions speak: codecs between wire formats and the words of `tidewire-hub`, and nothing else.
//! No session is known here, no channel, no permission; no I/O happens, and nothing that came from
//! outside makes it panic.
//!
//! - [`centrifuge`]: the Centrifugo client protocol, version 2, in JSON.
//! - [`api`]: the server API, in the JSON shapes of Centrifugo's HTTP API.
//! - [`json`]: payloads, checked and minified once.
#![forbid(unsafe_code)]

pub mod api;
pub mod centrifuge;
pub mod json;
