//! [`Reconnecting`]: one connection after the other.

use tidewire_proto::{CloseCode, Outcome};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

use crate::{
    backoff::Backoff,
    client::Client,
    error::{Error, HandshakeError},
    proxy::ProxyError,
    websocket::WebSocket,
};

/// A client that connects again when its connection is lost: from
/// [`Client::reconnecting`].
///
/// ```no_run
/// # use tidewire::{Backoff, Client, Error};
/// # async fn run() -> Result<(), Error> {
/// let mut feed = Client::new().reconnecting("wss://example.com/feed", Backoff::default());
/// while let Some((mut ws, _attempt)) = feed.next().await? {
///     ws.send("subscribe").await?;
///     while let Ok(Some(message)) = ws.next().await {
///         println!("{message:?}");
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Reconnecting {
    client: Client,
    uri: String,
    backoff: Backoff,
    /// The connection that was handed out.
    current: Option<Current>,
    failure_count: u32,
    /// When to connect next; at once where it is `None`.
    next_attempt: Option<Instant>,
    last_error: Option<Error>,
    over: bool,
}

#[derive(Debug)]
struct Current {
    since: Instant,
    /// Sent when it is dropped: what was said of its end, if it had one.
    ended: oneshot::Receiver<Option<Outcome>>,
}

impl Client {
    /// Connects to `uri` whenever there is no connection, as patiently as `backoff` says
    /// (RFC 6455 §7.2.3).
    pub fn reconnecting(&self, uri: impl Into<String>, backoff: Backoff) -> Reconnecting {
        Reconnecting {
            client: self.clone(),
            uri: uri.into(),
            backoff,
            current: None,
            failure_count: 0,
            next_attempt: None,
            last_error: None,
            over: false,
        }
    }
}

impl Reconnecting {
    /// Waits until the last connection is gone (it, or its halves, were dropped), then for the
    /// next. With it comes how many attempts have failed, or led to a connection that did not
    /// hold, since one held.
    ///
    /// `None` is the end: one of both has closed the last connection with 1000.
    ///
    /// # Errors
    /// Where to try again would be of no use: [`Error::Closed`] after a Close with 1008 (policy
    /// violation), and [`Error::Handshake`] for a URI or a request that cannot be right, for
    /// refusals with a 4xx other than 408, 425 and 429 (401 and 403 among them), and for a proxy
    /// that refuses our credentials. Then `None`. Other errors are kept as
    /// [`last_error`](Self::last_error), and it is tried again.
    ///
    /// # Cancel safety
    /// If the future is dropped, the attempt under way ends; a delay goes on.
    pub async fn next(&mut self) -> Result<Option<(WebSocket, u32)>, Error> {
        if self.over {
            return Ok(None);
        }
        if let Some(current) = &mut self.current {
            // It may as well have been forgotten; then nothing is known.
            let outcome = (&mut current.ended).await.unwrap_or_default();
            if current.since.elapsed() >= self.backoff.stable_after {
                self.failure_count = 0;
            }
            self.current = None;
            if let Some(outcome) = outcome {
                if has_code(&outcome, CloseCode::POLICY_VIOLATION) {
                    self.over = true;
                    return Err(Error::Closed(Box::new(outcome)));
                }
                if has_code(&outcome, CloseCode::NORMAL_CLOSURE) {
                    self.over = true;
                    return Ok(None);
                }
            }
            self.wait_longer()?;
        }
        loop {
            if let Some(at) = self.next_attempt {
                sleep_until(at).await;
                self.next_attempt = None;
            }
            match self.client.connect(&self.uri).await {
                Ok(mut ws) => {
                    let ended = ws.tell_end();
                    self.current = Some(Current { since: Instant::now(), ended });
                    let failures = self.failure_count;
                    return Ok(Some((ws, failures)));
                }
                Err(error) if is_final(&error) => {
                    self.over = true;
                    return Err(error);
                }
                Err(error) => {
                    self.last_error = Some(error);
                    self.wait_longer()?;
                }
            }
        }
    }

    /// Why the last attempt that failed did so.
    pub const fn last_error(&self) -> Option<&Error> {
        self.last_error.as_ref()
    }

    fn wait_longer(&mut self) -> Result<(), Error> {
        let delay = self.backoff.delay(self.failure_count)?;
        self.failure_count = self.failure_count.saturating_add(1);
        // What the clock cannot represent is as good as never, but it is not worth a panic.
        let now = Instant::now();
        self.next_attempt = Some(now.checked_add(delay).unwrap_or(now));
        Ok(())
    }
}

/// Whether one of both has said so.
fn has_code(outcome: &Outcome, code: CloseCode) -> bool {
    [&outcome.sent, &outcome.received].into_iter().flatten().any(|frame| frame.code() == code)
}

/// Whether the next attempt would end as this one.
fn is_final(error: &Error) -> bool {
    let Error::Handshake(error) = error else { return false };
    match &**error {
        HandshakeError::Uri(_) | HandshakeError::Misuse(_) | HandshakeError::Redirect(_) => true,
        HandshakeError::Refused(response) => {
            matches!(response.status(), 400..=499) && !matches!(response.status(), 408 | 425 | 429)
        }
        HandshakeError::Proxy(error) => matches!(
            error,
            ProxyError::Uri(_)
                | ProxyError::Scheme
                | ProxyError::CredentialsMissing
                | ProxyError::CredentialsRefused
                | ProxyError::CredentialsLength
                | ProxyError::NameLength
        ),
        _ => false,
    }
}
