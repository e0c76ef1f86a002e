//! The program as a child, which is killed if a test fails.

use std::{future::Future, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// Nothing here takes so long, not even on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// What opens the API of every server here.
pub(crate) const API_KEY: &str = "the key of these tests";

/// Fails the test where it would hang.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(LIMIT, what).await.expect("took too long")
}

pub(crate) struct Program {
    child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
}

/// What is left when it has ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: String,
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_in(&[], arguments)
    }

    /// In an environment that has these as well.
    pub(crate) fn start_in(environment: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidewire"))
            .args(arguments)
            .env("TIDEWIRE_API_KEY", API_KEY)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { stdin: child.stdin.take(), child, stdout }
    }

    pub(crate) async fn line(&mut self) -> String {
        soon(self.stdout.next_line()).await.unwrap().expect("a line")
    }

    pub(crate) async fn write(&mut self, lines: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        soon(stdin.write_all(lines.as_bytes())).await.unwrap();
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Ends its input, and waits for its own end.
    pub(crate) async fn ended(mut self) -> Ended {
        drop(self.stdin.take());
        let mut log = self.child.stderr.take().unwrap();
        let mut stderr = String::new();
        let reading = async {
            let mut stdout = Vec::new();
            while let Some(line) = self.stdout.next_line().await.unwrap() {
                stdout.push(line);
            }
            stdout
        };
        let (stdout, read, status) = soon(async {
            tokio::join!(reading, log.read_to_string(&mut stderr), self.child.wait())
        })
        .await;
        read.unwrap();
        Ended { code: status.unwrap().code(), stdout, stderr }
    }
}

/// Runs it to its end, with this as its input.
pub(crate) async fn run(arguments: &[&str], input: &str) -> Ended {
    let mut program = Program::start(arguments);
    // It may have ended already.
    let _ = program.stdin.as_mut().unwrap().write_all(input.as_bytes()).await;
    program.ended().await
}

/// A server, with its address as host and port.
pub(crate) async fn serve() -> (Program, String) {
    serve_with(&[]).await
}

/// One with further flags.
pub(crate) async fn serve_with(flags: &[&str]) -> (Program, String) {
    serve_in(&[], flags).await
}

/// One in an environment that has these as well.
pub(crate) async fn serve_in(environment: &[(&str, &str)], flags: &[&str]) -> (Program, String) {
    let arguments = [&["serve", "--dev", "--listen", "127.0.0.1:0"], flags].concat();
    let mut server = Program::start_in(environment, &arguments);
    let url = server.line().await;
    let address = url.strip_prefix("http://").and_then(|url| url.strip_suffix('/'));
    let address = address.unwrap_or_else(|| panic!("not a URL: {url}")).to_owned();
    (server, address)
}

/// One request, and all that is answered.
pub(crate) async fn request(address: &str, head: &str) -> String {
    let mut io = TcpStream::connect(address).await.unwrap();
    let request = format!("{head}\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    io.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(io.read_to_string(&mut answer)).await.unwrap();
    answer
}
