//! Configuration: one file, environment variables over it, flags over those.
//!
//! Every option stands in `options.rs`, with its type, its default and its documentation, once. A file
//! is read with the places of everything in it, so that whatever is wrong is told with line and option; and all
//! of it at once. What is wrong is refused whole: there is no half of a configuration.
//!
//! ```
//! use tidewire_server::config::Sources;
//!
//! let sources = Sources::new().file("tidewire.toml", "log.level = 'debug'");
//! let settings = sources.load(|path| std::fs::read_to_string(path))?;
//! # Ok::<(), tidewire_server::config::ConfigError>(())
//! ```

mod check;
mod convert;
mod keys;
mod load;
mod measures;
mod options;
mod print;
mod problem;
mod scalar;
mod setting;
mod suggest;
#[cfg(test)]
mod tests;
mod words;

pub use load::{Settings, Sources};
pub use measures::{Size, parse_duration};
pub use options::{
    Api, ChannelSettings, Channels, Client, EngineOptions, Http, Log, Operator, Options, Token,
    TokenKey,
};
pub use problem::ConfigError;
pub use scalar::OriginText;
pub use setting::List;
pub use words::{LogFormat, LogLevel};
