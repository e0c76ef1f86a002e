//! `tidewire serve`.

use std::{
    io::{self, IsTerminal as _, Write as _},
    net::SocketAddr,
    process::ExitCode,
};

use tidewire_server::{Listeners, web};
use tokio::sync::oneshot;
use tracing::{info, level_filters::LevelFilter, warn};

use crate::{Failure, args::Serve, signals::Stop};

/// Where a bare `tidewire` listens, on the loopback addresses alone.
const PORT: u16 = 8080;

pub(crate) async fn run(serve: Serve) -> Result<ExitCode, Failure> {
    if !serve.dev {
        return Err("there is nothing to serve without --dev yet; `tidewire serve --dev` serves \
                    an open chat for trying things out"
            .to_owned());
    }
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .with_max_level(LevelFilter::from(serve.log))
        .init();
    // Before anybody knows the address, so that no signal comes too early.
    let mut signals = Stop::new().map_err(|error| format!("cannot wait for signals: {error}"))?;
    let bound = if serve.addresses.is_empty() {
        Listeners::loopback(PORT).await
    } else {
        Listeners::bind(&serve.addresses).await
    };
    let listeners = bound.map_err(|error| format!("{error}; --listen ADDR chooses another"))?;
    let key = std::env::var("TIDEWIRE_API_KEY").ok();
    let site = web::Site::demo(serve.io, serve.threads.map(|count| count.get().into()), key)
        .map_err(|error| format!("cannot start: {error}"))?;
    announce(&listeners.local_addrs().map_err(|error| error.to_string())?);
    let (stop, stopping) = oneshot::channel::<()>();
    let serving = web::serve(listeners, site, async {
        // Dropped unsent it means the same.
        let _ = stopping.await;
    });
    let impatience = async {
        signals.wait().await;
        info!("stopping; once more stops at once");
        drop(stop);
        signals.wait().await;
    };
    tokio::select! {
        () = serving => Ok(ExitCode::SUCCESS),
        () = impatience => Err("stopped before every connection had ended".to_owned()),
    }
}

/// The addresses, one in a line, for people and scripts; and what to know about them.
fn announce(addresses: &[SocketAddr]) {
    let mut stdout = io::stdout().lock();
    for address in addresses {
        // Nobody reads them: then they are in the log.
        let _ = writeln!(stdout, "http://{address}/");
        info!("listening on http://{address}/");
    }
    let _ = stdout.flush();
    warn!(
        "--dev: no passwords, and any page may connect, whatever its Origin (null included); \
         for trying things out alone"
    );
    for address in addresses.iter().filter(|address| !address.ip().is_loopback()) {
        warn!("{address} is not a loopback address: everybody who reaches it can take part");
    }
}
