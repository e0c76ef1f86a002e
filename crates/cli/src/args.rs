//! The command line.

use std::{net::SocketAddr, num::NonZeroU8, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use tidewire::{
    Proxy,
    proto::{handshake::ClientRequest, uri::Uri},
};
use tidewire_server::Io;

use crate::{
    config::{Check, Config},
    token::Token,
};

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
    /// Serve channels to clients; with --dev, openly, for trying things out.
    Serve(Serve),
    /// Connect to a WebSocket server: lines in, messages out.
    Connect(Connect),
    /// Make tokens for clients, and look into them.
    Token(Token),
    /// Check a configuration, without starting anything.
    Check(Check),
    /// Print every option with its default and what it is for.
    Config(Config),
}

#[derive(Debug, Args)]
#[command(after_help = "\
The first line on standard output is the address as a URL; the log goes to standard error. The last is
that of /metrics, if there are any.
SIGTERM or Ctrl-C tells all clients to reconnect elsewhere, and ends the program; a second one ends it at
once.

Clients of the centrifuge protocol connect to /connection/websocket, or without WebSocket to
/connection/sse and /connection/http_stream. The application publishes by POST to /api/….

With --dev everything is open, and there is a chat room at /. A browser gets a page to chat with. A WebSocket is in the
room: the text that it sends reaches everybody as `User: <text>`, so that a bare page with
`new WebSocket('ws://localhost:8080')` works as it is, opened from a file too.

Examples:
  tidewire serve --dev
  tidewire serve --dev --listen 127.0.0.1:0
  tidewire serve --dev --listen 0.0.0.0:8080     everybody on your network can join
  tidewire serve --config tidewire.toml")]
pub(crate) struct Serve {
    /// Serve the open chat: any Origin, no passwords, for trying things out.
    #[arg(long)]
    pub(crate) dev: bool,
    /// The configuration; without it, and without --dev, everything has its default and nobody may do
    /// anything. The environment goes over it (`TIDEWIRE_LOG_LEVEL` is log.level), flags go over that.
    #[arg(long, value_name = "FILE", conflicts_with = "dev")]
    pub(crate) config: Option<PathBuf>,
    /// Listen on this address and port instead of those configured, or localhost:8080; repeat it for
    /// several.
    #[arg(long = "listen", value_name = "ADDR", value_parser = address)]
    pub(crate) addresses: Vec<SocketAddr>,
    /// Answer /health and /metrics on this address and port; repeat it for several. With --dev nowhere, unless
    /// this says where.
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) operator: Vec<SocketAddr>,
    /// Threads on which sessions live. By default, one for each core.
    #[arg(long, value_name = "COUNT")]
    pub(crate) threads: Option<NonZeroU8>,
    /// What the event loops are built on: uring, epoll, or auto for uring where the kernel
    /// allows it.
    #[arg(long, value_name = "IO")]
    pub(crate) io: Option<Io>,
    /// Spread a stop over so many seconds: clients are told one after another to reconnect elsewhere, so
    /// that they do not all come there at once.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub(crate) drain: Option<u64>,
    /// How much to log. By default: info.
    #[arg(long, value_name = "LEVEL", value_enum)]
    pub(crate) log: Option<Level>,
    /// How a line of the log looks: text for people, json for programs.
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) log_format: Option<Format>,
}

