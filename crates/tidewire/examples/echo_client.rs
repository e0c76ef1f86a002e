//! Echoes what a server sends until the connection is closed.
//!
//! ```text
//! cargo run --release -p tidewire --example echo_client -- ws://127.0.0.1:9001
//! cargo run --release -p tidewire --example echo_client -- --autobahn ws://127.0.0.1:9001
//! ```
//!
//! With `--autobahn`, the URL is that of a fuzzing server of the Autobahn Testsuite, whose cases
//! are walked one by one.

use tidewire::{Client, Error, Limits, Message};

const USAGE: &str = "usage: echo_client [--autobahn] URL";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let autobahn = args.iter().position(|arg| arg == "--autobahn").map(|at| args.remove(at));
    let [url] = &args[..] else { return Err(USAGE.into()) };
    let limits =
        Limits { message_len_max: 64 << 20, fragment_count_max: 131_072, ..Limits::default() };
    let client = Client::new().limits(limits);
    match autobahn {
        Some(_) => walk(&client, url).await?,
        None => echo(&client, url).await?,
    }
    Ok(())
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
