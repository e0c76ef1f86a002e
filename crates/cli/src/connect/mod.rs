//! `tidewire connect`: a WebSocket client for a terminal, and for scripts.

mod conversation;
mod input;
mod output;
mod refusal;

use std::{process::ExitCode, sync::Arc, time::Duration};

use tidewire::{Client, DeflateConfig, Error, Limits, Timeouts, tls};

use crate::{Failure, args::Connect, signals::Stop};
use conversation::Conversation;
use output::Output;

/// Larger messages are not for a terminal. Beyond: 1009.
const MESSAGE_LEN_MAX: u64 = 64 << 20;

pub(crate) async fn run(connect: Connect) -> Result<ExitCode, Failure> {
    let output = Output::new(connect.json);
    let client = client(&connect).map_err(|error| error.to_string())?;
    let ws = match client.connect(&connect.url).await {
        Ok(ws) => ws,
        Err(error) => {
            let sentence = refusal::sentence(&error, &connect.uri(), connect.insecure);
            output.refused(&sentence, &error)?;
            return Err(sentence);
        }
    };
    output.opened(&connect.uri(), &ws)?;
    let signals = Stop::new().map_err(|error| format!("cannot wait for signals: {error}"))?;
    let mut conversation = Conversation::new(ws, input::lines(), connect.json);
    let result = conversation.run(&output, signals, &connect).await;
    let outcome = conversation.close_info().unwrap_or_default();
    output.closed(&outcome)?;
    let code = outcome.code().get();
    match result {
        Ok(()) if outcome.was_clean() && matches!(code, 1000 | 1001 | 1005) => {
            Ok(ExitCode::SUCCESS)
        }
        Ok(()) => Ok(ExitCode::FAILURE),
        Err(sentence) => {
            output.failed(&sentence)?;
            Err(sentence)
        }
    }
}

fn client(connect: &Connect) -> Result<Client, Error> {
    let mut client = Client::new()
        .limits(Limits { message_len_max: MESSAGE_LEN_MAX, ..Limits::default() })
        .subprotocols(connect.subprotocols.iter().cloned())
        .redirects(connect.redirects);
    if connect.deflate {
        client = client.deflate(DeflateConfig::default());
    }
    if let Some(proxy) = &connect.proxy {
        client = client.proxy(proxy.clone());
    }
    for (name, value) in &connect.headers {
        client = client.header(name, value)?;
    }
    if let Some(origin) = &connect.origin {
        client = client.header("Origin", origin)?;
    }
    if let Some(seconds) = connect.ping {
        let span = Duration::from_secs(seconds);
        client = client.timeouts(Timeouts {
            ping_after: Some(span),
            pong_within: span,
            ..Timeouts::default()
        });
    }
    if connect.insecure {
        client = client.tls(Arc::new(tls::unverified_client_config()?));
    }
    Ok(client)
}
