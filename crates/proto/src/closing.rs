//! The closing handshake (RFC 6455 §7.1): all states and all their transitions.

use alloc::boxed::Box;
use core::{fmt, time::Duration};

use crate::{
    close::{CloseCode, CloseFrame},
    error::{LimitExceeded, ProtocolViolation},
    limits::Timeouts,
    opcode::Role,
    time::Timestamp,
};

/// The state of a connection, under the names that every WebSocket API uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the four states of the WebSocket API")]
pub enum ReadyState {
    /// The opening handshake is under way. A [`Connection`](crate::Connection) begins after it.
    Connecting,
    /// _The WebSocket Connection is Established._ Messages travel both ways.
    Open,
    /// _The WebSocket Closing Handshake is Started_: a Close frame was sent or received.
    Closing,
    /// _The WebSocket Connection is Closed._
    Closed,
}

/// Why we failed the connection (RFC 6455 §7.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "against the RFC, against our limits, or too late")]
pub enum Failure {
    /// The peer broke a rule of an RFC.
    Protocol(ProtocolViolation),
    /// The peer sent more than we accept.
    Limit(LimitExceeded),
    /// The peer was too slow, or is gone.
    Timeout(TimeoutKind),
}

/// Which of the [`Timeouts`] ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeoutKind {
    /// Nothing came after our Ping (`pong_within`).
    Pong,
    /// A message was begun and not finished (`message`).
    Message,
    /// The peer takes too little of what is queued for it (`write_stall`).
    WriteStall,
}

impl Failure {
    /// The status code that our Close carried, or would have.
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Protocol(violation) => violation.close_code(),
            Self::Limit(limit) => limit.close_code(),
            Self::Timeout(_) => CloseCode::POLICY_VIOLATION,
        }
    }

    /// A stable name for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Protocol(violation) => violation.name(),
            Self::Limit(limit) => limit.name(),
            Self::Timeout(kind) => kind.name(),
        }
    }
}

impl TimeoutKind {
    /// A stable name for logs and metrics: that of the [timeout](crate::Timeouts).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pong => "pong_within",
            Self::Message => "message",
            Self::WriteStall => "write_stall",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(violation) => violation.fmt(f),
            Self::Limit(limit) => limit.fmt(f),
            Self::Timeout(kind) => kind.fmt(f),
        }
    }
}

impl core::error::Error for Failure {}

impl fmt::Display for TimeoutKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pong => "the peer did not answer our Ping in time (pong_within)",
            Self::Message => "the peer did not finish a message in time (message)",
            Self::WriteStall => "the peer takes too little of what is sent to it (write_stall)",
        })
    }
}

/// Who sent the first Close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a connection has two ends")]
pub enum Initiator {
    /// This endpoint.
    Local,
    /// The peer.
    Remote,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// The Close frame that we queued, if any.
    pub sent: Option<CloseFrame>,
    /// The Close frame that arrived, if any.
    pub received: Option<CloseFrame>,
    /// Whose Close was first; `None` where there was none.
    pub initiator: Option<Initiator>,
    /// Why we failed the connection, if we did.
    pub failure: Option<Failure>,
}

impl Outcome {
    /// _The WebSocket Connection Close Code_ (§7.1.5): the peer's code, 1005 where its Close had
    /// none, 1006 where no Close arrived.
    pub const fn code(&self) -> CloseCode {
        match &self.received {
            Some(frame) => frame.code(),
            None => CloseCode::ABNORMAL_CLOSURE,
        }
    }

    /// _The WebSocket Connection Close Reason_ (§7.1.6).
    pub fn reason(&self) -> &str {
        self.received.as_ref().map_or("", CloseFrame::reason)
    }

    /// Whether it was closed _cleanly_ (§7.1.4): the closing handshake was completed.
    pub const fn was_clean(&self) -> bool {
        self.sent.is_some() && self.received.is_some() && self.failure.is_none()
    }
}

/// What the driver has to do with the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle each")]
pub enum Transport {
    /// Read and write as ever.
    Open,
    /// Write what the outbox holds, then end the sending half (TCP: FIN; TLS: `close_notify`
    /// before it), and read on until the peer ends its half. What arrives is discarded; not to
    /// read it would turn our Close into a reset (RFC 6455 §7.1.1).
    EndSending,
    /// Close it. There is nothing left to wait for.
    Ended,
}

/// How far the closing handshake has come (RFC 6455 §7.1).
#[derive(Debug)]
pub(crate) enum State {
    /// _The WebSocket Connection is Established._
    Open,
    /// Our Close is queued. Messages may still arrive until the peer's Close does (§5.5.1).
    CloseSent(Box<Closing>),
    /// Both Close frames are on their way. A server now ends TCP; a client waits (§7.1.1).
    CloseExchanged(Box<Closing>),
    /// We fail the connection (§7.1.7): our Close is queued, what arrives is not processed.
    Failed(Box<Closing>),
    /// The transport has ended, or shall end now.
    Closed(Box<Closing>),
}

#[derive(Debug, Default)]
pub(crate) struct Closing {
    pub(crate) outcome: Outcome,
    pub(crate) deadline: Timestamp,
    /// Bytes that were discarded after the end.
    discarded: u64,
}

/// How long a connection lingers for the peer's end of the transport once our side is written.
const LINGER: Duration = Duration::from_millis(500);

/// How much is discarded meanwhile; a peer that sends more than that is cut off.
const LINGER_LEN_MAX: u64 = 16 << 20;

