//! What the fuzz targets share, and the targets themselves: one module each, a function from bytes
//! to a panic. `fuzz_targets/` hands libFuzzer's bytes in; `tests/` replays the seeds on any compiler.
//!
//! The oracles share no code with what they judge: a frame decoder over a whole byte string, a head
//! parser that splits lines, a reader of JSON by its grammar, a listener that knows what a session may be told, another
//! implementation of DEFLATE, the standard library's UTF-8.
#![forbid(unsafe_code)]

pub mod centrifuge_json;
pub mod connection;
pub mod driver;
pub mod frames;
pub mod handshake_client;
pub mod handshake_pair;
pub mod handshake_server;
pub mod inflate;
pub mod json;
pub mod miniz;
pub mod model;
pub mod negotiation;
pub mod operations;
pub mod pair;
pub mod settings;
pub mod shard;
pub mod wire;

/// A target by its name.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, as `fuzz_targets/` and `seeds/` name them.
pub const TARGETS: [Target; 11] = [
    ("centrifuge_json", centrifuge_json::run),
    ("connection", connection::run),
    ("frames", frames::run),
    ("handshake_client", handshake_client::run),
    ("handshake_pair", handshake_pair::run),
    ("handshake_server", handshake_server::run),
    ("inflate", inflate::run),
    ("negotiation", negotiation::run),
    ("operations", operations::run),
    ("pair", pair::run),
    ("shard", shard::run),
];

/// The entry point of a fuzz target; without libFuzzer, a program that replays the files it is given.
#[macro_export]
macro_rules! target {
    ($run:path) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $run(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            for path in std::env::args_os().skip(1) {
                $run(&std::fs::read(path)?);
            }
            Ok(())
        }
    };
}
