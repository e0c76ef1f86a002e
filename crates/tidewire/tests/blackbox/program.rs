//! Building the examples, running them, and reading what they say.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, OnceLock},
    thread,
    time::{Duration, Instant},
};

/// Whatever is waited for comes much sooner, or never.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Which echo server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// The library's example.
    Library,
    /// The engine's, on this backend.
    Engine(&'static str),
}

/// A running program that listens, and ends with this value.
pub struct Program {
    child: Child,
    pub address: SocketAddr,
    log: Arc<Log>,
    /// Whether it logs what goes wrong at a connection. The engine's handler learns how a
    /// connection ended (the engine's own tests ask it), but not from where it came.
    tells_errors: bool,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Program {
    /// An echo server: messages up to 64 MiB, of at most 131,072 fragments.
    pub fn echo(echo: Echo) -> Self {
        static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
        static ENGINE: OnceLock<PathBuf> = OnceLock::new();
        let path = match echo {
            Echo::Library => {
                LIBRARY.get_or_init(|| build(&["--package=tidewire", "--example=echo"]))
            }
            Echo::Engine(_) => ENGINE
                .get_or_init(|| build(&["--package=tidewire-engine", "--example=engine_echo"])),
        };
        let mut command = Command::new(path);
        command.arg("127.0.0.1:0");
        if let Echo::Engine(io) = echo {
            command.args(["--io", io]);
            // glibc gives back less and less of what it has once mapped. What is measured is what
            // the engine holds, and that goes back by itself.
            command.env("MALLOC_MMAP_THRESHOLD_", "131072");
        }
        let mut program = Self::start(&mut command);
        program.tells_errors = echo == Echo::Library;
        program
    }

    /// The chat: text up to 16 KiB, told to everybody as `User: <text>`.
    pub fn chat() -> Self {
        static PATH: OnceLock<PathBuf> = OnceLock::new();
        let path = PATH.get_or_init(|| build(&["--package=tidewire-cli", "--bin=tidewire"]));
        Self::start(Command::new(path).args(["serve", "--dev", "--listen", "127.0.0.1:0"]))
    }

    /// Runs `command`, whose first line of output is the URL that it listens on.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut url = String::new();
        stdout.read_line(&mut url).expect("a line of output");
        let address = url
            .trim_end()
            .split_once("://")
            .and_then(|(_, rest)| rest.split('/').next()?.parse().ok())
            .unwrap_or_else(|| panic!("the first line is no URL: {url:?}"));
        let log = Arc::new(Log::default());
        let kept = Arc::clone(&log);
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                kept.lines.lock().unwrap().push(line);
                kept.more.notify_all();
            }
        });
        thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Self { child, address, log, tells_errors: true }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The errors it has logged of the connection from `peer`, once there is one.
    pub fn said_about(&self, peer: SocketAddr) -> Vec<String> {
        // The echo server says nothing but errors; the log of the chat has levels.
        let (echo, chat) = (format!("{peer}: "), format!("peer={peer}"));
        let about = |lines: &[String]| -> Vec<String> {
            let is_about = |line: &&String| {
                line.starts_with(&echo)
                    || line.split(' ').any(|word| word == chat) && line.contains("error: ")
            };
            lines.iter().filter(is_about).cloned().collect()
        };
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.log.lines.lock().unwrap();
        loop {
            let found = about(&lines);
            let left = deadline.saturating_duration_since(Instant::now());
            if !found.is_empty() || left.is_zero() {
                return found;
            }
            lines = self.log.more.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// It has logged one error of the connection from `peer`, which contains this.
    pub fn has_said(&self, peer: SocketAddr, what: &str, rule: &str) {
        if self.tells_errors {
            let said = self.said_about(peer);
            assert_eq!(said.len(), 1, "{rule}: {said:?}");
            assert!(said[0].contains(what), "{rule}: {said:?} has no {what}");
        }
    }

    /// Everything it has logged.
    pub fn said(&self) -> Vec<String> {
        self.log.lines.lock().unwrap().clone()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself; that is for a test to notice, not for the cleaning up.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !thread::panicking() {
            let said = self.said();
            let panic = said.iter().find(|line| line.contains("panicked"));
            assert_eq!(panic, None, "nothing panics on bytes from the network");
        }
    }
}

/// Builds a program in the profile of this test, and tells where it is.
///
/// `cargo test --tests` builds no examples, and one that lies there may be an old one.
fn build(what: &[&str]) -> PathBuf {
    // <target>/<profile>/deps/blackbox-…
    let this = std::env::current_exe().expect("this program has a path");
    let profile = this.ancestors().nth(2).and_then(Path::file_name).and_then(|name| name.to_str());
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--message-format=json"])
        .args(what)
        .arg(format!("--profile={}", profile.filter(|name| *name != "debug").unwrap_or("dev")))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    let mut child = cargo.spawn().expect("cargo runs");
    let mut messages = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut messages).expect("UTF-8");
    assert!(child.wait().expect("cargo ends").success(), "{what:?} does not build");
    let path = messages
        .lines()
        .filter_map(|line| line.split_once(r#""executable":""#)?.1.split('"').next())
        .next_back()
        .expect("cargo tells where it is");
    PathBuf::from(path.replace(r"\\", r"\"))
}
