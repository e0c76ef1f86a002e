//! The library from outside, mostly over pipes and virtual time.
#![cfg(test)]
#![allow(unreachable_pub, missing_docs, reason = "a test binary has no outside")]

mod corking;
mod halves;
mod lifecycle;
mod pipe;
mod streaming;
