//! yawc on the bare socket, checking text as the others do. With `batched`, as its own benchmark's server: up to 32 messages that
//! are ready at once, then one flush.
#![forbid(unsafe_code)]

use futures_util::{SinkExt, StreamExt};
use tidewire_bench_peers::{Ended, asked_for, handshake, serve};
use tokio::net::TcpStream;
use yawc::{OpCode, Options, Role, WebSocket};

fn main() -> std::io::Result<()> {
    if asked_for("batched") { serve(batched) } else { serve(echo) }
}

/// Its defaults stop at 1 MiB.
const MESSAGE_LEN_MAX: usize = 64 << 20;

async fn accept(
    mut socket: TcpStream,
) -> Result<WebSocket<TcpStream>, Box<dyn std::error::Error + Send + Sync>> {
    handshake(&mut socket).await?;
    let options = Options::default().with_utf8().with_limits(MESSAGE_LEN_MAX, MESSAGE_LEN_MAX);
    Ok(WebSocket::from_stream(socket, Role::Server, options)?)
}

async fn echo(socket: TcpStream) -> Ended {
    let mut ws = accept(socket).await?;
    while let Some(frame) = ws.next().await {
        if matches!(frame.opcode(), OpCode::Text | OpCode::Binary) {
            ws.send(frame).await?;
        }
    }
    Ok(())
}

async fn batched(socket: TcpStream) -> Ended {
    let (mut sink, stream) = accept(socket).await?.split();
    let mut batches = stream.ready_chunks(32);
    while let Some(batch) = batches.next().await {
        for frame in batch {
            if matches!(frame.opcode(), OpCode::Text | OpCode::Binary) {
                sink.feed(frame).await?;
            }
        }
        sink.flush().await?;
    }
    Ok(())
}
