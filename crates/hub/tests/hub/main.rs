//! A shard from outside: what goes in, and what comes of it.
#![cfg(test)]

mod basics;
mod broker;
mod chores;
mod contract;
mod interleaving;
mod world;
