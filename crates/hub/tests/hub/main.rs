//! A shard from outside: what goes in, and what comes of it.
#![cfg(test)]
#![expect(dead_code, reason = "a world has more than each test needs")]

mod basics;
mod broker;
mod world;
