//! What the servers on tokio have in common, so that only their library differs: a runtime of one
//! thread, `TCP_NODELAY`, and no word about connections that end. In [`raw`], what those without
//! a protocol have in common.
#![forbid(unsafe_code)]

pub mod raw;

use std::{error::Error, future::Future, io, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::broadcast,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// How a connection ended. The load sees what was missing; the server has nothing to add.
pub type Ended = Result<(), Box<dyn Error + Send + Sync>>;

/// Listens on the address that is the first argument, and has `visit` run each connection in a
/// task of its own.
///
/// The tasks are `unconstrained`, as the examples of fastwebsockets and tokio-websockets have it:
/// tokio's cooperative budget costs a little, and one thread that only echoes does without.
pub fn serve<F, Fut>(visit: F) -> io::Result<()>
where
    F: Fn(TcpStream) -> Fut,
    Fut: Future<Output = Ended> + Send + 'static,
{
    let addr = address()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(addr).await?;
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            tokio::spawn(tokio::task::unconstrained(visit(socket)));
        }
    })
}

/// Where to listen: the first argument.
pub fn address() -> io::Result<String> {
    std::env::args().nth(1).ok_or_else(|| io::Error::other("which address?"))
}

/// A channel to everybody, for a broadcast on tokio.
pub fn room<T: Clone>() -> broadcast::Sender<T> {
    broadcast::Sender::new(ROOM_MESSAGE_COUNT_MAX)
}

/// More than the load has in flight, so that nobody misses anything.
const ROOM_MESSAGE_COUNT_MAX: usize = 1024;

/// The length of the unmasked frame that `bytes` begin with (RFC 6455 §5.2), once all of it is
/// there.
pub fn frame_len(bytes: &[u8]) -> Option<usize> {
    let (header_len, payload_len) = match *bytes.get(1)? & 0x7F {
        126 => (4, u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)),
        len => (2, u64::from(len)),
    };
    let len = usize::try_from(payload_len).ok()?.checked_add(header_len)?;
    (bytes.len() >= len).then_some(len)
}

/// Whether the second argument is `word`.
pub fn asked_for(word: &str) -> bool {
    std::env::args().nth(2).is_some_and(|argument| argument == word)
}

/// TLS with the certificate and the key whose files are the third and the fourth argument.
pub fn tls_acceptor() -> io::Result<TlsAcceptor> {
    let mut files = std::env::args().skip(3);
    let (Some(certificate), Some(key)) = (files.next(), files.next()) else {
        return Err(io::Error::other("which certificate and which key?"));
    };
    let certificate = CertificateDer::from_pem_file(certificate).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .map_err(io::Error::other)?;
    Ok(Arc::new(config).into())
}

const REQUEST_LEN_MAX: usize = 8 << 10;
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The opening handshake for libraries that take a socket after it. Believes what the load says:
/// this is no measure of handshakes, and nothing to copy from.
pub async fn handshake(socket: &mut TcpStream) -> Ended {
    handshake_with(socket, None).await
}

/// The same, agreeing to `extensions` whatever was offered.
pub async fn handshake_with(socket: &mut TcpStream, extensions: Option<&str>) -> Ended {
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
    let extensions = extensions
        .map_or(String::new(), |extensions| format!("Sec-WebSocket-Extensions: {extensions}\r\n"));
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         {extensions}Sec-WebSocket-Accept: {}\r\n\r\n",
        BASE64_STANDARD.encode(digest)
    );
    socket.write_all(response.as_bytes()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_as_long_as_rfc_6455_5_2_says() {
        let cases: &[(&str, &[u8], usize, usize)] = &[
            // name          header                                    payload  frame
            ("empty", &[0x82, 0], 0, 2),
            ("7 bits", &[0x81, 125], 125, 127),
            ("16 bits", &[0x82, 126, 0, 126], 126, 130),
            ("64 bits", &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0], 65_536, 65_546),
        ];
        for &(name, header, payload_len, len) in cases {
            let mut frame = header.to_vec();
            frame.resize(header.len() + payload_len, 7);
            assert_eq!(frame.len(), len, "{name}");
            assert_eq!(frame_len(&frame), Some(len), "{name}");
            frame.push(0x82);
            assert_eq!(frame_len(&frame), Some(len), "{name}, and more");
            for cut in [0, 1, header.len() - 1, len - 1] {
                assert_eq!(frame_len(&frame[..cut]), None, "{name} cut to {cut}");
            }
        }
    }
}
