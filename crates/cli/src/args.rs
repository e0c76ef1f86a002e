//! The command line.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing::level_filters::LevelFilter;

#[derive(Debug, Parser)]
#[command(
    name = "tidewire",
    version,
    about = "WebSockets, right and fast: a chat to try them with, and a client for the terminal",
    after_help = "Without a command, tidewire is `tidewire serve --dev`: open the address that it \
                  prints in two tabs of a browser, and chat.\n\n\
                  Examples:\n  \
                  tidewire\n  \
                  tidewire connect ws://localhost:8080/\n  \
                  tidewire help connect"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve; with --dev, an open chat for trying things out.
    Serve(Serve),
}

#[derive(Debug, Args)]
#[command(after_help = "\
The first line on standard output is the address as a URL; the log goes to standard error.
SIGTERM or Ctrl-C closes every connection with 1001 and ends the program; a second one ends it at
once.

With --dev there is a chat room at /. A browser gets a page to chat with. A WebSocket is in the
room: the text that it sends reaches everybody as `User: <text>`, so that a bare page with
`new WebSocket('ws://localhost:8080')` works as it is, opened from a file too.

Examples:
  tidewire serve --dev
  tidewire serve --dev --listen 127.0.0.1:0
  tidewire serve --dev --listen 0.0.0.0:8080     everybody on your network can join")]
pub(crate) struct Serve {
    /// Serve the open chat: any Origin, no passwords, for trying things out.
    #[arg(long)]
    pub(crate) dev: bool,
    /// Listen on this address and port instead of localhost:8080; repeat it for several.
    #[arg(long = "listen", value_name = "ADDR", value_parser = address)]
    pub(crate) addresses: Vec<SocketAddr>,
    /// How much to log.
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = Level::Info)]
    pub(crate) log: Level,
}

impl Serve {
    /// What a bare `tidewire` is.
    pub(crate) const fn dev() -> Self {
        Self { dev: true, addresses: Vec::new(), log: Level::Info }
    }
}

/// The least important lines that a log shows.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "write an IP address and a port, as in 127.0.0.1:8080, [::1]:8080, or 0.0.0.0:8080 for \
         every IPv4 address of this machine; port 0 picks a free one"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn addresses_by_rule() {
        let cases: &[(&str, &str, bool)] = &[
            ("IPv4", "127.0.0.1:0", true),
            ("IPv6 in brackets", "[::1]:8080", true),
            ("IPv6 without brackets", "::1:8080", false),
            ("no port", "127.0.0.1", false),
            ("no number", "127.0.0.1:http", false),
            ("a name", "localhost:8080", false),
            ("a URL", "http://127.0.0.1:8080/", false),
        ];
        for (rule, text, good) in cases {
            assert_eq!(address(text).is_ok(), *good, "{rule}");
        }
    }
}
