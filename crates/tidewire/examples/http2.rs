//! Many WebSockets on one connection of HTTP/2 (RFC 8441): a clock server, and a client that
//! listens to several clocks at once.
//!
//! ```text
//! cargo run -p tidewire --example http2
//! ```

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::{error::Error, time::Duration};

use tidewire::{Client, Listener, Pending, WebSocket, http2};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = Listener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok(pending) = listener.accept().await {
            tokio::spawn(async move {
                if let Err(error) = serve(pending).await {
                    eprintln!("server: {error}");
                }
            });
        }
    });

    let connector = Client::new().connect_http2(&url).await?;
    let mut clocks = Vec::new();
    for period in [100, 150, 250] {
        clocks.push(connector.connect(&format!("{url}/every/{period}")).await?);
    }
    for ws in &mut clocks {
        while let Some(message) = ws.next().await? {
            println!("{message:?}");
        }
    }
    Ok(())
}

/// Nothing moves on the connection unless it is asked for the next WebSocket.
async fn serve(pending: Pending) -> Result<(), tidewire::Error> {
    let http2::Negotiated::Http2(mut connection) = pending.negotiate().await? else {
        return Ok(()); // HTTP/1.1: dropped
    };
    while let Some(handshake) = connection.next().await? {
        let path = handshake.request().path().to_owned();
        let ws = handshake.accept()?;
        tokio::spawn(async move {
            if let Err(error) = tick(ws, &path).await {
                eprintln!("server, {path}: {error}");
            }
        });
    }
    Ok(())
}

async fn tick(mut ws: WebSocket<http2::Stream>, path: &str) -> Result<(), tidewire::Error> {
    let period = path.rsplit('/').next().and_then(|millis| millis.parse().ok()).unwrap_or(1_000);
    let mut interval = tokio::time::interval(Duration::from_millis(period));
    for tick in 1..=3 {
        interval.tick().await;
        ws.send(format!("{path}: tick {tick}")).await?;
    }
    ws.close(tidewire::CloseCode::NORMAL_CLOSURE, "time is up").await
}
