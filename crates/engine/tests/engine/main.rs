//! The engine over real sockets, on every backend there is.
#![cfg(test)]
#![cfg(target_os = "linux")]
#![allow(unreachable_pub, missing_docs, reason = "a test binary has no outside")]

/// Makes a test of each of these functions on each backend.
macro_rules! on_every_io {
    ($($test:ident,)+) => {
        mod epoll {
            $(#[test]
            fn $test() {
                super::$test(tidewire_engine::Io::Epoll);
            })+
        }

        mod uring {
            $(#[test]
            fn $test() {
                if crate::server::allows_uring() {
                    super::$test(tidewire_engine::Io::Uring);
                }
            })+
        }
    };
}

mod client;
mod ends;
mod exhausted;
mod messages;
mod openings;
mod plane;
mod server;
mod slow;
mod stopping;
