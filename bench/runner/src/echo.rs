//! What an echo costs: pairs of short runs, reference and candidate in turn.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    Result,
    accounting::{self, Ticks},
    catalog::Candidate,
    cli::Plan,
    load::Job,
    report::{self, EchoRow},
    scenario::Scenario,
    server::Server,
    stats::Spread,
    worker::Worker,
};

/// Measures every scenario, and answers with a section for the report.
pub(crate) fn measure(plan: &Plan) -> Result<String> {
    let mut rows = Vec::new();
    for scenario in &plan.scenarios {
        rows.extend(measure_scenario(plan, scenario)?);
    }
    Ok(report::echo_section(plan, &rows))
}

/// A server with its load, both at rest between runs.
struct Side {
    server: Server,
    worker: Worker,
    ticks_before: Ticks,
}

/// One run.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// CPU time of the server per message.
    nanos: f64,
    messages_per_second: f64,
    /// The server's CPU time in proportion to the time that passed.
    busy: f64,
}

fn measure_scenario(plan: &Plan, scenario: &Scenario) -> Result<Vec<EchoRow>> {
    eprintln!("{scenario}");
    let mut sides = Vec::new();
    for candidate in &plan.servers {
        let side = Side::start(plan, candidate, scenario)
            .map_err(|error| format!("{}: {error}", candidate.name))?;
        sides.push(side);
    }
    let mut samples: BTreeMap<usize, Vec<Sample>> = BTreeMap::new();
    let mut ratios: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for pair in 0..plan.pair_count {
        for index in 0..sides.len() {
            if index == plan.reference {
                continue;
            }
            // A B, then B A: a drift of the machine favours neither.
            let mut order = [plan.reference, index];
            if pair % 2 == 1 {
                order.reverse();
            }
            let mut nanos = [0.0; 2];
            for place in order {
                let name = &plan.servers[place].name;
                let sample = sides[place].run(plan.slice).map_err(|e| format!("{name}: {e}"))?;
                nanos[usize::from(place == index)] = sample.nanos;
                samples.entry(place).or_default().push(sample);
            }
            ratios.entry(index).or_default().push(nanos[1] / nanos[0]);
        }
        if sides.len() == 1 {
            let sample = sides[plan.reference].run(plan.slice)?;
            samples.entry(plan.reference).or_default().push(sample);
        }
        eprint!("\r  pair {} of {}", pair + 1, plan.pair_count);
    }
    eprintln!();
    let mut rows = Vec::new();
    for (index, side) in sides.iter().enumerate() {
        let samples = samples.get(&index).map_or(&[][..], Vec::as_slice);
        let spread = |of: fn(&Sample) -> f64| Spread::of(samples.iter().map(of)).ok_or("no sample");
        rows.push(EchoRow {
            scenario: *scenario,
            name: plan.servers[index].name.clone(),
            nanos: spread(|sample| sample.nanos)?,
            ratio: ratios.get(&index).and_then(|ratios| Spread::of(ratios.iter().copied())),
            messages_per_second: spread(|sample| sample.messages_per_second)?.median,
            busy: spread(|sample| sample.busy)?.median,
            user_share: side.user_share()?,
        });
        let row = &rows[rows.len() - 1];
        let ratio = row.ratio.map_or(1.0, |ratio| ratio.median);
        eprintln!("  {:26} {:10.0} ns  x {ratio:.3}", row.name, row.nanos.median);
    }
    Ok(rows)
}

impl Side {
    fn start(plan: &Plan, candidate: &Candidate, scenario: &Scenario) -> Result<Self> {
        let server = Server::start(candidate, plan.cores.server)?;
        let job = Job { addr: server.addr, speaks: candidate.speaks, scenario: *scenario };
        let mut worker = Worker::start(&job, plan.cores.load)?;
        worker.open(scenario.connection_count)?;
        worker.run(WARM_UP)?;
        let ticks_before = accounting::ticks(server.pid())?;
        Ok(Self { server, worker, ticks_before })
    }

    fn run(&mut self, slice: Duration) -> Result<Sample> {
        let before = accounting::cpu_nanos_at_rest(self.server.pid())?;
        let done = self.worker.run(slice)?;
        let cpu = accounting::cpu_nanos_at_rest(self.server.pid())? - before;
        let seconds = done.elapsed.as_secs_f64();
        Ok(Sample {
            nanos: cpu as f64 / done.message_count as f64,
            messages_per_second: done.message_count as f64 / seconds,
            busy: cpu as f64 / 1e9 / seconds,
        })
    }

    /// How much of the server's time was its own and not the kernel's; `None` if too little
    /// passed to tell.
    fn user_share(&self) -> Result<Option<f64>> {
        let now = accounting::ticks(self.server.pid())?;
        let user = now.user - self.ticks_before.user;
        let all = user + now.system - self.ticks_before.system;
        Ok((all >= TICKS_MIN).then(|| user as f64 / all as f64))
    }
}

const WARM_UP: Duration = Duration::from_millis(200);
const TICKS_MIN: u64 = 50;
