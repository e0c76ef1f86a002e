//! [`Invariant`]: what must hold in every world.

use std::fmt;

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Invariant {
    /// A subscriber who is told of gaps sees each offset after the last one.
    NoGap,
    /// Nothing is seen twice, nor published twice.
    NoDuplicate,
    /// At one place in a stream everybody sees the same, and without a stream everybody sees one order.
    OneOrder,
    /// Who is told that it has recovered has everything, and who is told that it has not gets nothing of it.
    RecoveredTellsTheTruth,
    /// Where nothing goes wrong, what can be recovered is.
    RecoversWhatItCan,
    /// What is read of history is what was published.
    HistoryTellsTheTruth,
    /// Once it is quiet, presence names those who are there, and nobody else.
    PresenceEqualsTheLiving,
    /// Who does not keep up gets no publications until it does.
    QueuesWithinBudget,
    /// When all have left, nothing is left.
    NothingLeaks,
    /// Each command is answered once, while its session lives.
    ExactlyOneReply,
    /// Once it is quiet, everybody is where it wants to be, and has what was published.
    LiveAfterQuiet,
    /// What was acknowledged is in the stream.
    PublishedIsThere,
    /// Nothing panics, the parts' own checks of themselves included.
    NoPanic,
    /// Nothing comes for sessions that have ended, nor for channels that nobody asked for.
    NothingUnasked,
    /// A shard that is drained lets nobody in, tells its sessions evenly over the time that it has, and has
    /// none when that is over.
    DrainIsPaced,
    /// Who is told to go elsewhere asks there for what it has missed, and gets it.
    MovesWithoutLoss,
    /// Who gives commands faster than it may is ended for that, and nobody else is.
    RateIsKept,
    /// What is refused is not done, and is answered so.
    NothingHalfDone,
    /// What comes again under the same key is not taken again, and answered as it was the first time; and
    /// nothing else is taken for it.
    OnceForEachKey,
    /// What is not newer than what was taken is not taken, nor seen, and what is newer is.
    OnlyNewerVersions,
}

impl Invariant {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::NoGap,
        Self::NoDuplicate,
        Self::OneOrder,
        Self::RecoveredTellsTheTruth,
        Self::RecoversWhatItCan,
        Self::HistoryTellsTheTruth,
        Self::PresenceEqualsTheLiving,
        Self::QueuesWithinBudget,
        Self::NothingLeaks,
        Self::ExactlyOneReply,
        Self::LiveAfterQuiet,
        Self::PublishedIsThere,
        Self::NoPanic,
        Self::NothingUnasked,
        Self::DrainIsPaced,
        Self::MovesWithoutLoss,
        Self::RateIsKept,
        Self::NothingHalfDone,
        Self::OnceForEachKey,
        Self::OnlyNewerVersions,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoGap => "no_gap",
            Self::NoDuplicate => "no_duplicate",
            Self::OneOrder => "one_order",
            Self::RecoveredTellsTheTruth => "recovered_tells_the_truth",
            Self::RecoversWhatItCan => "recovers_what_it_can",
            Self::HistoryTellsTheTruth => "history_tells_the_truth",
            Self::PresenceEqualsTheLiving => "presence_equals_the_living",
            Self::QueuesWithinBudget => "queues_within_budget",
            Self::NothingLeaks => "nothing_leaks",
            Self::ExactlyOneReply => "exactly_one_reply",
            Self::LiveAfterQuiet => "live_after_quiet",
            Self::PublishedIsThere => "published_is_there",
            Self::NoPanic => "no_panic",
            Self::NothingUnasked => "nothing_unasked",
            Self::DrainIsPaced => "drain_is_paced",
            Self::MovesWithoutLoss => "moves_without_loss",
            Self::RateIsKept => "rate_is_kept",
            Self::NothingHalfDone => "nothing_half_done",
            Self::OnceForEachKey => "once_for_each_key",
            Self::OnlyNewerVersions => "only_newer_versions",
        }
    }
}

/// Something did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// What.
    pub invariant: Invariant,
    /// What was seen instead.
    pub seen: String,
}

/// The end of a check.
pub(crate) type Checked = Result<(), Violation>;

/// Says that `invariant` must hold here; `seen` is what is said if it does not.
pub(crate) fn hold(invariant: Invariant, holds: bool, seen: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Violation { invariant, seen: seen() }) }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant.name(), self.seen)
    }
}
