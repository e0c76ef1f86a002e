//! `tidewire serve`.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    process::ExitCode,
};

use tidewire_server::{
    Listeners,
    config::Settings,
    demo,
    web::{self, Site},
};
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use crate::{Failure, args::Serve, config, log::Log, signals::Stop};

pub(crate) async fn run(serve: Serve) -> Result<ExitCode, Failure> {
    let settings = settings(&serve)?;
    let log = Log::start(&settings.options.log)?;
    // Before anybody knows the address, so that no signal comes too early.
    let mut signals = Stop::new().map_err(|error| format!("cannot wait for signals: {error}"))?;
    let clients = listen(&settings.options.http.listen.0, "--listen")?;
    let operator = listen(&settings.options.operator.listen.0, "--operator")?;
    let site =
        Site::start(&settings, serve.dev).map_err(|error| format!("cannot start: {error}"))?;
    let site = site.log_lines_dropped(log.dropped());
    let scheme = if site.is_tls() { "https" } else { "http" };
    announce(scheme, &addresses(&clients)?, &addresses(&operator)?);
    if serve.dev {
        warn_of_dev(&settings);
    }
    let (stop, stopping) = oneshot::channel::<()>();
    let serving = web::serve(clients, operator, site, async {
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
        () = impatience => {
            // Into the log: whoever has stopped to read it shall not keep the program here.
            error!("stopped before every connection had ended");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn listen(addresses: &[SocketAddr], flag: &str) -> Result<Listeners, Failure> {
    Listeners::bind(addresses).map_err(|error| format!("{error}; {flag} ADDR chooses another"))
}

fn addresses(listeners: &Listeners) -> Result<Vec<SocketAddr>, Failure> {
    listeners.local_addrs().map_err(|error| error.to_string())
}

/// The addresses, one in a line, for people and scripts: those for clients first.
fn announce(scheme: &str, clients: &[SocketAddr], operator: &[SocketAddr]) {
    let clients = clients.iter().map(|address| format!("{scheme}://{address}/"));
    let operator = operator.iter().map(|address| format!("http://{address}/metrics"));
    let mut stdout = io::stdout().lock();
    for url in clients.chain(operator) {
        // Nobody reads them: then they are in the log.
        let _ = writeln!(stdout, "{url}");
        info!("listening on {url}");
    }
    let _ = stdout.flush();
}

fn warn_of_dev(settings: &Settings) {
    warn!(
        "--dev: no passwords, and any page may connect, whatever its Origin (null included); \
         for trying things out alone"
    );
    for address in settings.options.http.listen.0.iter().filter(|at| !at.ip().is_loopback()) {
        warn!("{address} is not a loopback address: everybody who reaches it can take part");
    }
}

/// Addresses as the configuration has them, if there are any.
fn list(addresses: &[SocketAddr]) -> Option<String> {
    let texts: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(","))
}

/// What the command line says, over the environment, over the file.
fn settings(serve: &Serve) -> Result<Settings, Failure> {
    let flags = [
        ("--listen", "http.listen", list(&serve.addresses)),
        ("--operator", "operator.listen", list(&serve.operator)),
        ("--threads", "engine.threads", serve.threads.map(|count| count.to_string())),
        ("--io", "engine.io", serve.io.map(|io| io.to_string())),
        ("--drain", "drain_within", serve.drain.map(|seconds| format!("{seconds}s"))),
        ("--log", "log.level", serve.log.map(|level| level.name().to_owned())),
        ("--log-format", "log.format", serve.log_format.map(|format| format.name().to_owned())),
    ];
    let flags = flags.into_iter().filter_map(|(written, option, value)| {
        value.map(|value| (format!("{written} {value}"), option, value))
    });
    let without_file = serve.dev.then_some(("--dev", demo::CONFIG));
    config::load(serve.config.as_deref(), without_file, &flags.collect::<Vec<_>>())
}
