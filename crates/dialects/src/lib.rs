//! What sessions speak: codecs between wire formats and the words of `tidewire-hub`, and nothing else.
//! No session is known here, no channel, no permission; no I/O happens, and nothing that came from
//! outside makes it panic.
//!
//! - [`centrifuge`]: the Centrifugo client protocol, version 2, in JSON.
//! - [`json`]: payloads, checked and minified once.
#![forbid(unsafe_code)]

pub mod centrifuge;
pub mod json;
