//! [`RequestId`]: by what all that is logged of one request is found again.

use std::{
    fmt,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
};

use http::Uri;

use crate::door::redacted;

/// The name of a request in logs: a random part for this run of the program, so that those of several
/// nodes and of before do not meet, and a number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId {
    run: u32,
    number: u64,
}

/// Whose request it is, and which.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) request: RequestId,
    /// The other end of the connection, which may be a proxy.
    pub(crate) peer: SocketAddr,
}

/// Names requests.
#[derive(Debug)]
pub(crate) struct RequestIds {
    run: u32,
    count: AtomicU64,
}

/// Characters of a target that are logged.
const SHOWN_MAX: usize = 256;

impl RequestIds {
    /// With a random part that was drawn for this run.
    pub(crate) const fn new(run: u32) -> Self {
        Self { run, count: AtomicU64::new(0) }
    }

    pub(crate) fn next(&self) -> RequestId {
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        RequestId { run: self.run, number }
    }
}

/// A target as it is logged: without the values of its query, and not longer than a line should be.
pub(crate) fn shown(target: &Uri) -> String {
    let mut shown = redacted(target);
    if let Some((at, _)) = shown.char_indices().nth(SHOWN_MAX) {
        shown.truncate(at);
        shown.push('…');
    }
    shown
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.run, self.number)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_has_a_name() {
        let ids = RequestIds::new(0xBEEF);
        assert_eq!(ids.next().to_string(), "0000beef-1");
        assert_eq!(ids.next().to_string(), "0000beef-2");
    }

    #[test]
    fn a_target_is_shown_without_values_and_within_bounds() {
        let at = "/".to_owned() + &"x".repeat(SHOWN_MAX - 1);
        let cases = [
            ("/a?token=secret&b=1", "/a?token=…&b=…".to_owned()),
            (&at, at.clone()),
            (&format!("{at}y"), format!("{at}…")),
        ];
        for (target, expected) in cases {
            assert_eq!(shown(&target.parse().unwrap()), expected);
        }
    }
}
