//! The memory broker: the suite that every broker passes, its own limits, and a naive model.
#![cfg(test)]

mod conformance;
mod limits;
mod model;
mod subject;
