//! An echo server that anybody's tools can be pointed at.
//!
//! ```text
//! cargo run --release -p tidewire --example echo -- 127.0.0.1:9001
//! cargo run --release -p tidewire --example echo -- 127.0.0.1:9001 --tls CERT KEY
//! ```
//!
//! `--deflate` compresses for clients that offer it (RFC 7692). `--tls` takes two PEM files, a chain
//! of certificates and a private key. `--http2` takes WebSockets over HTTP/2 as well (RFC 8441), on
//! the same port, with TLS or without.
//!
//! A client that offers the subprotocol `echo` gets it.
//!
//! The first line it prints is its address as a URL; port 0 picks a free port.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::{error::Error, net::SocketAddr, sync::Arc};

use tidewire::{
    DeflateConfig, Limits, Pending, Server, Stream, WebSocket, http2::Negotiated,
    proto::handshake::OriginPolicy, tls,
};

const USAGE: &str =
    "usage: echo ADDRESS [--deflate] [--http2] [--tls CERT KEY], e.g. echo 127.0.0.1:9001";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let limits =
        Limits { message_len_max: 64 << 20, fragment_count_max: 131_072, ..Limits::default() };
    let mut server = Server::new().limits(limits).origins(OriginPolicy::Any).subprotocols(["echo"]);
    let mut address = None;
    let mut http2 = false;
    let mut certified = None;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match &*arg {
            "--deflate" => server = server.deflate(DeflateConfig::default()),
            "--http2" => http2 = true,
            "--tls" => {
                let (certificates, key) = args.next().zip(args.next()).ok_or(USAGE)?;
                certified = Some(tls::server_config(certificates, key)?);
            }
            _ if arg.starts_with('-') || address.is_some() => return Err(USAGE.into()),
            _ => address = Some(arg),
        }
    }
    let address = address.ok_or(USAGE)?;
    if let Some(mut config) = certified {
        if http2 {
            config.alpn_protocols.insert(0, b"h2".to_vec());
        }
        server = server.tls(Arc::new(config));
    }
    let listener = server.listen(&*address).await?;
    let scheme = if server.is_tls() { "wss" } else { "ws" };
    println!("{scheme}://{}", listener.local_addr()?);
    loop {
        let pending = listener.accept().await?;
        tokio::spawn(async move {
            let peer = pending.peer_addr();
            let served = if http2 {
                // On its own in memory: else each connection over HTTP/1.1 has room for it.
                Box::pin(serve(pending)).await
            } else {
                async { echo(&mut pending.upgrade().await?).await }.await
            };
            tell(peer, served);
        });
    }
}

/// Serves a connection of whichever version of HTTP the client speaks.
async fn serve(pending: Pending) -> Result<(), tidewire::Error> {
    let peer = pending.peer_addr();
    match pending.negotiate().await? {
        Negotiated::Http1(handshake) => echo(&mut handshake.accept().await?).await,
        Negotiated::Http2(mut connection) => {
            while let Some(handshake) = connection.next().await? {
                tokio::spawn(async move {
                    let echo = async { echo(&mut handshake.accept()?).await };
                    tell(peer, echo.await);
                });
            }
            Ok(())
        }
    }
}

/// Borrows the connection: what a future is given by value, it has room for twice.
async fn echo<S: Stream>(ws: &mut WebSocket<S>) -> Result<(), tidewire::Error> {
    while let Some(message) = ws.next().await? {
        ws.send(message).await?;
    }
    Ok(())
}

fn tell(peer: SocketAddr, ended: Result<(), tidewire::Error>) {
    if let Err(error) = ended {
        eprintln!("{peer}: {error}");
    }
}