impl State {
    /// Our application closes: our Close has just been queued.
    pub(crate) fn close_sent(&mut self, frame: CloseFrame, now: Timestamp, timeouts: &Timeouts) {
        debug_assert!(matches!(self, Self::Open), "only an open connection begins to close");
        let outcome =
            Outcome { sent: Some(frame), initiator: Some(Initiator::Local), ..Outcome::default() };
        *self = Self::CloseSent(Closing::new(outcome, now.saturating_add(timeouts.close)));
    }

    /// The peer's Close arrived. Returns the Close that must now be queued, if ours is not yet.
    pub(crate) fn close_received(
        &mut self,
        frame: CloseFrame,
        now: Timestamp,
        timeouts: &Timeouts,
    ) -> Option<CloseFrame> {
        match self {
            Self::Open => {
                // §5.5.1: "When sending a Close frame in response, the endpoint typically echos
                // the status code it received."
                let answer = if frame.is_empty() {
                    CloseFrame::EMPTY
                } else {
                    CloseFrame::from_code(frame.code())
                };
                let outcome = Outcome {
                    sent: Some(answer.clone()),
                    received: Some(frame),
                    initiator: Some(Initiator::Remote),
                    failure: None,
                };
                let deadline = now.saturating_add(timeouts.close);
                *self = Self::CloseExchanged(Closing::new(outcome, deadline));
                Some(answer)
            }
            Self::CloseSent(closing) => {
                closing.outcome.received = Some(frame);
                let closing = core::mem::take(closing);
                *self = Self::CloseExchanged(closing);
                None
            }
            Self::CloseExchanged(_) | Self::Failed(_) | Self::Closed(_) => None,
        }
    }

    /// We fail the connection. Returns the Close that must now be queued, if ours is not yet.
    pub(crate) fn fail(&mut self, failure: Failure, now: Timestamp) -> Option<CloseFrame> {
        // §7.1.7 needs no reason, and ours would tell about our insides.
        let close = CloseFrame::from_code(failure.close_code());
        let deadline = now.saturating_add(LINGER);
        match self {
            Self::Open => {
                let outcome = Outcome {
                    sent: Some(close.clone()),
                    initiator: Some(Initiator::Local),
                    failure: Some(failure),
                    ..Outcome::default()
                };
                *self = Self::Failed(Closing::new(outcome, deadline));
                Some(close)
            }
            Self::CloseSent(closing) => {
                closing.outcome.failure = Some(failure);
                closing.deadline = deadline;
                let closing = core::mem::take(closing);
                *self = Self::Failed(closing);
                None
            }
            Self::CloseExchanged(_) | Self::Failed(_) | Self::Closed(_) => None,
        }
    }

    /// The transport has ended, or nobody waits for its end any longer. Returns the outcome the
    /// first time.
    pub(crate) fn end(&mut self, failure: Option<Failure>) -> Option<Box<Outcome>> {
        let mut closing = match self {
            Self::Open => Closing::new(Outcome::default(), Timestamp::ZERO),
            Self::CloseSent(closing) | Self::CloseExchanged(closing) | Self::Failed(closing) => {
                core::mem::take(closing)
            }
            Self::Closed(_) => return None,
        };
        if closing.outcome.failure.is_none() {
            closing.outcome.failure = failure;
        }
        let outcome = Box::new(closing.outcome.clone());
        *self = Self::Closed(closing);
        Some(outcome)
    }

    /// Everything of ours is written: where we end the transport, the peer has only so long to
    /// follow.
    pub(crate) fn all_written(&mut self, role: Role, now: Timestamp) {
        let transport = self.transport(role);
        if let Self::CloseExchanged(closing) | Self::Failed(closing) = self
            && transport == Transport::EndSending
        {
            closing.deadline = closing.deadline.min(now.saturating_add(LINGER));
        }
    }

    /// Bytes arrived that nobody reads any more. Whether it was more than we bear.
    pub(crate) fn discard(&mut self, len: usize) -> bool {
        match self {
            Self::CloseExchanged(closing) | Self::Failed(closing) => {
                closing.discarded += len as u64;
                closing.discarded > LINGER_LEN_MAX
            }
            Self::Open | Self::CloseSent(_) | Self::Closed(_) => false,
        }
    }

    pub(crate) const fn ready_state(&self) -> ReadyState {
        match self {
            Self::Open => ReadyState::Open,
            Self::CloseSent(_) | Self::CloseExchanged(_) | Self::Failed(_) => ReadyState::Closing,
            Self::Closed(_) => ReadyState::Closed,
        }
    }

    pub(crate) const fn transport(&self, role: Role) -> Transport {
        match (self, role) {
            // §5.5.1: "The server MUST close the underlying TCP connection immediately; the client
            // SHOULD wait for the server to close the connection".
            (Self::Open | Self::CloseSent(_), _) | (Self::CloseExchanged(_), Role::Client) => {
                Transport::Open
            }
            (Self::CloseExchanged(_), Role::Server) | (Self::Failed(_), _) => Transport::EndSending,
            (Self::Closed(_), _) => Transport::Ended,
        }
    }

    /// Whether what arrives is still processed.
    pub(crate) const fn is_receiving(&self) -> bool {
        matches!(self, Self::Open | Self::CloseSent(_))
    }

    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::CloseSent(closing) | Self::CloseExchanged(closing) | Self::Failed(closing) => {
                Some(closing.deadline)
            }
            Self::Open | Self::Closed(_) => None,
        }
    }

    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Open => None,
            Self::CloseSent(closing)
            | Self::CloseExchanged(closing)
            | Self::Failed(closing)
            | Self::Closed(closing) => Some(&closing.outcome),
        }
    }
}

impl Closing {
    #[expect(clippy::unnecessary_box_returns, reason = "State keeps it boxed")]
    fn new(outcome: Outcome, deadline: Timestamp) -> Box<Self> {
        Box::new(Self { outcome, deadline, discarded: 0 })
    }
}
