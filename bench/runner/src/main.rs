//! Measures what a WebSocket server pays for a message, in CPU time of its own process, and
//! what it pays in memory for a connection that is idle.
//!
//! The load comes from raw epoll and precomputed frames, with no WebSocket library; every echoed
//! byte is compared. Server and load are pinned to different cores. See `bench/README.md`.
#![forbid(unsafe_code)]

mod accounting;
mod catalog;
mod cli;
mod idle;
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
mod worker;

use std::{error, fs, process::ExitCode, time::Instant};

use crate::{picture::Picture, plan::Plan, task::Task};

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
    if let (Some(path), true) = (&plan.write, plan.anew) {
        report::begin(path)?;
    }
    let mut failure_count = 0;
    let mut picture = Picture::default();
    for section in &plan.sections {
        let text = if matches!(section.task, Task::Idle | Task::TlsIdle) {
            let rows = idle::measure(plan, section);
            failure_count += rows.iter().filter(|row| row.outcome.is_err()).count();
            report::idle_section(plan, section, &rows)
        } else {
            let rows = pairs::measure(plan, section)?;
            failure_count += rows.iter().filter(|row| row.outcome.is_err()).count();
            picture.add(section, &rows);
            report::paired_section(plan, section, &rows)
        };
        publish(plan, section.task.name(), &text)?;
    }
    if let Some(path) = &plan.picture {
        fs::write(path, picture.to_svg())?;
        eprintln!("drew {}", path.display());
    }
    eprintln!("all of it took {} s", began.elapsed().as_secs());
    match failure_count {
        0 => Ok(()),
        count => {
            Err(format!("{count} rows are of servers that failed; the report says how").into())
        }
    }
}

/// Shows a finished section, and keeps it if the plan says so.
fn publish(plan: &Plan, name: &str, section: &str) -> Result<()> {
    println!("\n{section}");
    if let Some(path) = &plan.write {
        report::replace_section(path, name, section)?;
        eprintln!("wrote the section `{name}` of {}", path.display());
    }
    Ok(())
}
