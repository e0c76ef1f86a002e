//! The servers that can be measured: those in this workspace, and any command with a port.

use std::{net::SocketAddr, path::Path, process::Command};

use crate::{Result, traffic::Speaks};

/// A server to measure.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) name: String,
    pub(crate) speaks: Speaks,
    start: Start,
}

#[derive(Debug, Clone)]
enum Start {
    /// A binary of this workspace.
    Own { package: &'static str, binary: &'static str, arguments: &'static [&'static str] },
    /// Somebody else's command, where `{addr}` or `{port}` stands for where to listen.
    Command(Vec<String>),
}

const PEERS: &str = "tidewire-bench-peers";
const OURS: &str = "tidewire-bench-ours";

/// Name, package, binary, its arguments.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str]);

/// In the order in which they appear in a report.
const KNOWN: &[Row] = &[
    (RAW_EPOLL, PEERS, "raw_epoll", &[]),
    (RAW_TOKIO, PEERS, "raw_tokio", &[]),
    ("proto-epoll", OURS, "proto_epoll", &[]),
    ("tidewire", OURS, "tidewire_echo", &[]),
    ("tokio-tungstenite", PEERS, "peer_tokio_tungstenite", &[]),
    ("tokio-tungstenite-tuned", PEERS, "peer_tokio_tungstenite", &["tuned"]),
    ("fastwebsockets", PEERS, "peer_fastwebsockets", &[]),
    ("tokio-websockets", PEERS, "peer_tokio_websockets", &[]),
    ("yawc", PEERS, "peer_yawc", &[]),
    ("yawc-batched", PEERS, "peer_yawc", &["batched"]),
    ("sockudo-ws", PEERS, "peer_sockudo_ws", &[]),
    ("sockudo-ws-batched", PEERS, "peer_sockudo_ws", &["batched"]),
];

pub(crate) const RAW_EPOLL: &str = "raw-epoll";
const RAW_TOKIO: &str = "raw-tokio";

impl Candidate {
    /// All servers of this workspace.
    pub(crate) fn known() -> Vec<Self> {
        KNOWN.iter().map(Self::from_row).collect()
    }

    /// The server of this workspace that has this name.
    pub(crate) fn named(name: &str) -> Result<Self> {
        KNOWN.iter().find(|row| row.0 == name).map(Self::from_row).ok_or_else(|| {
            let names: Vec<_> = KNOWN.iter().map(|row| row.0).collect();
            format!("no server is named `{name}`; there are {}", names.join(", ")).into()
        })
    }

    /// `NAME=COMMAND`, a WebSocket echo server of any origin.
    pub(crate) fn from_command(text: &str) -> Result<Self> {
        let (name, command) = text.split_once('=').ok_or("--server wants NAME=COMMAND")?;
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        if !words.iter().any(|word| word.contains("{addr}") || word.contains("{port}")) {
            return Err("a --server command must say where {addr} or {port} goes".into());
        }
        Ok(Self { name: name.to_owned(), speaks: Speaks::WebSocket, start: Start::Command(words) })
    }

    fn from_row(&(name, package, binary, arguments): &Row) -> Self {
        let speaks =
            if matches!(name, RAW_EPOLL | RAW_TOKIO) { Speaks::Raw } else { Speaks::WebSocket };
        Self { name: name.to_owned(), speaks, start: Start::Own { package, binary, arguments } }
    }

    /// The command that makes it listen on `addr`.
    pub(crate) fn command_line(&self, addr: SocketAddr) -> Result<Vec<String>> {
        Ok(match &self.start {
            Start::Own { binary, arguments, .. } => {
                let program = std::env::current_exe()?.with_file_name(binary);
                let mut words = vec![program.to_string_lossy().into_owned(), addr.to_string()];
                words.extend(arguments.iter().map(|&argument| argument.to_owned()));
                words
            }
            Start::Command(words) => words
                .iter()
                .map(|word| {
                    word.replace("{addr}", &addr.to_string())
                        .replace("{port}", &addr.port().to_string())
                })
                .collect(),
        })
    }
}

/// Builds those of `candidates` that belong to this workspace, beside this very binary.
pub(crate) fn build(candidates: &[Candidate]) -> Result<()> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    // Package by package: cargo unifies the features of what is built together, and no server
    // should run with features that only another one asked for.
    for package in [PEERS, OURS] {
        let mut command = Command::new("cargo");
        command.args(["build", "--release", "--manifest-path"]).arg(&manifest);
        command.args(["--package", package]);
        let mut wanted = false;
        for candidate in candidates {
            if let Start::Own { package: its, binary, .. } = candidate.start
                && its == package
            {
                command.args(["--bin", binary]);
                wanted = true;
            }
        }
        if wanted && !command.status()?.success() {
            return Err(format!("cargo could not build the servers of {package}").into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_gets_its_address() {
        let addr = "127.0.0.1:9001".parse().unwrap();
        let candidate = Candidate::from_command("mine=./mine --port {port} --on {addr}").unwrap();
        assert_eq!(
            candidate.command_line(addr).unwrap(),
            ["./mine", "--port", "9001", "--on", "127.0.0.1:9001"]
        );
        assert!(Candidate::from_command("mine=./mine").is_err());
        assert!(Candidate::from_command("./mine {addr}").is_err());
    }
}
