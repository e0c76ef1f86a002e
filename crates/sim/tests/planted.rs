//! What must hold can fail: each bug that is planted is caught, by the invariant that is there for it.
#![cfg(test)]

use std::collections::BTreeSet;

use tidewire_sim::{
    Fault,
    Invariant::{self, *},
    check,
};

/// Bugs, and what each of them breaks.
const PLANTED: &[(Fault, Invariant)] = &[
    (Fault::LoseDelivery, NoGap),
    (Fault::SkipOffset, NoGap),
    (Fault::RepeatDelivery, NoDuplicate),
    (Fault::ForgetKeys, NoDuplicate),
    (Fault::SwapPayload, OneOrder),
    (Fault::Overtake, OneOrder),
    (Fault::ClaimRecovery, RecoveredTellsTheTruth),
    (Fault::RecoverPart, RecoveredTellsTheTruth),
    (Fault::DenyRecovery, RecoversWhatItCan),
    (Fault::OmitHistory, HistoryTellsTheTruth),
    (Fault::ForgetLeave, PresenceEqualsTheLiving),
    (Fault::ForgetEnter, PresenceEqualsTheLiving),
    (Fault::IgnoreCongestion, QueuesWithinBudget),
    (Fault::ForgetUnsubscribe, NothingLeaks),
    (Fault::LoseReply, ExactlyOneReply),
    (Fault::RepeatReply, ExactlyOneReply),
    (Fault::LoseEvents, LiveAfterQuiet),
    (Fault::Acknowledge, PublishedIsThere),
    (Fault::Panic, NoPanic),
    (Fault::Stray, NothingUnasked),
    (Fault::RushDrain, DrainIsPaced),
    (Fault::StallDrain, DrainIsPaced),
    (Fault::ForgetPosition, MovesWithoutLoss),
    (Fault::DenyRecovery, MovesWithoutLoss),
    (Fault::IgnoreRate, RateIsKept),
    (Fault::CarryOutRefused, NothingHalfDone),
    (Fault::PraiseRefused, NothingHalfDone),
    (Fault::ForgetKeys, OnceForEachKey),
    (Fault::MistakeKeys, OnceForEachKey),
    (Fault::ForgetVersions, OnlyNewerVersions),
];

/// A bug does not show in every world.
const SEED_COUNT: u64 = 60;

#[test]
fn every_bug_is_caught() {
    for (fault, invariant) in PLANTED {
        let caught = (0..SEED_COUNT).find_map(|seed| {
            check(seed, Some(*fault))
                .err()
                .filter(|failed| failed.violation.invariant == *invariant)
        });
        let Some(failed) = caught else {
            panic!("{fault:?} is not caught by {}", invariant.name())
        };
        assert!(failed.replays, "{fault:?}: {failed}");
    }
}

#[test]
fn every_invariant_can_fail() {
    let broken: BTreeSet<Invariant> = PLANTED.iter().map(|(_, invariant)| *invariant).collect();
    assert_eq!(broken, Invariant::ALL.iter().copied().collect());
}
