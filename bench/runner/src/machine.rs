//! The machine the bench runs on: which core is whose, and what to say about it in a report.

use std::{
    fs,
    process::{Child, Command},
    time::Duration,
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

/// What a reader must know to judge figures: where, when and how they were got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Run {
    machine: String,
    kernel: String,
    compiler: String,
    /// When it began, and how busy the machine had been before.
    date: String,
    load: String,
    /// In pairs and milliseconds.
    extent: String,
    command: String,
}

impl Run {
    /// This one.
    pub(crate) fn describe(cores: Cores, pair_count: usize, slice: Duration) -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
            .map_or("unknown processor", |(_, name)| name.trim());
        let count = cpu.lines().filter(|line| line.starts_with("processor")).count();
        let hypervisor = if cpu.contains(" hypervisor ") { ", in a virtual machine" } else { "" };
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let quoted = |word: String| if word.contains(' ') { format!("'{word}'") } else { word };
        let arguments: Vec<String> = std::env::args().skip(1).map(quoted).collect();
        Self {
            machine: format!(
                "{model}, {count} cores{hypervisor}; server on core {}, load on core {}",
                cores.server.0, cores.load.0
            ),
            kernel: format!("Linux {}", kernel.trim()),
            compiler: output("rustc", &["--version"]),
            date: output("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
            load: load.split_whitespace().next().unwrap_or("unknown").to_owned(),
            extent: format!("{pair_count} pairs of {} ms", slice.as_millis()),
            command: arguments.join(" "),
        }
    }

    pub(crate) fn of(words: [&str; 7]) -> Self {
        let [machine, kernel, compiler, date, load, extent, command] = words.map(str::to_owned);
        Self { machine, kernel, compiler, date, load, extent, command }
    }

    /// As [`of`](Self::of) takes them.
    pub(crate) fn words(&self) -> [&str; 7] {
        let Self { machine, kernel, compiler, date, load, extent, command } = self;
        [machine, kernel, compiler, date, load, extent, command]
    }

    pub(crate) fn machine_lines(&self) -> String {
        format!(
            "- Machine: {}\n- Kernel: {}\n- Compiler: {}; release, fat LTO, one codegen unit, the system's allocator\n",
            self.machine, self.kernel, self.compiler,
        )
    }

    pub(crate) fn moment(&self) -> String {
        format!(
            "{}, load average before it {}, {}, `cargo run --release --manifest-path bench/Cargo.toml -- {}`",
            self.date, self.load, self.extent, self.command,
        )
    }
}

fn output(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown".to_owned(),
    }
}
