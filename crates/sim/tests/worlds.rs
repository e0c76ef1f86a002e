//! Worlds by the thousand, or the one that `SIM_SEED` names; `SIM_TRACE` is where all that happened in it goes.
#![cfg(test)]

use std::{collections::BTreeMap, env, fs, thread};

use tidewire_sim::{Failed, Tally, check};

/// Seeds that are tried. `SIM_SEEDS` says otherwise; `SIM_FIRST` where they begin.
const SEED_COUNT: u64 = 4_000;

/// What has to have happened somewhere, for else nothing is known of it.
const HAPPENS: &[(&str, &str)] = &[
    ("announced", "came"),
    ("announced", "left"),
    ("by the application", "anew"),
    ("by the application", "not recovered"),
    ("by the application", "nothing missed"),
    ("by the application", "recovered"),
    ("disconnect", "expired"),
    ("disconnect", "force_reconnect"),
    ("disconnect", "in the application's words"),
    ("disconnect", "insufficient_state"),
    ("disconnect", "no_pong"),
    ("disconnect", "shutdown"),
    ("disconnect", "slow"),
    ("disconnect", "too_many_requests"),
    ("error", "internal"),
    ("error", "too_many_requests"),
    ("error", "unrecoverable_position"),
    ("event", "had no room"),
    ("event", "lost"),
    ("event", "top"),
    ("moved", "recovered"),
    ("publication", "held back"),
    ("publication", "live"),
    ("push", "subscribed"),
    ("recovered", "publications"),
    ("request", "had no room"),
    ("request", "overdue"),
    ("session", "congested"),
    ("shard", "restarted"),
    ("subscribed", "anew"),
    ("subscribed", "not recovered"),
    ("subscribed", "nothing missed"),
    ("subscribed", "recovered"),
    ("suppressed", "for its key"),
    ("suppressed", "for its version"),
    ("unsubscribed", "expired"),
    ("unsubscribed", "insufficient_state"),
    ("unsubscribed", "server"),
];

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn everything_holds_in_every_world() {
    if let Some(seed) = number("SIM_SEED") {
        return replay(seed);
    }
    let (tally, failed) = live_through(number("SIM_SEEDS").unwrap_or(SEED_COUNT));
    let mut summary = BTreeMap::<_, Vec<u64>>::new();
    for failed in &failed {
        summary.entry(failed.violation.invariant.name()).or_default().push(failed.seed);
    }
    for (invariant, seeds) in summary {
        println!("{invariant}: {} worlds, seeds {:?}", seeds.len(), &seeds[..seeds.len().min(8)]);
    }
    if let Some(first) = failed.first() {
        panic!("{first}");
    }
    for (what, which, count) in tally.iter() {
        println!("{count:8} {what} {which}");
    }
    for (what, which) in HAPPENS {
        assert!(tally.count(what, which) > 0, "{what}, {which}: in no world");
    }
}

fn replay(seed: u64) {
    let Err(failed) = check(seed, None) else { return };
    if let Ok(path) = env::var("SIM_TRACE") {
        fs::write(path, failed.trace.join("\n")).unwrap();
    }
    panic!("{failed}");
}

/// So many worlds, on as many threads as there are: what happened, and where something did not hold.
fn live_through(count: u64) -> (Tally, Vec<Failed>) {
    let first = number("SIM_FIRST").unwrap_or(0);
    let step = thread::available_parallelism().map_or(1, usize::from);
    let some = |at| {
        move || {
            let (mut tally, mut failed) = (Tally::default(), Vec::new());
            for seed in (first..first + count).skip(at).step_by(step) {
                match check(seed, None) {
                    Ok(lived) => tally.add(&lived),
                    Err(one) => failed.push(*one),
                }
            }
            (tally, failed)
        }
    };
    let (mut tally, mut failed) = (Tally::default(), Vec::new());
    thread::scope(|scope| {
        let threads: Vec<_> = (0..step).map(|at| scope.spawn(some(at))).collect();
        for thread in threads {
            let (lived, fails) = thread.join().unwrap();
            tally.add(&lived);
            failed.extend(fails);
        }
    });
    failed.sort_by_key(|failed| failed.seed);
    (tally, failed)
}
