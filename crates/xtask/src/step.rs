//! One step of a task, its log and its verdict.

use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::Guard;
use crate::workspace::Workspace;

/// Why a step did not pass.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The check ran, and what it checks is not so; or it could not run at all.
    Failed(String),
    /// This machine cannot run the check. Told loudly, since it is no proof.
    NotChecked(String),
}

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

/// A remark for the closing table, or why there is none.
pub(crate) type Verdict = Result<String, Trouble>;

type Run = Box<dyn FnOnce(&Desk<'_>) -> Verdict + Send>;

/// One row of the closing table.
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) run: Run,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Step({})", self.name)
    }
}

impl Step {
    pub(crate) fn new(
        name: impl Into<String>,
        run: impl FnOnce(&Desk<'_>) -> Verdict + Send + 'static,
    ) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }

    /// A step that is one command, run at the root.
    pub(crate) fn command(name: &str, line: &str, limit: Duration) -> Self {
        let line = line.to_owned();
        Self::new(name, move |desk| desk.line(&line, limit).map(|()| String::new()))
    }
}

/// What a running step works with.
#[derive(Debug)]
pub(crate) struct Desk<'a> {
    pub(crate) workspace: &'a Workspace,
    /// Everything the step's commands print.
    pub(crate) log: PathBuf,
}

impl<'a> Desk<'a> {
    /// Begins an empty log for the step `name`.
    pub(crate) fn new(workspace: &'a Workspace, name: &str) -> Result<Self, String> {
        let file: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let log = workspace.results("log")?.join(format!("{file}.log"));
        File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        Ok(Self { workspace, log })
    }

    /// A command at the root, from words without spaces in them.
    pub(crate) fn words(&self, line: &str) -> Command {
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).current_dir(self.workspace.root(""));
        command
    }

    /// Runs [`words`](Self::words) to its end.
    pub(crate) fn line(&self, line: &str, limit: Duration) -> Result<(), Trouble> {
        self.run(self.words(line), limit)
    }

    /// Runs `command` to its end, its output into the log; anything but success is a failure.
    pub(crate) fn run(&self, mut command: Command, limit: Duration) -> Result<(), Trouble> {
        let shown = show(&command);
        let mut log = self.open_log()?;
        writeln!(log, "$ {shown}").map_err(|error| error.to_string())?;
        let stderr = log.try_clone().map_err(|error| error.to_string())?;
        command.stdin(Stdio::null()).stdout(log).stderr(stderr);
        match Guard::spawn(&mut command)?.wait(limit)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(Trouble::Failed(format!("{status}: {shown}"))),
            None => Err(Trouble::Failed(format!("not done after {} s: {shown}", limit.as_secs()))),
        }
    }

    /// The log, to append to.
    pub(crate) fn open_log(&self) -> Result<File, String> {
        File::options()
            .append(true)
            .open(&self.log)
            .map_err(|error| format!("{}: {error}", self.log.display()))
    }

    /// The last line of the log, where a verdict stands.
    pub(crate) fn last_line(&self) -> String {
        self.tail(1).pop().unwrap_or_default()
    }

    /// The last `count` lines of the log.
    pub(crate) fn tail(&self, count: usize) -> Vec<String> {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(count)).map(ToString::to_string).collect()
    }
}

fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
