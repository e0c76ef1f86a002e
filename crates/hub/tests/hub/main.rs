//! A shard from outside: what goes in, and what comes of it.
#![cfg(test)]

mod application;
mod basics;
mod broker;
mod chores;
mod commands;
mod contract;
mod deadlines;
mod failures;
mod holding;
mod interleaving;
mod limits;
mod overrides;
mod world;
