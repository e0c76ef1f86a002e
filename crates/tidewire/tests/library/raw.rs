//! A server that says what the test wants it to, byte for byte.

use tidewire::proto::handshake::accept_key;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A request that came.
pub struct Asked {
    pub request: String,
    /// Stays open as long as this does.
    _io: TcpStream,
}

/// Gives each of these answers to one connection, in order. `{accept}` stands for the right
/// `Sec-WebSocket-Accept`.
pub async fn serve<const N: usize>(answers: [&str; N]) -> (u16, JoinHandle<Vec<Asked>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answers = answers.map(String::from);
    let task = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut io, _) = listener.accept().await.unwrap();
            let request = read_head(&mut io).await;
            let accept = header(&request, "Sec-WebSocket-Key")
                .map(|key| accept_key(key.as_bytes()))
                .unwrap_or_default();
            let answer = answer.replace("{port}", &port.to_string()).replace("{accept}", &accept);
            // The client may have seen enough and be gone.
            let _ = io.write_all(answer.as_bytes()).await;
            asked.push(Asked { request, _io: io });
        }
        asked
    });
    (port, task)
}

/// Everything up to the empty line, and not a byte more.
pub async fn read_head(io: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// The value of a header in a head.
pub fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// A response that is right in everything.
pub const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n";
