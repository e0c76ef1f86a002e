//! [`Refusal`]: an HTTP response that ends a connection.

use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tidewire_proto::{Timestamp, handshake::Response};

/// What is left to write of it, and until when the peer may read it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) unsent: Bytes,
    pub(crate) deadline: Timestamp,
}

/// How long a refused peer may take to read why.
const LINGER: Duration = Duration::from_secs(2);

impl Refusal {
    pub(crate) fn new(response: &Response, now: Timestamp) -> Self {
        Self { unsent: response.encode().into(), deadline: now.saturating_add(LINGER) }
    }

    pub(crate) fn advance(&mut self, len: usize) {
        self.unsent.advance(len);
    }
}
