//! A load process, from the side of who gives the orders.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use crate::{
    Result,
    load::{Done, Job, traffic::Speaks},
    machine::{self, Core},
};

/// Ended when dropped.
pub(crate) struct Worker {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    /// A load process for `job` on the load's core, with no connection yet.
    pub(crate) fn start(job: &Job, core: Core) -> Result<Self> {
        let speaks = match job.speaks {
            Speaks::WebSocket => "ws",
            Speaks::Raw => "raw",
            Speaks::Centrifuge => "centrifuge",
        };
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args([
                "worker",
                &job.addr.to_string(),
                speaks,
                job.task.name(),
                &job.scenario.to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = machine::spawn_on(core, &mut command)?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a load process without pipes".into());
        };
        Ok(Self { child, orders, answers: BufReader::new(answers) })
    }

    /// Opens so many more connections.
    pub(crate) fn open(&mut self, count: usize) -> Result<()> {
        self.order(&format!("open {count}")).map(drop)
    }

    /// Ends all connections.
    pub(crate) fn close(&mut self) -> Result<()> {
        self.order("close").map(drop)
    }

    /// Answers what the server has asked meanwhile, so that a run begins with nothing under way.
    pub(crate) fn rest(&mut self) -> Result<()> {
        self.order("rest").map(drop)
    }

    /// Keeps the server at work for `duration`.
    pub(crate) fn run(&mut self, duration: Duration) -> Result<Done> {
        self.order(&format!("run {}", duration.as_millis()))
    }

    /// One window on each connection, one connection after the other.
    pub(crate) fn each_in_turn(&mut self) -> Result<Done> {
        self.order("each")
    }

    fn order(&mut self, order: &str) -> Result<Done> {
        writeln!(self.orders, "{order}")?;
        self.orders.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        let mut words = answer.split_whitespace();
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("done"), Some(pieces), Some(nanos), Some(came)) => Ok(Done {
                piece_count: pieces.parse()?,
                elapsed: Duration::from_nanos(nanos.parse()?),
                came_len: came.parse()?,
            }),
            (None, ..) => Err("the load process ended".into()),
            _ => Err(answer.trim().trim_start_matches("error ").to_owned().into()),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about a failure here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
