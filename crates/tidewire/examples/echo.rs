//! An echo server that anybody's tools can be pointed at.
//!
//! ```text
//! cargo run --release -p tidewire --example echo -- 127.0.0.1:9001
//! ```
//!
//! `--deflate` compresses for clients that offer it (RFC 7692).
//!
//! The first line it prints is its address as a URL; port 0 picks a free port.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::error::Error;

use tidewire::{DeflateConfig, Limits, Server, proto::handshake::OriginPolicy};

const USAGE: &str = "usage: echo ADDRESS [--deflate], e.g. echo 127.0.0.1:9001";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let limits =
        Limits { message_len_max: 64 << 20, fragment_count_max: 131_072, ..Limits::default() };
    let mut server = Server::new().limits(limits).origins(OriginPolicy::Any);
    let mut address = None;
    for arg in std::env::args().skip(1) {
        match &*arg {
            "--deflate" => server = server.deflate(DeflateConfig::default()),
            _ if arg.starts_with('-') || address.is_some() => return Err(USAGE.into()),
            _ => address = Some(arg),
        }
    }
    let address = address.ok_or(USAGE)?;
    let listener = server.listen(&*address).await?;
    println!("ws://{}", listener.local_addr()?);
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
