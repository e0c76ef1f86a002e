//! Measures what a WebSocket server pays for a message, in CPU time of its own process, and
//! what it pays in memory for a connection that is idle.
//!
//! The load comes from raw epoll and precomputed frames, with no WebSocket library; every echoed
//! byte is compared. Server and load are pinned to different cores. See `bench/README.md`.
#![forbid(unsafe_code)]

mod accounting;
mod catalog;
mod cli;
mod connection;
mod echo;
mod idle;
mod load;
mod machine;
mod report;
mod scenario;
mod server;
mod stats;
mod traffic;
mod worker;

use std::{error, process::ExitCode};

/// What went wrong, in one sentence for the person at the terminal.
type Error = Box<dyn error::Error>;
type Result<T, E = Error> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let outcome = match cli::parse(std::env::args().skip(1)) {
        Ok(cli::Command::Worker(job)) => load::serve(&job),
        Ok(cli::Command::Measure(plan)) => measure(&plan),
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

fn measure(plan: &cli::Plan) -> Result<()> {
    catalog::build(&plan.servers)?;
    if plan.echo {
        let section = echo::measure(plan)?;
        publish(plan, "echo", &section)?;
    }
    if plan.idle {
        let section = idle::measure(plan)?;
        publish(plan, "idle", &section)?;
    }
    Ok(())
}

/// Shows a finished section, and keeps it if the plan says so.
fn publish(plan: &cli::Plan, name: &str, section: &str) -> Result<()> {
    println!("\n{section}");
    if let Some(path) = &plan.write {
        report::replace_section(path, name, section)?;
        eprintln!("wrote the section `{name}` of {}", path.display());
    }
    Ok(())
}
