//! The fuzz targets of `fuzz/`, each for a while.

use std::fs;
use std::time::Duration;

use crate::plan::{Lane, Stage};
use crate::setup;
use crate::step::{Desk, Step, Verdict};
use crate::workspace::Workspace;

const MINUTES: Duration = Duration::from_secs(60);
const CARGO_FUZZ: &str = "cargo +nightly fuzz";
/// Comparisons need not be traced: the dictionary has the words, and tracing each byte that the
/// oracles compare takes a third of the time.
const FLAGS: &str = "--fuzz-dir fuzz --no-trace-compares";
/// libFuzzer uses one core; the machines that run this have two.
const LANES: usize = 2;

/// Builds all targets, then runs those named (all by default) for `seconds` each.
pub(crate) fn stages(
    workspace: &Workspace,
    only: &[String],
    seconds: u32,
) -> Result<Vec<Stage>, String> {
    let build = Step::command("fuzz: build", &format!("{CARGO_FUZZ} build {FLAGS}"), 30 * MINUTES);
    let mut lanes: Vec<Lane> = (0..LANES).map(|_| Vec::new()).collect();
    for (i, name) in targets(workspace, only)?.into_iter().enumerate() {
        lanes[i % LANES]
            .push(Step::new(format!("fuzz {name}"), move |desk| run(desk, &name, seconds)));
    }
    Ok(vec![vec![vec![setup::cxx(), setup::nightly(), setup::cargo_fuzz(), build]], lanes])
}

fn targets(workspace: &Workspace, only: &[String]) -> Result<Vec<String>, String> {
    let folder = workspace.root("fuzz/fuzz_targets");
    let told = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(told)? {
        let name = entry.map_err(told)?.file_name();
        names.extend(name.to_string_lossy().strip_suffix(".rs").map(str::to_owned));
    }
    names.sort();
    if let Some(unknown) = only.iter().find(|name| !names.contains(name)) {
        return Err(format!("no fuzz target {unknown}; there are {}", names.join(", ")));
    }
    names.retain(|name| only.is_empty() || only.contains(name));
    Ok(names)
}

fn run(desk: &Desk<'_>, name: &str, seconds: u32) -> Verdict {
    let folder = desk.workspace.root("fuzz");
    // The first folder takes what is found, the second is read only.
    let corpus = folder.join("corpus").join(name);
    fs::create_dir_all(&corpus).map_err(|error| format!("{}: {error}", corpus.display()))?;
    let mut command = desk.words(&format!("{CARGO_FUZZ} run {FLAGS}"));
    command.arg(name).arg(corpus).arg(folder.join("seeds").join(name)).arg("--");
    let own = folder.join("dictionaries").join(name).with_extension("dict");
    let dictionary = if own.exists() { own } else { folder.join("dictionaries/http.dict") };
    command.arg(format!("-dict={}", dictionary.display()));
    command.arg(format!("-max_total_time={seconds}"));
    command.args(["-max_len=4096", "-timeout=60", "-print_final_stats=1"]);
    desk.run(command, Duration::from_secs(seconds.into()) + 10 * MINUTES)?;
    let lines = desk.tail(usize::MAX);
    let count = lines.iter().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    Ok(format!("{} inputs", count.map_or("no count of", str::trim)))
}
