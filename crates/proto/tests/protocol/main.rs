//! The protocol from outside: what an endpoint answers to bytes and to time.
#![cfg(test)]
#![allow(unreachable_pub, missing_docs, reason = "a test binary has no outside")]
#![allow(clippy::field_reassign_with_default, reason = "a Config is made by changing its default")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::decimal_bitwise_operands,
    reason = "test patterns wrap"
)]

mod closing;
mod common;
// Windows of 32 KiB, and bombs: Miri would interpret the compressor for an hour.
#[cfg(all(feature = "deflate", not(miri)))]
mod compression;
mod frames;
