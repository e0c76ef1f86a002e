//! The servers that can be measured: those in this workspace, and any command with a port.

use std::{net::SocketAddr, path::PathBuf};

use Program::{Bun, Node, Ours, Peer, Tidewire};

use crate::{Result, load::traffic::Speaks, setup, task::Task};

/// A server to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) name: String,
    pub(crate) speaks: Speaks,
    pub(crate) start: Start,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    Known {
        program: Program,
        arguments: Arguments,
    },
    /// Somebody else's command, in which `{addr}` or `{port}` stands for where to listen, `{cert}`
    /// and `{key}` for the files of a certificate.
    Command(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// A binary of `peers`.
    Peer(&'static str),
    /// A binary of `ours`.
    Ours(&'static str),
    /// The program of this project, as it is shipped.
    Tidewire,
    /// A script for node in `peers/node`.
    Node(&'static str),
    /// A script for Bun in `peers/node`.
    Bun(&'static str),
}

/// What follows the address.
type Arguments = &'static [&'static str];

/// Name, program, arguments, what it is measured at. A server may have several rows, one for each
/// way to start it.
type Row = (&'static str, Program, Arguments, &'static [Task]);

const ECHO: &[Task] = &[Task::Echo];
const FANOUT: &[Task] = &[Task::Fanout];
const DEFLATE: &[Task] = &[Task::Deflate];
const DEFLATE_TAKEOVER: &[Task] = &[Task::DeflateTakeover];
/// For a server that does what its client asks for.
const DEFLATE_EITHER_WAY: &[Task] = &[Task::Deflate, Task::DeflateTakeover];
const TLS: &[Task] = &[Task::Tls];
const ONE_THREAD_OF_EPOLL: Arguments = &["--io", "epoll", "--threads", "1"];
const ONE_THREAD_OF_EPOLL_DEFLATE: Arguments = &["--io", "epoll", "--threads", "1", "--deflate"];
/// With as large a window as the others here, so that as many bytes come back.
const ONE_THREAD_OF_EPOLL_WIDE: Arguments =
    &["--io", "epoll", "--threads", "1", "--window-bits", "15"];
const ONE_THREAD_OF_EPOLL_TLS: Arguments =
    &["--io", "epoll", "--threads", "1", "--tls", "{cert}", "{key}"];
const ONE_THREAD_OF_URING: Arguments = &["--io", "uring", "--threads", "1"];
const ONE_THREAD_OF_URING_DEFLATE: Arguments = &["--io", "uring", "--threads", "1", "--deflate"];
const ONE_THREAD_OF_URING_WIDE: Arguments =
    &["--io", "uring", "--threads", "1", "--window-bits", "15"];
const ONE_THREAD_OF_URING_TLS: Arguments =
    &["--io", "uring", "--threads", "1", "--tls", "{cert}", "{key}"];
const CERTIFICATE: Arguments = &["tls", "{cert}", "{key}"];
/// Those whose opening handshake is their own: for the others here, the load's word is believed.
const ECHO_AND_HANDSHAKES: &[Task] = &[Task::Echo, Task::Handshakes];
const RAW_ECHO: &[Task] = &[
    Task::Echo,
    Task::Handshakes,
    Task::ServerPublish,
    Task::ServerPublishSpread,
    Task::ServerSessions,
    Task::ServerStorm,
    Task::ServerIdle,
    Task::ServerIdleOwn,
];
const FANOUT_OF_ANY_KIND: &[Task] = &[Task::Fanout, Task::ServerFanout];
const SESSIONS: &[Task] = &[
    Task::ServerFanout,
    Task::ServerPublish,
    Task::ServerPublishSpread,
    Task::ServerSessions,
    Task::ServerStorm,
    Task::ServerIdle,
    Task::ServerIdleOwn,
];

/// In the order in which they appear in a report.
const KNOWN: &[Row] = &[
    ("raw-epoll", Peer("raw_epoll"), &[], RAW_ECHO),
    ("raw-send-epoll", Peer("raw_send_epoll"), &[], FANOUT_OF_ANY_KIND),
    ("raw-send-epoll-each", Peer("raw_send_epoll"), &["each"], FANOUT),
    ("raw-uring", Peer("raw_uring"), &[], ECHO_AND_HANDSHAKES),
    ("raw-send-uring", Peer("raw_uring"), &["broadcast"], FANOUT),
    ("raw-tokio", Peer("raw_tokio"), &[], ECHO_AND_HANDSHAKES),
    ("proto-epoll", Ours("proto_epoll"), &[], ECHO),
    ("engine-epoll", Ours("engine_echo"), ONE_THREAD_OF_EPOLL, ECHO_AND_HANDSHAKES),
    ("engine-epoll", Ours("engine_broadcast"), ONE_THREAD_OF_EPOLL, FANOUT_OF_ANY_KIND),
    ("engine-epoll", Ours("engine_echo"), ONE_THREAD_OF_EPOLL_TLS, TLS),
    ("engine-epoll", Ours("engine_echo"), ONE_THREAD_OF_EPOLL_DEFLATE, DEFLATE_EITHER_WAY),
    ("engine-epoll-15", Ours("engine_echo"), ONE_THREAD_OF_EPOLL_WIDE, DEFLATE_TAKEOVER),
    ("engine-uring", Ours("engine_echo"), ONE_THREAD_OF_URING, ECHO_AND_HANDSHAKES),
    ("engine-uring", Ours("engine_broadcast"), ONE_THREAD_OF_URING, FANOUT),
    ("engine-uring", Ours("engine_echo"), ONE_THREAD_OF_URING_TLS, TLS),
    ("engine-uring", Ours("engine_echo"), ONE_THREAD_OF_URING_DEFLATE, DEFLATE_EITHER_WAY),
    ("engine-uring-15", Ours("engine_echo"), ONE_THREAD_OF_URING_WIDE, DEFLATE_TAKEOVER),
    ("tidewire", Ours("tidewire_echo"), &[], ECHO_AND_HANDSHAKES),
    ("tidewire", Ours("tidewire_broadcast"), &[], FANOUT),
    ("tidewire", Ours("tidewire_echo"), CERTIFICATE, TLS),
    ("tidewire", Ours("tidewire_echo"), &["deflate"], DEFLATE),
    ("tidewire", Ours("tidewire_echo"), &["deflate-takeover"], DEFLATE_TAKEOVER),
    ("tidewire-server", Tidewire, ONE_THREAD_OF_EPOLL, SESSIONS),
    ("tidewire-server-uring", Tidewire, ONE_THREAD_OF_URING, SESSIONS),
    ("tokio-tungstenite", Peer("peer_tokio_tungstenite"), &[], ECHO_AND_HANDSHAKES),
    ("tokio-tungstenite", Peer("broadcast_tokio_tungstenite"), &[], FANOUT),
    ("tokio-tungstenite-tuned", Peer("peer_tokio_tungstenite"), &["tuned"], ECHO),
    ("tokio-tungstenite-tuned", Peer("peer_tokio_tungstenite"), CERTIFICATE, TLS),
    ("fastwebsockets", Peer("peer_fastwebsockets"), &[], ECHO),
    ("fastwebsockets", Peer("broadcast_fastwebsockets"), &[], FANOUT),
    ("tokio-websockets", Peer("peer_tokio_websockets"), &[], ECHO_AND_HANDSHAKES),
    ("yawc", Peer("peer_yawc"), &[], ECHO),
    ("yawc-batched", Peer("peer_yawc"), &["batched"], ECHO),
    ("yawc", Peer("peer_yawc"), &["deflate"], DEFLATE),
    ("yawc", Peer("peer_yawc"), &["deflate-takeover"], DEFLATE_TAKEOVER),
    ("sockudo-ws", Peer("peer_sockudo_ws"), &[], ECHO),
    ("sockudo-ws-batched", Peer("peer_sockudo_ws"), &["batched"], ECHO),
    ("bun", Bun("bun.js"), &[], ECHO_AND_HANDSHAKES),
    ("bun", Bun("bun.js"), &["broadcast"], FANOUT),
    ("bun", Bun("bun.js"), CERTIFICATE, TLS),
    ("ws", Node("ws.js"), &[], ECHO_AND_HANDSHAKES),
    ("ws", Node("ws.js"), &["broadcast"], FANOUT),
    ("ws", Node("ws.js"), CERTIFICATE, TLS),
    ("ws", Node("ws.js"), &["deflate"], DEFLATE),
    ("ws", Node("ws.js"), &["deflate-takeover"], DEFLATE_TAKEOVER),
];

/// The servers that know no protocol.
const RAW: &[&str] = &[
    "raw-epoll",
    "raw-uring",
    "raw-tokio",
    "raw-send-epoll",
    "raw-send-epoll-each",
    "raw-send-uring",
];

/// Whose a server is, for a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// It knows no protocol.
    Raw,
    Ours,
    Peer,
}

/// The family of the server with this name; one that is not known here is somebody else's.
pub(crate) fn family(name: &str) -> Family {
    match KNOWN.iter().find(|row| row.0 == name) {
        Some(_) if RAW.contains(&name) => Family::Raw,
        Some((_, Ours(_) | Tidewire, ..)) => Family::Ours,
        _ => Family::Peer,
    }
}

impl Candidate {
    /// All servers of this workspace that can do `task`.
    pub(crate) fn known(task: Task) -> Vec<Self> {
        let task = task.served_as();
        KNOWN.iter().filter(|row| row.3.contains(&task)).map(Self::from_row).collect()
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

    fn from_row(&(name, program, arguments, _): &Row) -> Self {
        let speaks = match program {
            _ if RAW.contains(&name) => Speaks::Raw,
            Tidewire => Speaks::Centrifuge,
            _ => Speaks::WebSocket,
        };
        Self { name: name.to_owned(), speaks, start: Start::Known { program, arguments } }
    }

    /// The command that makes it listen on `addr`.
    pub(crate) fn command_line(&self, addr: SocketAddr) -> Result<Vec<String>> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let words = match &self.start {
            Start::Known { program, arguments } => {
                let mut words = match program {
                    Peer(binary) | Ours(binary) => {
                        vec![text(std::env::current_exe()?.with_file_name(binary))]
                    }
                    Tidewire => {
                        let mut words = vec![text(setup::program_of_the_project()?)];
                        words.extend(["serve", "--log", "error", "--config"].map(str::to_owned));
                        words.extend([text(setup::server_config()), "--listen".to_owned()]);
                        words
                    }
                    Node(script) => vec!["node".to_owned(), text(setup::node().join(script))],
                    Bun(script) => vec![text(setup::bun()), text(setup::node().join(script))],
                };
                words.push("{addr}".to_owned());
                words.extend(arguments.iter().map(|&argument| argument.to_owned()));
                words
            }
            Start::Command(words) => words.clone(),
        };
        let (certificate, key) = (text(setup::certificate_path()?), text(setup::key_path()?));
        let fill = |word: String| {
            word.replace("{addr}", &addr.to_string())
                .replace("{port}", &addr.port().to_string())
                .replace("{cert}", &certificate)
                .replace("{key}", &key)
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
