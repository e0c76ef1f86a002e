//! Child processes: bounded in time, and ended with everything they started.

use std::fs;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const POLL: Duration = Duration::from_millis(50);
/// How long a process has to clean up after it was asked to end.
const GRACE: Duration = Duration::from_secs(8);

/// A child that does not outlive its owner.
#[derive(Debug)]
pub(crate) struct Guard(pub(crate) Child);

impl Guard {
    /// Spawns `command`; a missing program is told by its name.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self, String> {
        let child = command
            .spawn()
            .map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))?;
        Ok(Self(child))
    }

    /// Waits for the end, at most for `limit`; `None` when it did not come and was brought about.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>, String> {
        let deadline = Instant::now() + limit;
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) => return Ok(Some(status)),
                Ok(None) if Instant::now() < deadline => thread::sleep(POLL),
                Ok(None) => {
                    self.end();
                    return Ok(None);
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Asks the process and its descendants to end; kills what is left after [`GRACE`].
    fn end(&mut self) {
        let mut family = descendants(self.0.id());
        family.push(self.0.id());
        for pid in &family {
            signal(*pid, Signal::TERM);
        }
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            if !matches!(self.0.try_wait(), Ok(None)) && !family.iter().any(|pid| exists(*pid)) {
                return;
            }
            thread::sleep(POLL);
        }
        for pid in family {
            signal(pid, Signal::KILL);
        }
        // The status of a process we have just killed says nothing.
        let _ = self.0.wait();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.end();
        }
    }
}

/// Whether it runs: a process that has ended stays in /proc until its parent asks for its status.
fn exists(pid: u32) -> bool {
    fields(pid).is_some_and(|(state, _)| state != 'Z')
}

/// State and parent, as `proc_pid_stat(5)` has them: `pid (comm) state ppid …`, where the name
/// between the parentheses may contain anything.
fn fields(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut words = stat.rsplit_once(") ")?.1.split(' ');
    Some((words.next()?.chars().next()?, words.next()?.parse().ok()?))
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended by itself in the meantime.
        let _ = kill_process(pid, signal);
    }
}

/// The children of `pid`, and theirs: a test that hangs is a grandchild of ours.
fn descendants(pid: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|child| Some((child, fields(child)?.1)))
        .collect();
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&one) = found.get(next) {
        found.extend(parents.iter().filter(|(_, parent)| *parent == one).map(|(child, _)| *child));
        next += 1;
    }
    found.split_off(1)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;

    use super::*;

    #[test]
    fn what_hangs_is_ended_with_its_children() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 600 & echo $!; wait"]).stdout(Stdio::piped());
        let mut guard = Guard::spawn(&mut shell).unwrap();
        let mut line = String::new();
        BufReader::new(guard.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let grandchild: u32 = line.trim().parse().unwrap();
        assert!(exists(grandchild));
        assert!(guard.wait(Duration::from_millis(10)).unwrap().is_none());
        assert!(!exists(grandchild));
    }

    #[test]
    fn an_end_in_time_has_its_status() {
        let mut guard = Guard::spawn(Command::new("sh").args(["-c", "exit 3"])).unwrap();
        let status = guard.wait(Duration::from_secs(60)).unwrap().unwrap();
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn a_missing_program_is_named() {
        let why = Guard::spawn(&mut Command::new("no-such-program")).unwrap_err();
        assert!(why.starts_with("no-such-program: "), "{why}");
    }
}
