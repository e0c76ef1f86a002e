//! [`Deadline`]: one allowance of time that several steps share.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, timeout_at};

use crate::error::HandshakeError;

/// When the opening handshake must be done, TLS included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    within: Duration,
    /// `None` where it is beyond what the clock can represent.
    at: Option<Instant>,
}

impl Deadline {
    /// `within` from now.
    pub(crate) fn after(within: Duration) -> Self {
        Self { within, at: Instant::now().checked_add(within) }
    }

    /// What `step` returns, if it does so in time.
    pub(crate) async fn limit<F: Future>(self, step: F) -> Result<F::Output, HandshakeError> {
        match self.at {
            Some(at) => timeout_at(at, step)
                .await
                .map_err(|_| HandshakeError::Timeout { within: self.within }),
            None => Ok(step.await),
        }
    }
}
