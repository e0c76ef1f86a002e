//! The wish to stop: Ctrl-C, or SIGTERM.

use std::io;

/// Hears of Ctrl-C and SIGTERM; while it lives, neither ends the program by itself.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Stop {
    pub(crate) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    /// Ready at the next of them.
    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Hears of Ctrl-C; while it lives, that does not end the program by itself.
#[cfg(windows)]
#[derive(Debug)]
pub(crate) struct Stop(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Stop {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(tokio::signal::windows::ctrl_c()?))
    }

    /// Ready at the next one.
    pub(crate) async fn wait(&mut self) {
        self.0.recv().await;
    }
}
