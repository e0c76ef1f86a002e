//! What is tested from outside: the built examples and the program, as processes.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::process::Guard;
use crate::step::{Desk, Step, Trouble};
use crate::workspace::Workspace;

const MINUTES: Duration = Duration::from_secs(60);
const START: Duration = Duration::from_secs(20);

/// Builds them, optimised as they are released.
pub(crate) fn build() -> Step {
    Step::new("release build", |desk| {
        let library = "cargo build --release -p tidewire --example echo --example echo_client";
        desk.line(library, 20 * MINUTES)?;
        let engine = "cargo build --release -p tidewire-engine --example engine_echo";
        desk.line(engine, 20 * MINUTES)?;
        desk.line("cargo build --release -p tidewire-cli", 20 * MINUTES)?;
        Ok(String::new())
    })
}

/// An echo server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Echo {
    /// The library's example.
    Library,
    /// The engine's, on the backend of this name.
    Engine(&'static str),
}

/// What the engine can be built on.
pub(crate) const ENGINES: [Echo; 2] = [Echo::Engine("epoll"), Echo::Engine("uring")];

impl Echo {
    /// As a command.
    pub(crate) fn command(self, workspace: &Workspace) -> Command {
        let mut command = match self {
            Self::Library => Command::new(workspace.target("release/examples/echo")),
            Self::Engine(io) => {
                let mut command = Command::new(workspace.target("release/examples/engine_echo"));
                command.args(["--io", io]);
                command
            }
        };
        command.arg("127.0.0.1:0");
        command
    }
}

/// The echo client's path.
pub(crate) fn echo_client(workspace: &Workspace) -> PathBuf {
    workspace.target("release/examples/echo_client")
}

/// The program, as a demo server that listens on `address`.
pub(crate) fn chat(workspace: &Workspace, address: &str) -> Command {
    let mut command = Command::new(workspace.target("release/tidewire"));
    command.args(["serve", "--dev", "--listen", address]);
    command
}

/// What the engine says where the kernel does not allow that.
const NO_URING: &str = "io_uring cannot be used here";

/// A server that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it listens: the first line that it printed.
    pub(crate) url: String,
    process: Guard,
}

impl Server {
    /// Starts `command` and waits until it listens.
    pub(crate) fn start(mut command: Command, desk: &Desk<'_>) -> Result<Self, Trouble> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(desk.open_log()?);
        let mut process = Guard::spawn(&mut command)?;
        let stdout = process.0.stdout.take().ok_or_else(|| "no output".to_owned())?;
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            // Read to the end, or the server's next line would wait for room in the pipe.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Only the first has a receiver.
                let _ = sender.send(line);
            }
        });
        let Ok(url) = receiver.recv_timeout(START) else {
            // Containers often forbid it, and that says nothing about us.
            let refused = desk.tail(usize::MAX).into_iter().rfind(|line| line.contains(NO_URING));
            return Err(refused.map_or_else(
                || {
                    let (program, within) = (command.get_program().display(), START.as_secs());
                    Trouble::Failed(format!("{program} told no address in {within} s"))
                },
                Trouble::NotChecked,
            ));
        };
        Ok(Self { url: url.trim().to_owned(), process })
    }

    /// Host and port of [`url`](Self::url).
    pub(crate) fn address(&self) -> &str {
        let after = self.url.split_once("://").map_or(&*self.url, |(_, after)| after);
        after.trim_end_matches('/')
    }

    /// Whether it is still there, which a server is after whatever a peer did to it.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.process.0.try_wait(), Ok(None))
    }
}

/// A certificate for the loopback addresses, signed by an authority made for it.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) authority: PathBuf,
    pub(crate) leaf: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificate {
    /// Makes both, for a few days.
    pub(crate) fn make(desk: &Desk<'_>) -> Result<Self, crate::step::Trouble> {
        let folder = desk.workspace.results("tls")?;
        let path = |name: &str| folder.join(name);
        let common = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
                      -days 7";
        let mut authority = desk.words(common);
        authority.args(["-subj", "/CN=tidewire test authority"]);
        authority.args(["-addext", "keyUsage=critical,keyCertSign,cRLSign"]);
        authority.arg("-keyout").arg(path("ca.key")).arg("-out").arg(path("ca.pem"));
        desk.run(authority, MINUTES)?;
        let mut leaf = desk.words(common);
        leaf.args(["-subj", "/CN=localhost"]);
        leaf.arg("-CA").arg(path("ca.pem")).arg("-CAkey").arg(path("ca.key"));
        for extension in [
            "basicConstraints=critical,CA:FALSE",
            "keyUsage=critical,digitalSignature",
            "extendedKeyUsage=serverAuth",
            "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1",
        ] {
            leaf.args(["-addext", extension]);
        }
        leaf.arg("-keyout").arg(path("key.pem")).arg("-out").arg(path("cert.pem"));
        desk.run(leaf, MINUTES)?;
        Ok(Self { authority: path("ca.pem"), leaf: path("cert.pem"), key: path("key.pem") })
    }
}
