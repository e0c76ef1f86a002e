//! What a piece of work costs: pairs of short runs, reference and candidate in turn.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    Result,
    accounting::{self, Ticks},
    catalog::Candidate,
    load::Job,
    plan::{Plan, Section},
    scenario::Scenario,
    server::Server,
    stats::Spread,
    worker::Worker,
};

/// One server at one scenario.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) scenario: Scenario,
    pub(crate) name: String,
    /// Whether the ratios of the others are to this one.
    pub(crate) is_reference: bool,
    /// What was measured, or what the server did wrong.
    pub(crate) outcome: Result<Figures, String>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// CPU time of the server for each piece of work.
    pub(crate) nanos: Spread,
    /// To the reference, of the pairs. The reference itself has none, and nobody has where it
    /// failed.
    pub(crate) ratio: Option<Spread>,
    pub(crate) pieces_per_second: f64,
    /// The server's CPU time in proportion to the time that passed.
    pub(crate) busy: f64,
    /// Bytes that came back for each piece of work.
    pub(crate) came_len: f64,
    /// How much of the server's time was its own and not the kernel's.
    pub(crate) user_share: Option<f64>,
}

/// Measures all servers of `section` at one scenario.
pub(crate) fn measure(plan: &Plan, section: &Section, scenario: &Scenario) -> Result<Vec<Row>> {
    eprintln!("{} {scenario}", section.task.name());
    let rows = measure_scenario(plan, section, scenario)?;
    for row in &rows {
        match &row.outcome {
            Ok(figures) => {
                let ratio = figures.ratio.map(|ratio| format!("  x {:.3}", ratio.median));
                let ratio = ratio.unwrap_or_default();
                eprintln!("  {:26} {:10.0} ns{ratio}", row.name, figures.nanos.median);
            }
            Err(error) => eprintln!("  {:26} {error}", row.name),
        }
    }
    Ok(rows)
}

fn measure_scenario(plan: &Plan, section: &Section, scenario: &Scenario) -> Result<Vec<Row>> {
    let reference = section.reference(scenario)?;
    let mut entries: Vec<Entry> = Vec::new();
    for candidate in &section.servers {
        entries.push(Entry::start(plan, section, candidate, scenario));
        entries.iter_mut().for_each(Entry::stay);
    }
    for pair in 0..plan.pair_count {
        for index in 0..entries.len() {
            entries.iter_mut().for_each(Entry::stay);
            if index != reference {
                run_pair(&mut entries, reference, index, pair, plan.slice);
            }
        }
        if entries.len() == 1 {
            entries[reference].run(plan.slice);
        }
        eprint!("\r  pair {} of {}", pair + 1, plan.pair_count);
    }
    eprintln!();
    let row = |(index, entry): (usize, Entry)| entry.into_row(*scenario, index == reference);
    Ok(entries.into_iter().enumerate().map(row).collect())
}

/// A B, then B A: a drift of the machine favours neither.
fn run_pair(
    entries: &mut [Entry],
    reference: usize,
    candidate: usize,
    pair: usize,
    slice: Duration,
) {
    let order =
        if pair.is_multiple_of(2) { [reference, candidate] } else { [candidate, reference] };
    let [first, second] = order.map(|place| entries[place].run(slice));
    if let (Some(first), Some(second)) = (first, second) {
        let ratio = if order[0] == reference { second / first } else { first / second };
        entries[candidate].ratios.push(ratio);
    }
}

/// One server's part in the pairs. A server that does something wrong is out from then on, and its
/// row says why: the others go on.
struct Entry {
    name: String,
    side: Result<Side, String>,
    samples: Vec<Sample>,
    ratios: Vec<f64>,
}

/// A server with its load, both at rest between runs.
struct Side {
    server: Server,
    worker: Worker,
    /// When Pings were answered.
    rested_at: Instant,
    /// When its last run ended.
    ran_at: Instant,
    ticks_before: Ticks,
}

/// One run.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// CPU time of the server for each piece of work.
    nanos: f64,
    pieces_per_second: f64,
    busy: f64,
    came_len: f64,
}

impl Entry {
    fn start(plan: &Plan, section: &Section, candidate: &Candidate, scenario: &Scenario) -> Self {
        let side =
            Side::start(plan, section, candidate, scenario).map_err(|error| error.to_string());
        Self { name: candidate.name.clone(), side, samples: Vec::new(), ratios: Vec::new() }
    }

