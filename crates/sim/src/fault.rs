//! [`Fault`]: bugs that are planted to see that they are caught.

/// A bug in what stands between shards, partitions and clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A publication does not reach one of its receivers.
    LoseDelivery,
    /// A publication reaches one of its receivers twice.
    RepeatDelivery,
    /// A partition leaves out an offset.
    SkipOffset,
    /// A publication comes to one shard with another's payload.
    SwapPayload,
    /// Publications without a stream overtake each other.
    Overtake,
    /// A partition takes a publication again that it has taken under the same key.
    ForgetKeys,
    /// Who has not recovered is told that it has.
    ClaimRecovery,
    /// Who has recovered does not get the first of what it has missed.
    RecoverPart,
    /// Who could recover is told that it cannot.
    DenyRecovery,
    /// A reply to a request for history lacks one in the middle.
    OmitHistory,
    /// A session's end does not reach presence.
    ForgetLeave,
    /// A subscriber does not reach presence.
    ForgetEnter,
    /// A shard is not told that a session does not keep up.
    IgnoreCongestion,
    /// A partition goes on sending what nobody wants any more.
    ForgetUnsubscribe,
    /// A reply does not reach its session.
    LoseReply,
    /// A reply comes twice.
    RepeatReply,
    /// A shard's events are lost, and nobody says so.
    LoseEvents,
    /// Something is acknowledged and not published.
    Acknowledge,
    /// Something that cannot be has happened.
    Panic,
    /// A publication comes to somebody who has not subscribed.
    Stray,
    /// All sessions of a shard that is drained are told at once.
    RushDrain,
    /// A shard that is drained does not hear how time passes.
    StallDrain,
    /// Who is told to go elsewhere forgets where it was.
    ForgetPosition,
    /// A shard knows of no rate.
    IgnoreRate,
    /// A publication that is refused is published.
    CarryOutRefused,
    /// A reply says that what was refused is done.
    PraiseRefused,
    /// A partition does not hear of versions.
    ForgetVersions,
    /// A partition takes what is new for something that it has under the same key.
    MistakeKeys,
}
