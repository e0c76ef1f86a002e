//! Measures what a WebSocket server pays for a message, in CPU time of its own process, and
//! what it pays in memory for a connection that is idle.
//!
//! The load comes from raw epoll and precomputed frames, with no WebSocket library; every echoed
//! byte is compared. Server and load are pinned to different cores. See `bench/README.md`.
#![forbid(unsafe_code)]

mod accounting;
mod catalog;
mod cli;
mod collected;
mod growth;
mod idle;
mod keeper;
mod load;
mod machine;
mod pairs;
mod picture;
mod plan;
mod report;
mod scenario;
mod server;
mod setup;
mod stats;
mod task;
mod words;
mod worker;

use std::{error, process::ExitCode, time::Instant};

use crate::{
    collected::{Block, Rows},
    keeper::Keeper,
    machine::Run,
    plan::Plan,
};

/// What went wrong, in one sentence for the person at the terminal.
type Error = Box<dyn error::Error>;
type Result<T, E = Error> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let outcome = match cli::parse(std::env::args().skip(1)) {
        Ok(cli::Command::Worker(job)) => load::serve(&job),
        Ok(cli::Command::Measure(plan)) => measure(plan),
        Ok(cli::Command::Help) => {
            println!("{}", cli::HELP);
            Ok(())
        }
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(mut plan: Plan) -> Result<()> {
    let began = Instant::now();
    setup::prepare(&mut plan)?;
    let plan = &plan;
    let run = Run::describe(plan.cores, plan.pair_count, plan.slice);
    let mut keeper = Keeper::open(plan)?;
    let mut failure_count = 0;
    for section in &plan.sections {
        if section.is_whole {
            keeper.collected.keep_only(section);
        }
        for scenario in &section.scenarios {
            let rows = if section.task.is_idle() {
                Rows::Idle(idle::measure(plan, section, scenario))
            } else {
                Rows::Paired(pairs::measure(plan, section, scenario)?)
            };
            let (task, scenario, run) = (section.task, *scenario, run.clone());
            let block = Block { task, scenario, run, rows, absent: section.absent.clone() };
            failure_count += block.failure_count();
            keeper.collected.put(block);
            keeper.keep()?;
        }
        println!("\n{}", report::section(&keeper.collected, section.task));
    }
    keeper.keep()?;
    eprintln!("all of it took {} s", began.elapsed().as_secs());
    match failure_count {
        0 => Ok(()),
        count => {
            Err(format!("{count} rows are of servers that failed; the report says how").into())
        }
    }
}
