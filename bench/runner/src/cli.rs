//! The command line.

use std::{path::PathBuf, time::Duration};

use crate::{
    Result,
    catalog::{Candidate, RAW_EPOLL},
    load::Job,
    machine::Cores,
    scenario::Scenario,
    traffic::Speaks,
};

pub(crate) const HELP: &str = "\
Measures WebSocket servers: CPU time per echoed message, memory per idle connection.

    tidewire-bench echo|idle|all [OPTIONS]

    --servers A,B,C         only these of the known servers (default: all)
    --server NAME=COMMAND   also this one: an echo server started by COMMAND, in which {addr}
                            or {port} stands for where it must listen
    --reference NAME        what ratios are to (default: raw-epoll)
    --scenario SCENARIO     [text:]SIZExCONNECTIONSxIN_FLIGHT; may be given more than once
    --pairs N               pairs of runs for each server and scenario (default: 10)
    --slice MILLIS          how long one run of a pair loads the server (default: 250)
    --connections N         idle connections (default: 10000)
    --write [FILE]          keep the result in FILE (default: bench/RESULTS.md)";

pub(crate) enum Command {
    Help,
    Measure(Plan),
    /// This process is the load of one server.
    Worker(Job),
}

/// What to measure, and how.
pub(crate) struct Plan {
    pub(crate) echo: bool,
    pub(crate) idle: bool,
    pub(crate) servers: Vec<Candidate>,
    /// Where in `servers` the reference is.
    pub(crate) reference: usize,
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) pair_count: usize,
    pub(crate) slice: Duration,
    pub(crate) idle_count: usize,
    pub(crate) write: Option<PathBuf>,
    pub(crate) cores: Cores,
}

const SCENARIOS: &[&str] = &[
    "125x100x1",
    "text:125x100x1",
    "125x100x16",
    "text:125x100x16",
    "1KiBx100x1",
    "16KiBx100x1",
    "1MiBx10x1",
];

pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Command> {
    let mut arguments = arguments.peekable();
    let what = arguments.next().unwrap_or_default();
    let (echo, idle) = match what.as_str() {
        "echo" => (true, false),
        "idle" => (false, true),
        "all" => (true, true),
        "worker" => return worker(arguments).map(Command::Worker),
        "" | "help" | "--help" | "-h" => return Ok(Command::Help),
        other => return Err(format!("`{other}` is neither echo, idle nor all; see --help").into()),
    };
    let mut servers = None;
    let mut commands = Vec::new();
    let mut reference = RAW_EPOLL.to_owned();
    let mut scenarios = Vec::new();
    let (mut pair_count, mut slice, mut idle_count) = (10, 250, 10_000);
    let mut write = None;
    while let Some(flag) = arguments.next() {
        if flag == "--write" {
            let file = arguments.next_if(|next| !next.starts_with("--"));
            let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../RESULTS.md"));
            write = Some(file.map_or_else(default, PathBuf::from));
            continue;
        }
        let value = arguments.next().ok_or_else(|| format!("{flag} wants a value"))?;
        match flag.as_str() {
            "--servers" => {
                servers = Some(value.split(',').map(Candidate::named).collect::<Result<_>>()?);
            }
            "--server" => commands.push(Candidate::from_command(&value)?),
            "--reference" => reference = value,
            "--scenario" => scenarios.push(value.parse()?),
            "--pairs" => pair_count = number(&flag, &value)?,
            "--slice" => slice = number(&flag, &value)?,
            "--connections" => idle_count = number(&flag, &value)?,
            _ => return Err(format!("there is no option {flag}; see --help").into()),
        }
    }
    let mut servers: Vec<Candidate> = servers.unwrap_or_else(Candidate::known);
    servers.extend(commands);
    let known = servers.iter().position(|server| server.name == reference);
    let reference = if let Some(place) = known {
        place
    } else {
        servers.insert(0, Candidate::named(&reference)?);
        0
    };
    if scenarios.is_empty() {
        scenarios = SCENARIOS.iter().map(|text| text.parse()).collect::<Result<_>>()?;
    }
    Ok(Command::Measure(Plan {
        echo,
        idle,
        servers,
        reference,
        scenarios,
        pair_count,
        slice: Duration::from_millis(slice as u64),
        idle_count,
        write,
        cores: Cores::choose()?,
    }))
}

fn number(flag: &str, value: &str) -> Result<usize> {
    match value.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{flag} wants a number above zero, not `{value}`").into()),
    }
}

/// `worker ADDR ws|raw SCENARIO`, as this program starts itself.
fn worker(mut arguments: impl Iterator<Item = String>) -> Result<Job> {
    let mut next = || arguments.next().ok_or("worker ADDR ws|raw SCENARIO");
    Ok(Job {
        addr: next()?.parse()?,
        speaks: if next()? == "raw" { Speaks::Raw } else { Speaks::WebSocket },
        scenario: next()?.parse()?,
    })
}
