//! tokio-tungstenite, as its two echo examples have it: `send` each reply, or, with `tuned`,
//! hand the stream to the sink, which flushes when no further message is ready. `tuned` also
//! reads 16 KiB at a time: the default of 128 KiB is cleared before every read. `tls` is `tuned`
//! over tokio-rustls.
#![forbid(unsafe_code)]

use futures_util::{SinkExt, StreamExt, TryStreamExt, future};
use tidewire_bench_peers::{Ended, asked_for, serve, tls_acceptor};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

fn main() -> std::io::Result<()> {
    if asked_for("tls") {
        let acceptor = tls_acceptor()?;
        serve(move |socket| {
            let acceptor = acceptor.clone();
            async move { tuned(acceptor.accept(socket).await?).await }
        })
    } else if asked_for("tuned") {
        serve(tuned)
    } else {
        serve(echo)
    }
}

async fn echo(socket: TcpStream) -> Ended {
    let mut ws = tokio_tungstenite::accept_async(socket).await?;
    while let Some(message) = ws.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            ws.send(message).await?;
        }
    }
    Ok(())
}

async fn tuned<S: AsyncRead + AsyncWrite + Unpin>(socket: S) -> Ended {
    let config = WebSocketConfig::default().read_buffer_size(16 << 10);
    let ws = tokio_tungstenite::accept_async_with_config(socket, Some(config)).await?;
    let (sink, stream) = ws.split();
    stream
        .try_filter(|message| future::ready(message.is_text() || message.is_binary()))
        .forward(sink)
        .await?;
    Ok(())
}
