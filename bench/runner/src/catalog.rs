//! The servers that can be measured: those in this workspace, and any command with a port.

use std::net::SocketAddr;

use crate::{Result, load::traffic::Speaks, task::Task};

/// A server to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) name: String,
    pub(crate) speaks: Speaks,
    pub(crate) start: Start,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// A binary of this workspace.
    Own { package: &'static str, binary: &'static str, arguments: &'static [&'static str] },
    /// Somebody else's command, where `{addr}` or `{port}` stands for where to listen.
    Command(Vec<String>),
}

/// Name, package, binary, its arguments after the address, what it is measured at.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str], &'static [Task]);

const PEERS: &str = "tidewire-bench-peers";
const OURS: &str = "tidewire-bench-ours";

const ECHO: &[Task] = &[Task::Echo];
const FANOUT: &[Task] = &[Task::Fanout];
/// Those whose opening handshake is their own: for the others here, the load's word is believed.
const ECHO_AND_HANDSHAKES: &[Task] = &[Task::Echo, Task::Handshakes];

/// In the order in which they appear in a report.
const KNOWN: &[Row] = &[
    ("raw-epoll", PEERS, "raw_epoll", &[], ECHO_AND_HANDSHAKES),
    ("raw-send-epoll", PEERS, "raw_send_epoll", &[], FANOUT),
    ("raw-send-epoll-each", PEERS, "raw_send_epoll", &["each"], FANOUT),
    ("raw-tokio", PEERS, "raw_tokio", &[], ECHO_AND_HANDSHAKES),
    ("proto-epoll", OURS, "proto_epoll", &[], ECHO),
    ("tidewire", OURS, "tidewire_echo", &[], ECHO_AND_HANDSHAKES),
    ("tidewire", OURS, "tidewire_broadcast", &[], FANOUT),
    ("tokio-tungstenite", PEERS, "peer_tokio_tungstenite", &[], ECHO_AND_HANDSHAKES),
    ("tokio-tungstenite", PEERS, "broadcast_tokio_tungstenite", &[], FANOUT),
    ("tokio-tungstenite-tuned", PEERS, "peer_tokio_tungstenite", &["tuned"], ECHO),
    ("fastwebsockets", PEERS, "peer_fastwebsockets", &[], ECHO),
    ("fastwebsockets", PEERS, "broadcast_fastwebsockets", &[], FANOUT),
    ("tokio-websockets", PEERS, "peer_tokio_websockets", &[], ECHO_AND_HANDSHAKES),
    ("yawc", PEERS, "peer_yawc", &[], ECHO),
    ("yawc-batched", PEERS, "peer_yawc", &["batched"], ECHO),
    ("sockudo-ws", PEERS, "peer_sockudo_ws", &[], ECHO),
    ("sockudo-ws-batched", PEERS, "peer_sockudo_ws", &["batched"], ECHO),
];

/// The servers that know no protocol.
const RAW: &[&str] = &["raw-epoll", "raw-tokio", "raw-send-epoll", "raw-send-epoll-each"];

impl Candidate {
    /// All servers of this workspace that can do `task`.
    pub(crate) fn known(task: Task) -> Vec<Self> {
        let task = task.served_as();
        KNOWN.iter().filter(|row| row.4.contains(&task)).map(Self::from_row).collect()
    }

    /// Whether any server of this workspace has this name.
    pub(crate) fn check_name(name: &str) -> Result<()> {
        if KNOWN.iter().any(|row| row.0 == name) {
            return Ok(());
        }
        let mut names: Vec<_> = KNOWN.iter().map(|row| row.0).collect();
        names.dedup();
        Err(format!("no server is named `{name}`; there are {}", names.join(", ")).into())
    }

    /// `NAME=COMMAND`, a WebSocket server of any origin.
    pub(crate) fn from_command(text: &str) -> Result<Self> {
        let (name, command) = text.split_once('=').ok_or("--server wants NAME=COMMAND")?;
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        if !words.iter().any(|word| word.contains("{addr}") || word.contains("{port}")) {
            return Err("a --server command must say where {addr} or {port} goes".into());
        }
        Ok(Self { name: name.to_owned(), speaks: Speaks::WebSocket, start: Start::Command(words) })
    }

    fn from_row(&(name, package, binary, arguments, _): &Row) -> Self {
        let speaks = if RAW.contains(&name) { Speaks::Raw } else { Speaks::WebSocket };
        Self { name: name.to_owned(), speaks, start: Start::Own { package, binary, arguments } }
    }

    /// The command that makes it listen on `addr`.
    pub(crate) fn command_line(&self, addr: SocketAddr) -> Result<Vec<String>> {
        let words = match &self.start {
            Start::Own { binary, arguments, .. } => {
                let program = std::env::current_exe()?.with_file_name(binary);
                let mut words = vec![program.to_string_lossy().into_owned(), "{addr}".to_owned()];
                words.extend(arguments.iter().map(|&argument| argument.to_owned()));
                words
            }
            Start::Command(words) => words.clone(),
        };
        let fill = |word: String| {
            word.replace("{addr}", &addr.to_string()).replace("{port}", &addr.port().to_string())
        };
        Ok(words.into_iter().map(fill).collect())
    }
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

    #[test]
    fn every_task_has_a_reference_and_no_name_twice() {
        for &task in Task::ALL {
            let names: Vec<String> =
                Candidate::known(task).into_iter().map(|candidate| candidate.name).collect();
            for (place, name) in names.iter().enumerate() {
                assert!(!names[..place].contains(name), "{}: {name} twice", task.name());
            }
            for scenario in task.scenarios() {
                let references = task.references(&scenario.parse().unwrap());
                for reference in references {
                    assert!(names.iter().any(|name| name == reference), "{scenario}: {reference}");
                }
            }
        }
    }
}
