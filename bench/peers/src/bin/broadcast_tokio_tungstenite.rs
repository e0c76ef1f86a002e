//! A broadcast on tokio-tungstenite and a channel of tokio's: whoever receives publishes, and
//! sends what is published.
#![forbid(unsafe_code)]

use futures_util::{SinkExt, StreamExt};
use tidewire_bench_peers::{Ended, room, serve};
use tokio::{net::TcpStream, sync::broadcast::Sender};
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};

fn main() -> std::io::Result<()> {
    let room = room();
    serve(move |socket| visit(socket, room.clone()))
}

async fn visit(socket: TcpStream, room: Sender<Message>) -> Ended {
    // The default of 128 KiB for each connection would take more than a gigabyte for 10,000.
    let config = WebSocketConfig::default().read_buffer_size(16 << 10);
    let mut ws = tokio_tungstenite::accept_async_with_config(socket, Some(config)).await?;
    let mut published = room.subscribe();
    loop {
        tokio::select! {
            received = ws.next() => match received {
                Some(Ok(message)) if message.is_text() || message.is_binary() => {
                    room.send(message)?;
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(()),
            },
            message = published.recv() => ws.send(message?).await?,
        }
    }
}
