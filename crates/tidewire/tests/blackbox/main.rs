//! The built programs from outside: raw bytes over TCP, and what the process does then.
//!
//! Nothing of the library is used here, so that a mistake in it cannot hide itself: requests and
//! frames are written and read by code of their own.
#![cfg(test)]
#![allow(unreachable_pub, missing_docs, reason = "a test binary has no outside")]

/// Makes a test of each of these functions on each echo server there is.
macro_rules! on_every_server {
    ($($test:ident,)+) => {
        mod library {
            $(#[test]
            fn $test() {
                super::$test(crate::program::Echo::Library);
            })+
        }

        #[cfg(target_os = "linux")]
        mod engine {
            $(#[test]
            fn $test() {
                super::$test(crate::program::Echo::Engine("epoll"));
            })+
        }
    };
}

/// The same, and on the engine's best backend too: for what is about sockets and memory.
macro_rules! on_every_backend {
    ($($test:ident,)+) => {
        on_every_server! {
            $($test,)+
        }

        #[cfg(target_os = "linux")]
        mod uring {
            $(#[test]
            fn $test() {
                super::$test(crate::program::Echo::Engine("auto"));
            })+
        }
    };
}

mod chat;
mod closing;
mod frames;
mod handshake;
mod peer;
mod program;

#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod process;
