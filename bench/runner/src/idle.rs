//! What an idle connection costs in memory, before its first message and after it.

use std::{thread, time::Duration};

use crate::{
    Result, accounting,
    catalog::Candidate,
    load::Job,
    plan::{Plan, Section},
    scenario::Scenario,
    server::Server,
    task::Task,
    worker::Worker,
};

/// One server with many idle connections.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// What was measured, or what the server did wrong.
    pub(crate) outcome: Result<Memory, String>,
}

/// Bytes for each connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) before: f64,
    pub(crate) after: f64,
}

/// Measures every server of `section`.
pub(crate) fn measure(plan: &Plan, section: &Section, scenario: &Scenario) -> Vec<Row> {
    eprintln!("{} {}", section.task.name(), scenario.connection_count);
    let mut rows = Vec::new();
    for candidate in &section.servers {
        let outcome =
            measure_one(plan, section.task, candidate, scenario).map_err(|error| error.to_string());
        match &outcome {
            Ok(Memory { before, after }) => {
                eprintln!("  {:26} {before:8.0} B  {after:8.0} B", candidate.name);
            }
            Err(error) => eprintln!("  {:26} {error}", candidate.name),
        }
        rows.push(Row { name: candidate.name.clone(), outcome });
    }
    rows
}

/// Opened, used and closed beforehand, so that what a server needs once is not counted.
const WARM_UP_COUNT: usize = 16;
const SETTLE_TIME: Duration = Duration::from_millis(300);

fn measure_one(
    plan: &Plan,
    task: Task,
    candidate: &Candidate,
    scenario: &Scenario,
) -> Result<Memory> {
    let server = Server::start(candidate, plan.cores.server)?;
    let job = Job { addr: server.addr, speaks: candidate.speaks, task, scenario: *scenario };
    let mut worker = Worker::start(&job, plan.cores.load)?;
    worker.open(WARM_UP_COUNT)?;
    worker.each_in_turn()?;
    worker.close()?;
    let at_first = settled(&server)?;
    worker.open(scenario.connection_count)?;
    let opened = settled(&server)?;
    worker.each_in_turn()?;
    let used = settled(&server)?;
    let each = |now: u64| (now as f64 - at_first as f64) / scenario.connection_count as f64;
    Ok(Memory { before: each(opened), after: each(used) })
}

fn settled(server: &Server) -> Result<u64> {
    thread::sleep(SETTLE_TIME);
    accounting::resident_bytes(server.pid())
}
