//! An echo server that anybody's tools can be pointed at.
//!
//! ```text
//! cargo run --release -p tidewire --example echo -- 127.0.0.1:9001
//! cargo run --release -p tidewire --example echo -- 127.0.0.1:9001 --tls CERT KEY
//! ```
//!
//! `--deflate` compresses for clients that offer it (RFC 7692). `--tls` takes two PEM files, a chain
//! of certificates and a private key.
//!
//! The first line it prints is its address as a URL; port 0 picks a free port.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::{error::Error, sync::Arc};

use tidewire::{DeflateConfig, Limits, Server, proto::handshake::OriginPolicy, tls};

const USAGE: &str = "usage: echo ADDRESS [--deflate] [--tls CERT KEY], e.g. echo 127.0.0.1:9001";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let limits =
        Limits { message_len_max: 64 << 20, fragment_count_max: 131_072, ..Limits::default() };
    let mut server = Server::new().limits(limits).origins(OriginPolicy::Any);
    let mut address = None;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match &*arg {
            "--deflate" => server = server.deflate(DeflateConfig::default()),
            "--tls" => {
                let (certificates, key) = args.next().zip(args.next()).ok_or(USAGE)?;
                server = server.tls(Arc::new(tls::server_config(certificates, key)?));
            }
            _ if arg.starts_with('-') || address.is_some() => return Err(USAGE.into()),
            _ => address = Some(arg),
        }
    }
    let address = address.ok_or(USAGE)?;
    let listener = server.listen(&*address).await?;
    let scheme = if server.is_tls() { "wss" } else { "ws" };
    println!("{scheme}://{}", listener.local_addr()?);
    loop {
        let pending = listener.accept().await?;
        tokio::spawn(async move {
            let peer = pending.peer_addr();
            let echo = async {
                let mut ws = pending.upgrade().await?;
                while let Some(message) = ws.next().await? {
                    ws.send(message).await?;
                }
                Ok::<_, tidewire::Error>(())
            };
            if let Err(error) = echo.await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}
