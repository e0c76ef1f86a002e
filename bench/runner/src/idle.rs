//! What an idle connection costs in memory, before its first message and after it.

use std::{thread, time::Duration};

use crate::{
    Result, accounting,
    catalog::Candidate,
    cli::Plan,
    load::Job,
    report::{self, IdleRow},
    scenario::{Kind, Scenario},
    server::Server,
    worker::Worker,
};

/// Measures every server, and answers with a section for the report.
pub(crate) fn measure(plan: &Plan) -> Result<String> {
    let mut rows = Vec::new();
    for candidate in &plan.servers {
        let row = measure_one(plan, candidate).map_err(|e| format!("{}: {e}", candidate.name))?;
        eprintln!("  {:26} {:8.0} B  {:8.0} B", row.name, row.before, row.after);
        rows.push(row);
    }
    Ok(report::idle_section(plan, &rows))
}

/// Opened, used and closed beforehand, so that what a server needs once is not counted.
const WARM_UP_COUNT: usize = 16;
const SETTLE_TIME: Duration = Duration::from_millis(300);

fn measure_one(plan: &Plan, candidate: &Candidate) -> Result<IdleRow> {
    let scenario = Scenario {
        kind: Kind::Binary,
        payload_len: 125,
        connection_count: plan.idle_count,
        in_flight: 1,
    };
    let server = Server::start(candidate, plan.cores.server)?;
    let job = Job { addr: server.addr, speaks: candidate.speaks, scenario };
    let mut worker = Worker::start(&job, plan.cores.load)?;
    worker.open(WARM_UP_COUNT)?;
    worker.each_in_turn()?;
    worker.close()?;
    let at_first = settled(&server)?;
    worker.open(plan.idle_count)?;
    let opened = settled(&server)?;
    worker.each_in_turn()?;
    let used = settled(&server)?;
    let each = |now: u64| (now as f64 - at_first as f64) / plan.idle_count as f64;
    Ok(IdleRow { name: candidate.name.clone(), before: each(opened), after: each(used) })
}

fn settled(server: &Server) -> Result<u64> {
    thread::sleep(SETTLE_TIME);
    accounting::resident_bytes(server.pid())
}