impl Serve {
    /// What a bare `tidewire` is.
    pub(crate) const fn dev() -> Self {
        Self {
            dev: true,
            config: None,
            addresses: Vec::new(),
            operator: Vec::new(),
            threads: None,
            io: None,
            drain: None,
            log: None,
            log_format: None,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Each line of standard input is sent as a text message. Text that arrives is printed as it is, binary
as hex. What is not a message goes to standard error: that it is connected, and how it ended.

The end of the input (Ctrl-D) closes with 1000. Messages that arrive before the server's own Close
are still printed: from an echo, the answer to the last line. For a server that answers later,
--wait keeps the connection until nothing has arrived for so long.

Without --proxy, the environment says which proxy to use: http_proxy, https_proxy, all_proxy and
no_proxy, as elsewhere.

With --json, each line is one object, both ways. You may write
  {\"type\":\"text\",\"text\":\"hello\"}
  {\"type\":\"binary\",\"hex\":\"00ff\"}
  {\"type\":\"close\",\"code\":1000,\"reason\":\"bye\"}     code and reason may be left out
and read, besides `text` and `binary` in the same form,
  {\"type\":\"open\",\"url\":\"ws://…\",\"subprotocol\":null,\"deflate\":false}
  {\"type\":\"latency\",\"ms\":0.42}                     with --ping
  {\"type\":\"close\",\"code\":1000,\"reason\":\"\",\"clean\":true}
  {\"type\":\"error\",\"message\":\"…\",\"status\":403,\"body\":\"…\"}

Exit status: 0 if the connection was closed in order with 1000, 1001 or no code; 2 if the command
line was wrong; 1 for everything else, a refused handshake for instance.

Examples:
  tidewire connect ws://localhost:8080/
  echo hello | tidewire connect --wait 1 ws://localhost:8080/
  tidewire connect --header 'Authorization: Bearer …' --subprotocol chat.v1 wss://example.com/feed")]
pub(crate) struct Connect {
    /// Where to: ws://host:port/path, or wss:// for TLS.
    #[arg(value_parser = url)]
    pub(crate) url: String,
    /// Add a header to the request, as in 'Name: value'; repeat it for several.
    #[arg(long = "header", short = 'H', value_name = "HEADER", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
    /// Offer a subprotocol; repeat it for several, the one you like best first.
    #[arg(long = "subprotocol", value_name = "NAME", value_parser = subprotocol)]
    pub(crate) subprotocols: Vec<String>,
    /// Say which page connects, as a browser would: an origin, or null.
    #[arg(long, value_parser = origin)]
    pub(crate) origin: Option<String>,
    /// Take any certificate: anybody in between can read and change everything.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Offer to compress messages (permessage-deflate). Not by default: it costs time and memory, and
    /// the length of what is compressed can tell about secrets in it.
    #[arg(long)]
    pub(crate) deflate: bool,
    /// Connect through this proxy: http://, https:// or socks5://, with user:password@ before the
    /// host where it wants to know you.
    #[arg(long, value_name = "URL", value_parser = Proxy::new)]
    pub(crate) proxy: Option<Proxy>,
    /// Follow up to so many redirects; none leads from wss:// to ws://.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) redirects: usize,
    /// Ping after so many seconds of silence, give up after as many without an answer, and tell
    /// the round trip.
    #[arg(long, value_name = "SECONDS", value_parser = seconds())]
    pub(crate) ping: Option<u64>,
    /// After the end of the input, close only when nothing has arrived for so long.
    #[arg(long, value_name = "SECONDS", value_parser = seconds())]
    pub(crate) wait: Option<u64>,
    /// One JSON object in each line, both ways: for scripts.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Connect {
    /// Where to; shown without its user and password.
    pub(crate) fn uri(&self) -> Uri {
        #[expect(clippy::expect_used, reason = "`url` has parsed it")]
        self.url.parse().expect("a URI")
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

impl Level {
    /// As the configuration has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

impl Format {
    /// As the configuration has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
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

fn seconds() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=86_400)
}

fn url(text: &str) -> Result<String, String> {
    match text.parse::<Uri>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write it as 'Name: value'")?;
    let (name, value) = (name.trim_end(), value.trim());
    request().header(name, value).map_err(|error| error.to_string())?;
    Ok((name.to_owned(), value.to_owned()))
}

fn origin(text: &str) -> Result<String, String> {
    header(&format!("Origin: {text}")).map(|(_, value)| value)
}

fn subprotocol(text: &str) -> Result<String, String> {
    request().subprotocol(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

/// A request to try things on.
fn request() -> ClientRequest {
    #[expect(clippy::expect_used, reason = "a constant")]
    ClientRequest::new("ws://host/".parse().expect("a URI"))
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
