//! Deterministic worlds: a seed decides who connects, publishes, leaves and stalls, what is delayed and what
//! is full; and after every step it is asked whether what must hold does.
//!
//! A world has shards ([`tidewire_hub::Shard`]), partitions ([`tidewire_brokers::memory::Partition`]), bounded
//! queues between them, and clients that remember everything they have seen. Nothing in it reads a clock or
//! draws a number but from the seed, so a seed is a bug report: [`check`] it again, and it happens again.
//!
//! What must hold is listed by [`Invariant`]. That each of them can fail is shown by a [`Fault`] that makes it.
#![forbid(unsafe_code)]

mod accepted;
mod api;
mod chaos;
mod client;
mod distort;
mod draining;
mod effects;
mod fault;
mod host;
mod invariant;
mod network;
mod pacing;
mod quiet;
mod random;
mod reading;
mod recorder;
mod sessions;
mod tally;
mod terrain;
mod tokens;
mod transport;
mod truth;
mod world;

pub use fault::Fault;
pub use invariant::{Invariant, Violation};
pub use tally::Tally;

use std::{
    fmt,
    panic::{self, AssertUnwindSafe},
};

use world::World;

/// Lives through the world of a seed, with a bug in it or without. Tells what has happened there.
///
/// # Errors
/// If something does not hold.
pub fn check(seed: u64, fault: Option<Fault>) -> Result<Tally, Box<Failed>> {
    let mut world = World::new(seed, fault, false);
    let Err(violation) = live(&mut world) else {
        world.count_up();
        return Ok(world.tally);
    };
    // Once more, to tell how it came to that.
    let mut world = World::new(seed, fault, true);
    let replays = live(&mut world).as_ref() == Err(&violation);
    let trace = world.trace.unwrap_or_default();
    Err(Box::new(Failed { seed, violation, replays, trace }))
}

/// A world's life. That something panics is found like anything else.
fn live(world: &mut World) -> Result<(), Violation> {
    panic::catch_unwind(AssertUnwindSafe(|| world.run())).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(Violation { invariant: Invariant::NoPanic, seen: text.unwrap_or_default() })
    })
}

/// A world in which something did not hold.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failed {
    /// Which world.
    pub seed: u64,
    /// What did not hold.
    pub violation: Violation,
    /// Whether it happened again in the same way; if not, something is not decided by the seed.
    pub replays: bool,
    /// What happened.
    pub trace: Vec<String>,
}

/// What happened last is what one looks at first.
const LINES_SHOWN: usize = 60;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.trace.iter().skip(self.trace.len().saturating_sub(LINES_SHOWN)) {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "{}", self.violation)?;
        if !self.replays {
            writeln!(f, "It did not happen again: not everything is decided by the seed.")?;
        }
        write!(f, "SIM_SEED={} cargo test -p tidewire-sim", self.seed)
    }
}
