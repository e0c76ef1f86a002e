//! [`Log`]: what happens, line by line on standard error.

mod queue;

use std::{
    io::{self, IsTerminal as _},
    sync::{Arc, atomic::AtomicU64},
    thread,
    time::Duration,
};

use tidewire_server::config::{self, LogFormat, LogLevel};
use tracing::level_filters::LevelFilter;

use self::queue::Queue;
use crate::Failure;

/// Bytes that wait for standard error. Beyond, lines are dropped: sessions do not wait for who reads the log.
const QUEUE_LEN_MAX: usize = 1 << 20;

/// How long the end of the program waits for what is left in the queue.
const END_WITHIN: Duration = Duration::from_secs(1);

/// The log, while it lives. When it is dropped, what waits is written, if that can be done soon.
#[derive(Debug)]
pub(crate) struct Log(Arc<Queue>);

impl Log {
    /// From now on everything is logged. Once in a program.
    pub(crate) fn start(options: &config::Log) -> Result<Self, Failure> {
        let queue = Arc::new(Queue::new(QUEUE_LEN_MAX));
        let lines = tracing_subscriber::fmt()
            .with_writer(Arc::clone(&queue))
            .with_target(false)
            .with_max_level(level(options.level));
        match options.format {
            LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).init(),
            LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).init(),
        }
        let from = Arc::clone(&queue);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || from.write_to(io::stderr()))
            .map_err(|error| format!("cannot start: {error}"))?;
        Ok(Self(queue))
    }

    /// Lines that have been dropped.
    pub(crate) fn dropped(&self) -> Arc<AtomicU64> {
        self.0.dropped()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush(END_WITHIN);
    }
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
