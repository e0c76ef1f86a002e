//! haproxy between a peer that speaks HTTP/1.1 and a server that speaks HTTP/2 (RFC 8441).

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::process::Guard;
use crate::step::Desk;
use crate::testee::Server;

const START: Duration = Duration::from_secs(20);

/// A proxy that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Where it takes WebSockets over HTTP/1.1.
    pub(crate) url: String,
    _process: Guard,
}

impl Proxy {
    /// Starts one in front of `server`.
    pub(crate) fn start(server: &Server, desk: &Desk<'_>) -> Result<Self, String> {
        let behind = server.address();
        let front = free_port()?;
        // `proto h2`: cleartext, with prior knowledge; `ws h2`: extended CONNECT for WebSockets.
        let text = format!(
            "defaults\n  mode http\n  timeout connect 5s\n  timeout client 600s\n  \
             timeout server 600s\n  timeout tunnel 600s\n\
             frontend http1\n  bind 127.0.0.1:{front}\n  default_backend http2\n\
             backend http2\n  server echo {behind} proto h2 ws h2\n"
        );
        let file = desk.workspace.results("haproxy")?.join("haproxy.cfg");
        fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut command = desk.words("haproxy -db -f");
        command.arg(file).stdin(Stdio::null()).stdout(desk.open_log()?).stderr(desk.open_log()?);
        let process = Guard::spawn(&mut command)?;
        let deadline = Instant::now() + START;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, front)).is_err() {
            if Instant::now() > deadline {
                return Err(format!("haproxy does not listen after {} s", START.as_secs()));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(Self { url: format!("ws://127.0.0.1:{front}"), _process: process })
    }
}

fn free_port() -> Result<u16, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| error.to_string())
}
