//! What the echo servers on tokio have in common, so that only their library differs: a
//! runtime of one thread, `TCP_NODELAY`, and no word about connections that end.
#![forbid(unsafe_code)]

use std::{error::Error, future::Future, io};

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// How a connection ended. The load sees what was missing; the server has nothing to add.
pub type Ended = Result<(), Box<dyn Error + Send + Sync>>;

/// Listens on the address that is the first argument, and has `echo` run each connection in a
/// task of its own.
///
/// The tasks are `unconstrained`, as the examples of fastwebsockets and tokio-websockets have it:
/// tokio's cooperative budget costs a little, and one thread that only echoes does without.
pub fn serve<F, Fut>(echo: F) -> io::Result<()>
where
    F: Fn(TcpStream) -> Fut,
    Fut: Future<Output = Ended> + Send + 'static,
{
    let addr = std::env::args().nth(1).ok_or_else(|| io::Error::other("which address?"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(addr).await?;
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            tokio::spawn(tokio::task::unconstrained(echo(socket)));
        }
    })
}

/// Whether the second argument is `word`.
pub fn asked_for(word: &str) -> bool {
    std::env::args().nth(2).is_some_and(|argument| argument == word)
}

const REQUEST_LEN_MAX: usize = 8 << 10;
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The opening handshake for libraries that take a socket after it. Believes what the load says:
/// this is no measure of handshakes, and nothing to copy from.
pub async fn handshake(socket: &mut TcpStream) -> Ended {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if request.len() > REQUEST_LEN_MAX || socket.read_buf(&mut request).await? == 0 {
            return Err("no opening handshake".into());
        }
    }
    let request = String::from_utf8(request)?;
    let key = request
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))
        .map(|(_, value)| value.trim())
        .ok_or("no key")?;
    let digest = sha1_smol::Sha1::from(format!("{key}{GUID}")).digest().bytes();
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        BASE64_STANDARD.encode(digest)
    );
    socket.write_all(response.as_bytes()).await?;
    Ok(())
}
