//! The machine the bench runs on: which core is whose, and what to say about it in a report.

use std::{
    fs,
    process::{Child, Command},
};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Result;

/// A core's number, as the kernel counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Core(pub(crate) usize);

/// Server and load never share a core.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    pub(crate) server: Core,
    pub(crate) load: Core,
}

impl Cores {
    /// The first two cores this process may run on; the later one serves, since the kernel's
    /// own work tends to land on the first.
    pub(crate) fn choose() -> Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)).map(Core);
        match (cores.next(), cores.next()) {
            (Some(load), Some(server)) => Ok(Self { server, load }),
            _ => Err("the bench needs two cores: one for the server, one for the load".into()),
        }
    }
}

/// Starts `command` on `core`. A child inherits the mask of the thread that starts it, so this
/// thread goes there for a moment and comes back.
pub(crate) fn spawn_on(core: Core, command: &mut Command) -> Result<Child> {
    let before = sched_getaffinity(None)?;
    let mut there = CpuSet::new();
    there.set(core.0);
    sched_setaffinity(None, &there)?;
    let child = command.spawn();
    sched_setaffinity(None, &before)?;
    child.map_err(|error| {
        format!("cannot start {}: {error}", command.get_program().to_string_lossy()).into()
    })
}

/// What a reader must know to judge the numbers, as lines of Markdown.
pub(crate) fn describe(cores: Cores) -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, name)| name.trim());
    let count = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let hypervisor = if cpu.contains(" hypervisor ") { ", in a virtual machine" } else { "" };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown");
    let date = output("date", &["-u", "+%Y-%m-%d %H:%M UTC"]);
    let compiler = output("rustc", &["--version"]);
    let quoted = |word: String| if word.contains(' ') { format!("'{word}'") } else { word };
    let arguments: Vec<String> = std::env::args().skip(1).map(quoted).collect();
    format!(
        "- Machine: {model}, {count} cores{hypervisor}; server on core {}, load on core {}\n\
         - Kernel: Linux {}\n\
         - Compiler: {compiler}; release, fat LTO, one codegen unit, the system's allocator\n\
         - Date: {date}; load average when it was done {load}, of which the bench itself makes 1\n\
         - Command: `cargo run --release --manifest-path bench/Cargo.toml -- {}`\n",
        cores.server.0,
        cores.load.0,
        kernel.trim(),
        arguments.join(" "),
    )
}

fn output(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown".to_owned(),
    }
}
