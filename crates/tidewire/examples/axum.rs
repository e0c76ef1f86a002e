//! WebSockets in an axum application, over HTTP/1.1 and HTTP/2 by the same handler.
//!
//! ```text
//! cargo run -p tidewire --example axum -- 127.0.0.1:3000
//! ```
//!
//! The first line it prints is its address as a URL; port 0 picks a free port.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    extract::State,
    response::{Html, Response},
    routing::{any, get},
};
use tidewire::{
    WebSocket,
    axum::{Stream, Upgrade},
};

const PAGE: &str = "<!doctype html><title>Who am I?</title><h1 id=text>…</h1><script>
new WebSocket(location.href.replace('http', 'ws') + 'visitors').onmessage = (event) =>
    document.getElementById('text').textContent = event.data;
</script>";

type Visitors = Arc<AtomicU64>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: axum ADDRESS, e.g. 127.0.0.1:3000")?;
    let app = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/visitors", any(visitors))
        .with_state(Visitors::default());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn visitors(upgrade: Upgrade, State(visitors): State<Visitors>) -> Response {
    upgrade.on_upgrade(move |ws| welcome(ws, visitors))
}

async fn welcome(mut ws: WebSocket<Stream>, visitors: Visitors) -> Result<(), tidewire::Error> {
    let number = visitors.fetch_add(1, Ordering::Relaxed) + 1;
    ws.send(format!("You are visitor number {number}.")).await?;
    while let Some(message) = ws.next().await? {
        ws.send(message).await?;
    }
    Ok(())
}
