//! An echo server that anybody's tools can be pointed at.
//!
//! ```text
//! cargo run --release -p tidewire --example echo -- 127.0.0.1:9001
//! ```
//!
//! The first line it prints is its address as a URL; port 0 picks a free port.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::error::Error;

use tidewire::{Limits, Server, proto::handshake::OriginPolicy};

const USAGE: &str = "usage: echo ADDRESS, e.g. echo 127.0.0.1:9001";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or(USAGE)?;
    let limits =
        Limits { message_len_max: 64 << 20, fragment_count_max: 131_072, ..Limits::default() };
    let server = Server::new().limits(limits).origins(OriginPolicy::Any);
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
