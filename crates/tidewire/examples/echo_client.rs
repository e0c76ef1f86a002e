//! Echoes what a server sends until the connection is closed.
//!
//! ```text
//! cargo run --release -p tidewire --example echo_client -- ws://127.0.0.1:9001
//! cargo run --release -p tidewire --example echo_client -- --autobahn ws://127.0.0.1:9001
//! ```
//!
//! `--deflate` offers compression (RFC 7692), `--subprotocol` a subprotocol. `--insecure` takes any
//! certificate for that of the server. With `--autobahn`, the URL is that of a fuzzing server of the
//! Autobahn Testsuite, whose cases are walked one by one.

use std::sync::Arc;

use tidewire::{Client, DeflateConfig, Error, Limits, Message, tls};

const USAGE: &str =
    "usage: echo_client [--autobahn] [--deflate] [--insecure] [--subprotocol NAME] URL";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let limits =
        Limits { message_len_max: 64 << 20, fragment_count_max: 131_072, ..Limits::default() };
    let mut client = Client::new().limits(limits);
    let mut autobahn = false;
    let mut url = None;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match &*arg {
            "--autobahn" => autobahn = true,
            "--deflate" => client = client.deflate(DeflateConfig::default()),
            "--subprotocol" => client = client.subprotocols([args.next().ok_or(USAGE)?]),
            "--insecure" => client = client.tls(Arc::new(tls::unverified_client_config()?)),
            _ if arg.starts_with('-') || url.is_some() => return Err(USAGE.into()),
            _ => url = Some(arg),
        }
    }
    let url = url.ok_or(USAGE)?;
    if autobahn { walk(&client, &url).await } else { Ok(echo(&client, &url).await?) }
}

async fn echo(client: &Client, url: &str) -> Result<(), Error> {
    let mut ws = client.connect(url).await?;
    while let Some(message) = ws.next().await? {
        ws.send(message).await?;
    }
    Ok(())
}

async fn walk(client: &Client, url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut ws = client.connect(&format!("{url}/getCaseCount")).await?;
    let count = match ws.next().await? {
        Some(Message::Text(count)) => count.parse()?,
        other => return Err(format!("not a number of cases: {other:?}").into()),
    };
    for case in 1..=count {
        // Most cases end the connection badly on purpose: the suite judges, not we.
        if let Err(error) = echo(client, &format!("{url}/runCase?case={case}&agent=tidewire")).await
        {
            eprintln!("case {case} of {count}: {error}");
        }
    }
    let mut ws = client.connect(&format!("{url}/updateReports?agent=tidewire")).await?;
    while ws.next().await?.is_some() {}
    Ok(())
}
