//! What a process has used, from the kernel's own accounting.

use std::{fs, thread, time::Duration};

use crate::Result;

/// CPU time of all threads of `pid`, in nanoseconds, once the process has come to rest.
///
/// The scheduler adds to the figure when a thread leaves the CPU, so it is exact while all of
/// them sleep: this waits until it stands still. A thread that ended takes its share with it;
/// servers under test keep theirs.
pub(crate) fn cpu_nanos_at_rest(pid: u32) -> Result<u64> {
    let mut before = cpu_nanos(pid)?;
    for _ in 0..SETTLE_TRIES_MAX {
        thread::sleep(SETTLE_TIME);
        let now = cpu_nanos(pid)?;
        if now == before {
            return Ok(now);
        }
        before = now;
    }
    Err("the server never comes to rest, so its CPU time cannot be read exactly".into())
}

const SETTLE_TIME: Duration = Duration::from_millis(2);
const SETTLE_TRIES_MAX: usize = 500;

fn cpu_nanos(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let field = text.split_whitespace().next().unwrap_or_default();
        sum += field.parse::<u64>().map_err(|_| "this kernel keeps no schedstat")?;
    }
    Ok(sum)
}

/// Ticks spent in user space and in the kernel so far. Coarse: only their proportion over a long
/// time is of use.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ticks {
    pub(crate) user: u64,
    pub(crate) system: u64,
}

pub(crate) fn ticks(pid: u32) -> Result<Ticks> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in parentheses, with anything in it; `utime` and
    // `stime` are the 14th and 15th (proc_pid_stat(5)).
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || fields.next().and_then(|field| field.parse().ok()).ok_or("no stat");
    Ok(Ticks { user: next()?, system: next()? })
}

/// Resident memory in bytes: what the process has touched, the kernel's socket buffers not
/// included.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let kib = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Rss:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|kib| kib.trim().parse::<u64>().ok())
        .ok_or("this kernel tells no Rss")?;
    Ok(kib << 10)
}
