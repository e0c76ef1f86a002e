//! JSON as all text dialects need it: payloads checked and minified once, objects written straight
//! into what is sent, and fields read as lenient as the protocols of JSON have them.

mod minify;
mod read;
mod write;

pub use minify::{InvalidJson, PAYLOAD_DEPTH_MAX, payload};

pub(crate) use read::{Present, Record, Text, base64_data, body, data, or_default, present};
pub(crate) use write::{Object, push_text};