    /// While others are measured: has the server's Pings answered, before it takes us for gone.
    fn stay(&mut self) {
        if let Ok(side) = &mut self.side
            && side.rested_at.elapsed() > REST_AFTER
            && let Err(error) = side.rest()
        {
            self.side = Err(error.to_string());
        }
    }

    /// Answers with the CPU time of each piece of work in this run.
    fn run(&mut self, slice: Duration) -> Option<f64> {
        let Ok(side) = &mut self.side else { return None };
        match side.run(slice) {
            Ok(sample) => {
                self.samples.push(sample);
                Some(sample.nanos)
            }
            Err(error) => {
                self.side = Err(error.to_string());
                None
            }
        }
    }

    fn into_row(self, scenario: Scenario, is_reference: bool) -> Row {
        let outcome = self.side.and_then(|side| {
            let spread = |of: fn(&Sample) -> f64| {
                Spread::of(self.samples.iter().map(of)).ok_or("not measured: the reference failed")
            };
            Ok(Figures {
                nanos: spread(|sample| sample.nanos)?,
                ratio: Spread::of(self.ratios),
                pieces_per_second: spread(|sample| sample.pieces_per_second)?.median,
                busy: spread(|sample| sample.busy)?.median,
                came_len: spread(|sample| sample.came_len)?.median,
                user_share: side.user_share(),
            })
        });
        Row { scenario, name: self.name, is_reference, outcome }
    }
}

impl Side {
    fn start(
        plan: &Plan,
        section: &Section,
        candidate: &Candidate,
        scenario: &Scenario,
    ) -> Result<Self> {
        let server = Server::start(candidate, plan.cores.server)?;
        let job = Job {
            addr: server.addr,
            speaks: candidate.speaks,
            task: section.task,
            scenario: *scenario,
        };
        let mut worker = Worker::start(&job, plan.cores.load)?;
        worker.open(scenario.connection_count)?;
        worker.run(WARM_UP)?;
        let ticks_before = accounting::ticks(server.pid())?;
        let now = Instant::now();
        Ok(Self { server, worker, rested_at: now, ran_at: now, ticks_before })
    }

    fn rest(&mut self) -> Result<()> {
        self.rested_at = Instant::now();
        self.worker.rest()
    }

    fn run(&mut self, slice: Duration) -> Result<Sample> {
        thread::sleep(IDLE_MIN.saturating_sub(self.ran_at.elapsed()));
        self.rest()?;
        let before = accounting::cpu_nanos_at_rest(self.server.pid())?;
        let done = self.worker.run(slice)?;
        self.ran_at = Instant::now();
        let cpu = accounting::cpu_nanos_at_rest(self.server.pid())?.saturating_sub(before);
        let seconds = done.elapsed.as_secs_f64();
        Ok(Sample {
            nanos: cpu as f64 / done.piece_count as f64,
            pieces_per_second: done.piece_count as f64 / seconds,
            busy: cpu as f64 / 1e9 / seconds,
            came_len: done.came_len as f64 / done.piece_count as f64,
        })
    }

    /// `None` if too little time passed to tell.
    fn user_share(&self) -> Option<f64> {
        let now = accounting::ticks(self.server.pid()).ok()?;
        let user = now.user - self.ticks_before.user;
        let all = user + now.system - self.ticks_before.system;
        (all >= TICKS_MIN).then(|| user as f64 / all as f64)
    }
}

/// Servers wait for a Pong for some ten seconds at least.
const REST_AFTER: Duration = Duration::from_secs(4);
/// Every run begins after such a pause at least, the reference's too, whose turn comes again and again.
///
/// TCP treats a connection otherwise when nothing has come on it for longer than a retransmission
/// timeout, which is 200 ms on loopback: what comes then is acknowledged at once, up to 16 times, so on
/// the sender's core, and not when the receiver reads, on the receiver's. With runs of 100 ms that
/// was true of all but the reference, and a loop beside itself took 1.16 times as long.
const IDLE_MIN: Duration = Duration::from_millis(300);
const WARM_UP: Duration = Duration::from_millis(200);
const TICKS_MIN: u64 = 50;
