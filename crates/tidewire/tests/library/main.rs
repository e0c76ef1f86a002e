//! The library from outside, mostly over pipes and virtual time.
#![cfg(test)]
#![allow(unreachable_pub, missing_docs, reason = "a test binary has no outside")]

#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "tls")]
mod certificates;
mod connecting;
mod corking;
#[cfg(any(feature = "http2", feature = "hyper"))]
mod extended;
mod halves;
#[cfg(feature = "http2")]
mod http2;
#[cfg(feature = "hyper")]
mod hyper;
mod lifecycle;
#[cfg(feature = "hyper")]
mod openings;
mod pipe;
mod proxies;
mod raw;
mod reconnecting;
mod streaming;
#[cfg(feature = "tls")]
mod tls;
