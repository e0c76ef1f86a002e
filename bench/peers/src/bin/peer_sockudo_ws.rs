//! sockudo-ws, as its `simple_echo` example has it, with its defaults. With `batched` replies are
//! only fed: its read path flushes before it waits, as its configuration's docs say.
#![forbid(unsafe_code)]

use futures_util::{SinkExt, StreamExt};
use sockudo_ws::{Config, WebSocketStream, protocol::Message};
use tidewire_bench_peers::{Ended, asked_for, handshake, serve};
use tokio::net::TcpStream;

fn main() -> std::io::Result<()> {
    if asked_for("batched") { serve(echo::<true>) } else { serve(echo::<false>) }
}

async fn echo<const BATCHED: bool>(mut socket: TcpStream) -> Ended {
    handshake(&mut socket).await?;
    let mut ws = WebSocketStream::server(socket, Config::default());
    while let Some(message) = ws.next().await {
        match message? {
            message @ (Message::Text(_) | Message::Binary(_)) if BATCHED => {
                ws.feed(message).await?;
            }
            message @ (Message::Text(_) | Message::Binary(_)) => ws.send(message).await?,
            Message::Close(_) => break,
            Message::Ping(_) | Message::Pong(_) => {}
        }
    }
    Ok(())
}
