//! Clients, servers and a browser that nobody here wrote; verdicts come from `interop/`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::plan::Lane;
use crate::setup;
use crate::step::{Desk, Step, Trouble, Verdict};
use crate::testee::{self, Certificate, ENGINES, Echo, Server};

const LIMIT: Duration = Duration::from_secs(5 * 60);

/// What the library's echo server speaks if asked to.
const SUBPROTOCOL: &str = "echo";

/// The server and its clients are told the same.
const API_KEY: &str = "the key of these clients";

/// What a script is run by, and its file in `interop/`.
#[derive(Clone, Copy, Debug)]
enum Script {
    Node(&'static str),
    Python(&'static str),
}

/// How a connection is dressed.
#[derive(Clone, Copy, Debug)]
enum Dress {
    Plain,
    Deflate,
    Tls,
}

const DRESSES: [Dress; 3] = [Dress::Plain, Dress::Deflate, Dress::Tls];

/// One step for each library and each of its roles, then the browser.
pub(crate) fn steps() -> Lane {
    let ws = Script::Node("node/ws.mjs");
    let undici = Script::Node("node/undici.mjs");
    let websockets = Script::Python("python/websockets_peer.py");
    let aiohttp = Script::Python("python/aiohttp_peer.py");
    let clients =
        [("ws", ws), ("undici", undici), ("websockets", websockets), ("aiohttp", aiohttp)];
    let servers = [("ws", ws), ("websockets", websockets), ("aiohttp", aiohttp)];
    let mut lane = Vec::new();
    for (name, script) in clients {
        lane.push(Step::new(format!("interop: {name} as client"), move |desk| {
            client(desk, script)
        }));
    }
    for (name, script) in servers {
        lane.push(Step::new(format!("interop: {name} as server"), move |desk| {
            server(desk, script)
        }));
    }
    lane.push(Step::new("interop: tungstenite as client", tungstenite));
    for transport in ["websocket", "http_stream", "sse"] {
        lane.push(Step::new(format!("interop: centrifuge over {transport}"), move |desk| {
            realtime(desk, Script::Node("node/centrifuge.mjs"), &[transport])
        }));
    }
    lane.push(Step::new("interop: centrifuge-python", |desk| {
        realtime(desk, Script::Python("python/centrifuge_peer.py"), &[])
    }));
    lane.push(Step::new("interop: chromium", chromium));
    lane
}

/// Our echo servers.
fn echoes() -> impl Iterator<Item = Echo> {
    [Echo::Library].into_iter().chain(ENGINES)
}

/// A foreign client against our echo servers, in each dress.
fn client(desk: &Desk<'_>, script: Script) -> Verdict {
    for echo in echoes() {
        for dress in DRESSES {
            meet(desk, script, echo, dress)?;
        }
    }
    Ok(tally(desk))
}

fn meet(desk: &Desk<'_>, script: Script, echo: Echo, dress: Dress) -> Result<(), Trouble> {
    let certificate = Certificate::make(desk)?;
    let mut testee = echo.command(desk.workspace);
    let mut command = script.command(desk);
    command.arg("client");
    match dress {
        Dress::Plain => {}
        Dress::Deflate => {
            testee.arg("--deflate");
            command.arg("--deflate");
            if echo == Echo::Library {
                command.args(["--subprotocol", SUBPROTOCOL]);
            }
        }
        Dress::Tls => {
            testee.arg("--tls").arg(&certificate.leaf).arg(&certificate.key);
            command.arg("--ca").arg(&certificate.authority);
        }
    }
    let mut server = Server::start(testee, desk)?;
    command.arg(&server.url);
    desk.run(command, LIMIT)?;
    if server.is_alive() {
        Ok(())
    } else {
        Err(format!("our server did not survive it ({echo:?}, {dress:?})").into())
    }
}

/// Our echo client against a foreign server, in each dress.
fn server(desk: &Desk<'_>, script: Script) -> Verdict {
    for dress in DRESSES {
        let certificate = Certificate::make(desk)?;
        let mut command = script.command(desk);
        command.arg("server");
        let mut client = vec![path_text(&testee::echo_client(desk.workspace)), "{url}".to_owned()];
        match dress {
            Dress::Plain => {}
            Dress::Deflate => {
                command.args(["--deflate", "--subprotocol", SUBPROTOCOL]);
                client.extend(["--deflate", "--subprotocol", SUBPROTOCOL].map(str::to_owned));
            }
            Dress::Tls => {
                command.arg("--cert").arg(&certificate.leaf).arg("--key").arg(&certificate.key);
                client.push("--insecure".to_owned());
            }
        }
        command.arg("--").args(client);
        desk.run(command, LIMIT)?;
    }
    Ok(tally(desk))
}

fn tungstenite(desk: &Desk<'_>) -> Verdict {
    for echo in echoes() {
        let server = Server::start(echo.command(desk.workspace), desk)?;
        let line = format!("cargo run --release -p tidewire-interop -- {}", server.url);
        desk.line(&line, 4 * LIMIT)?;
    }
    Ok(tally(desk))
}

/// A client of another realtime server against ours, with one thread and with several, so that
/// publications cross from one to another.
fn realtime(desk: &Desk<'_>, script: Script, arguments: &[&str]) -> Verdict {
    for (threads, io) in [("1", "auto"), ("3", "auto"), ("2", "epoll")] {
        let mut testee = testee::chat(desk.workspace, "127.0.0.1:0");
        testee.args(["--threads", threads, "--io", io]).env("TIDEWIRE_API_KEY", API_KEY);
        let mut server = Server::start(testee, desk)?;
        let mut command = script.command(desk);
        command.args(arguments).arg(&server.url).env("API_KEY", API_KEY);
        desk.run(command, LIMIT)?;
        if !server.is_alive() {
            return Err(format!("our server did not survive it ({threads} threads, {io})").into());
        }
    }
    Ok(tally(desk))
}

fn chromium(desk: &Desk<'_>) -> Verdict {
    let Some(browser) = setup::browser() else {
        return Err(Trouble::NotChecked("no Chromium here; $CHROMIUM may name one".to_owned()));
    };
    let server = Server::start(testee::chat(desk.workspace, "127.0.0.1:0"), desk)?;
    let mut command = Script::Node("node/browser.mjs").command(desk);
    let folder = desk.workspace.results("browser")?;
    command.arg(browser).arg(&server.url).arg(&folder);
    // One more, which the script stops and starts itself.
    let chat = testee::chat(desk.workspace, "{addr}");
    command.arg(chat.get_program()).args(chat.get_args());
    desk.run(command, LIMIT)?;
    Ok(format!("{}, screenshots in {}", tally(desk), folder.display()))
}

impl Script {
    fn command(self, desk: &Desk<'_>) -> Command {
        let (program, file) = match self {
            Self::Node(file) => (PathBuf::from("node"), file),
            Self::Python(file) => (setup::venv_python(desk.workspace), file),
        };
        let mut command = Command::new(program);
        command.arg(desk.workspace.root("interop").join(file)).current_dir(desk.workspace.root(""));
        command
    }
}

fn path_text(path: &Path) -> String {
    path.display().to_string()
}

/// The scripts' closing lines added up.
fn tally(desk: &Desk<'_>) -> String {
    let lines = desk.tail(usize::MAX);
    let passed = lines
        .iter()
        .filter_map(|line| line.strip_suffix(" passed, 0 failed")?.parse::<usize>().ok());
    format!("{} cases", passed.sum::<usize>())
}
