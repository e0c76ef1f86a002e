//! The centrifuge dialect from outside: frames in, lines out, and what holds for all of them.
#![cfg(test)]

mod commands;
mod lines;
mod properties;
