//! [`Commands`]: what a frame asks for, one command after the other.

use std::{fmt, str::Split};

use tidewire_hub::{Command, CommandId, Disconnect};

use super::line;

/// How much a client may put into one frame, or one body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the configuration makes it, with `..default()`")]
pub struct FrameLimits {
    /// Bytes of a frame. 64 KiB unless said otherwise.
    pub frame_len_max: usize,
    /// Commands of a frame. 256 unless said otherwise: a client that is back subscribes to all its
    /// channels in one.
    pub command_count_max: usize,
    /// Server-side subscriptions that a connect command wants recovered. 256 unless said otherwise.
    pub recovery_count_max: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self { frame_len_max: 64 * 1024, command_count_max: 256, recovery_count_max: 256 }
    }
}

/// Why a frame is not of this protocol. The session ends by [`Disconnect::BadRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// It has more than [`FrameLimits::frame_len_max`] bytes.
    FrameTooLong {
        /// As many as it has.
        len: usize,
    },
    /// It is empty.
    Empty,
    /// It has more than [`FrameLimits::command_count_max`] commands.
    TooManyCommands,
    /// A connect command wants more than [`FrameLimits::recovery_count_max`] subscriptions recovered.
    TooManyRecoveries,
    /// A line is no JSON, no object, or has a member of a wrong type.
    Syntax,
    /// A payload nests too deep.
    TooDeep,
    /// A command that wants an answer has no id.
    NoId,
    /// A command with an id has no request.
    NoRequest,
    /// A command has more than one request.
    SeveralRequests,
    /// A request has no channel.
    NoChannel,
    /// A request of a name or a token has none.
    NoToken,
}

impl Malformed {
    /// How the session ends.
    pub const fn disconnect(self) -> Disconnect {
        Disconnect::BadRequest
    }

    /// A stable name, for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FrameTooLong { .. } => "frame_too_long",
            Self::Empty => "empty",
            Self::TooManyCommands => "too_many_commands",
            Self::TooManyRecoveries => "too_many_recoveries",
            Self::Syntax => "syntax",
            Self::TooDeep => "too_deep",
            Self::NoId => "no_id",
            Self::NoRequest => "no_request",
            Self::SeveralRequests => "several_requests",
            Self::NoChannel => "no_channel",
            Self::NoToken => "no_token",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for Malformed {}

/// The commands of a frame, in order. Those before a malformed one count; with it, it is over.
///
/// A frame has one command a line, with or without a newline after the last: JSON has no other
/// newlines that matter, and no line of a well-behaved client is empty.
#[derive(Debug, Clone)]
pub struct Commands<'a> {
    /// `None` after the last, and after a malformed one.
    lines: Option<Split<'a, char>>,
    count: usize,
    limits: FrameLimits,
}

impl<'a> Commands<'a> {
    /// The commands of `frame`.
    ///
    /// # Errors
    /// If it is empty or too long.
    pub fn of_frame(frame: &'a str, limits: FrameLimits) -> Result<Self, Malformed> {
        if frame.len() > limits.frame_len_max {
            return Err(Malformed::FrameTooLong { len: frame.len() });
        }
        let frame = frame.strip_suffix('\n').unwrap_or(frame);
        if frame.is_empty() {
            return Err(Malformed::Empty);
        }
        Ok(Self { lines: Some(frame.split('\n')), count: 0, limits })
    }
}

impl Iterator for Commands<'_> {
    type Item = Result<(CommandId, Command), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some(text) = self.lines.as_mut()?.next() else {
            self.lines = None;
            return None;
        };
        self.count += 1;
        let command = if self.count > self.limits.command_count_max {
            Err(Malformed::TooManyCommands)
        } else {
            line::command(text, &self.limits)
        };
        if command.is_err() {
            self.lines = None;
        }
        Some(command)
    }
}

impl std::iter::FusedIterator for Commands<'_> {}
