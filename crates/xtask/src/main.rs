//! `cargo xtask …`: every check of the project by one command.
//!
//! Knows the order of things, their time limits and how to install what they need. Judges nothing
//! itself: verdicts come from cargo, from the Autobahn suite and from the scripts in `interop/`.
#![forbid(unsafe_code)]

mod cargo;
mod conformance;
mod fuzz;
mod interop;
mod plan;
mod process;
mod proxy;
mod setup;
mod step;
mod testee;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::plan::{Lane, Stage};
use crate::workspace::Workspace;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Every check of the project by one command")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Everything that must hold before a change lands; installs what it needs first.
    Test,
    /// Installs what the other tasks need: Debian packages, PyPI and npm packages, cargo tools.
    Setup,
    /// Autobahn against the echo examples: sections 1-10 in both roles and on the engine, over TCP and
    /// TLS, and 12-13.
    Conformance {
        /// All 517 cases in both roles and on the engine, over TCP and TLS; writes conformance/SUMMARY.md.
        #[arg(long)]
        all: bool,
        /// Of those only some, such as 1 or 1-7,10 or 12.1: the page about them goes to target/xtask.
        #[arg(long, requires = "all")]
        cases: Option<String>,
    },
    /// Ten thousand connections that come and go on the engine, and its memory afterwards.
    Soak,
    /// Clients, servers and a browser that nobody here wrote.
    Interop,
    /// The protocol core on a bare-metal target, the library on Windows and macOS.
    Portability,
    /// The protocol core's tests under Miri; some of them as on a big-endian machine, and on 32 bits.
    Miri,
    /// Each fuzz target (or those named) for some seconds.
    Fuzz {
        /// How long each target runs.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// Targets; all by default.
        targets: Vec<String>,
    },
}

fn main() -> ExitCode {
    let task = Arguments::parse().task;
    let done = Workspace::find()
        .and_then(|workspace| Ok(plan::run(stages(task, &workspace)?, &workspace)));
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::from(2)
        }
    }
}

fn stages(task: Task, workspace: &Workspace) -> Result<Vec<Stage>, String> {
    let lane = match task {
        Task::Test => {
            let compiling = joined([cargo::checks(), vec![testee::build()]]);
            let waiting = joined([setup::steps(), vec![cargo::deny()], cargo::miri()]);
            // Compiling keeps the cores busy while the set-up waits for the network. Autobahn has
            // the machine for itself: some of its cases measure time.
            return Ok(vec![
                vec![compiling, waiting],
                vec![joined([vec![cargo::soak()], conformance::ci(), interop::steps()])],
            ]);
        }
        Task::Setup => setup::steps(),
        Task::Conformance { all, cases } => joined([
            vec![setup::packages(), setup::autobahn(), testee::build()],
            match (all, cases) {
                (false, _) => conformance::ci(),
                (true, None) => conformance::all(),
                (true, Some(cases)) => conformance::some(&cases),
            },
        ]),
        Task::Interop => joined([
            vec![
                setup::packages(),
                setup::npm(),
                setup::pypi(),
                setup::chromium(),
                testee::build(),
            ],
            interop::steps(),
        ]),
        Task::Soak => vec![cargo::soak()],
        Task::Portability => cargo::portability(),
        Task::Miri => joined([vec![setup::nightly()], cargo::miri(), cargo::miri_elsewhere()]),
        Task::Fuzz { seconds, targets } => return fuzz::stages(workspace, &targets, seconds),
    };
    Ok(vec![vec![lane]])
}

fn joined<const N: usize>(lanes: [Lane; N]) -> Lane {
    lanes.into_iter().flatten().collect()
}
