//! `tidewire serve`.

use std::{
    env, fs,
    io::{self, IsTerminal as _, Write as _},
    net::SocketAddr,
    path::Path,
    process::ExitCode,
};

use tidewire_server::{
    Listeners,
    config::{LogLevel, Settings, Sources},
    demo,
    web::{self, Site},
};
use tokio::sync::oneshot;
use tracing::{info, level_filters::LevelFilter, warn};

use crate::{Failure, args::Serve, signals::Stop};

pub(crate) async fn run(serve: Serve) -> Result<ExitCode, Failure> {
    let settings = settings(&serve)?;
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .with_max_level(level(settings.options.log.level))
        .init();
    // Before anybody knows the address, so that no signal comes too early.
    let mut signals = Stop::new().map_err(|error| format!("cannot wait for signals: {error}"))?;
    let bound = Listeners::bind(&settings.options.http.listen.0).await;
    let listeners = bound.map_err(|error| format!("{error}; --listen ADDR chooses another"))?;
    let site =
        Site::start(&settings, serve.dev).map_err(|error| format!("cannot start: {error}"))?;
    let scheme = if site.is_tls() { "https" } else { "http" };
    announce(scheme, &listeners.local_addrs().map_err(|error| error.to_string())?);
    if serve.dev {
        warn_of_dev(&settings);
    }
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

/// The addresses, one in a line, for people and scripts.
fn announce(scheme: &str, addresses: &[SocketAddr]) {
    let mut stdout = io::stdout().lock();
    for address in addresses {
        // Nobody reads them: then they are in the log.
        let _ = writeln!(stdout, "{scheme}://{address}/");
        info!("listening on {scheme}://{address}/");
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

/// The file, the environment over it, and flags over that.
fn settings(serve: &Serve) -> Result<Settings, Failure> {
    let mut sources = Sources::new();
    if let Some(file) = &serve.config {
        let text = fs::read_to_string(file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        sources = sources.file(&file.to_string_lossy(), &text);
    } else if serve.dev {
        sources = sources.file("--dev", demo::CONFIG);
    }
    // What is not text is none of ours: our values are.
    let texts = env::vars_os().filter_map(|(name, value)| {
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    });
    sources = sources.environment(texts);
    let addresses: Vec<_> = serve.addresses.iter().map(SocketAddr::to_string).collect();
    let flags = [
        ("--listen", "http.listen", (!addresses.is_empty()).then(|| addresses.join(","))),
        ("--threads", "engine.threads", serve.threads.map(|count| count.to_string())),
        ("--io", "engine.io", serve.io.map(|io| io.to_string())),
        ("--log", "log.level", serve.log.map(|level| level.name().to_owned())),
    ];
    for (written, option, value) in flags {
        if let Some(value) = value {
            sources = sources.flag(&format!("{written} {value}"), option, &value);
        }
    }
    // Files that the file names are looked for beside it, wherever the program was started.
    let folder = serve.config.as_deref().and_then(Path::parent).map(Path::to_path_buf);
    let folder = folder.unwrap_or_default();
    sources
        .load(|path| fs::read_to_string(folder.join(path)))
        .map_err(|error| format!("the configuration is not taken\n{error}"))
}

const fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
