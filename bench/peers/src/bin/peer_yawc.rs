//! yawc on the bare socket, checking text as the others do. With `batched`, as its own
//! benchmark's server: up to 32 messages that are ready at once, then one flush. With `deflate`
//! it compresses at level 1, each message on its own; with `deflate-takeover`, with history.
#![forbid(unsafe_code)]

use futures_util::{SinkExt, StreamExt};
use tidewire_bench_peers::{Ended, asked_for, handshake_with, serve};
use tokio::net::TcpStream;
use yawc::{CompressionLevel, OpCode, Options, Role, WebSocket};

fn main() -> std::io::Result<()> {
    if asked_for("batched") {
        serve(batched)
    } else if asked_for("deflate") {
        serve(|socket| echo(socket, Deflate::EachAlone))
    } else if asked_for("deflate-takeover") {
        serve(|socket| echo(socket, Deflate::WithHistory))
    } else {
        serve(|socket| echo(socket, Deflate::Off))
    }
}

/// Its defaults stop at 1 MiB.
const MESSAGE_LEN_MAX: usize = 64 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deflate {
    Off,
    EachAlone,
    WithHistory,
}

async fn accept(
    mut socket: TcpStream,
    deflate: Deflate,
) -> Result<WebSocket<TcpStream>, Box<dyn std::error::Error + Send + Sync>> {
    let mut options = Options::default().with_utf8().with_limits(MESSAGE_LEN_MAX, MESSAGE_LEN_MAX);
    if deflate != Deflate::Off {
        options = options.with_compression_level(CompressionLevel::fast());
    }
    let extensions = match deflate {
        Deflate::Off => None,
        Deflate::EachAlone => {
            Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover")
        }
        Deflate::WithHistory => Some("permessage-deflate"),
    };
    handshake_with(&mut socket, extensions).await?;
    Ok(WebSocket::from_stream_with_extensions(socket, Role::Server, extensions, options)?)
}

async fn echo(socket: TcpStream, deflate: Deflate) -> Ended {
    let mut ws = accept(socket, deflate).await?;
    while let Some(frame) = ws.next().await {
        if matches!(frame.opcode(), OpCode::Text | OpCode::Binary) {
            ws.send(frame).await?;
        }
    }
    Ok(())
}

async fn batched(socket: TcpStream) -> Ended {
    let (mut sink, stream) = accept(socket, Deflate::Off).await?.split();
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
