//! tokio-websockets, as its `echo_server` example has it: frames of any size, no limits. (Handing
//! its stream to its sink changes nothing: reading flushes first.)
#![forbid(unsafe_code)]

use futures_util::{SinkExt, StreamExt};
use tidewire_bench_peers::{Ended, serve};
use tokio::net::TcpStream;
use tokio_websockets::{Config, Limits, ServerBuilder};

fn main() -> std::io::Result<()> {
    serve(echo)
}

async fn echo(socket: TcpStream) -> Ended {
    let config = Config::default().frame_size(usize::MAX);
    let builder = ServerBuilder::new().config(config).limits(Limits::unlimited());
    let (_request, mut ws) = builder.accept(socket).await?;
    while let Some(message) = ws.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            ws.send(message).await?;
        }
    }
    Ok(())
}
