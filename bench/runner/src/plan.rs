//! What to measure, and how.

use std::{path::PathBuf, time::Duration};

use crate::{Result, catalog::Candidate, machine::Cores, scenario::Scenario, task::Task};

/// One run of the bench.
pub(crate) struct Plan {
    pub(crate) sections: Vec<Section>,
    pub(crate) pair_count: usize,
    /// How long one run of a pair loads the server.
    pub(crate) slice: Duration,
    /// Which report takes the results up. Its figures are kept in files beside it.
    pub(crate) write: Option<PathBuf>,
    /// Which file keeps the picture.
    pub(crate) picture: Option<PathBuf>,
    pub(crate) cores: Cores,
}

/// One kind of work, and who shows how it is done.
pub(crate) struct Section {
    pub(crate) task: Task,
    pub(crate) servers: Vec<Candidate>,
    /// Who should be there, and cannot be had on this machine.
    pub(crate) absent: Vec<Absent>,
    pub(crate) scenarios: Vec<Scenario>,
    /// Whether these are all that a report shall have of this work.
    pub(crate) is_whole: bool,
    /// What ratios are to, where the person at the terminal has said so.
    pub(crate) reference: Option<String>,
}

/// A server that was not measured, and why.
#[derive(Debug, Clone)]
pub(crate) struct Absent {
    pub(crate) name: String,
    pub(crate) reason: String,
}

impl Section {
    /// Where in `servers` the one is that ratios of `scenario` are to.
    pub(crate) fn reference(&self, scenario: &Scenario) -> Result<usize> {
        let asked: Vec<&str> = match &self.reference {
            Some(name) => vec![name],
            None => self.task.references(scenario).to_vec(),
        };
        asked
            .iter()
            .find_map(|name| self.servers.iter().position(|server| server.name == *name))
            .ok_or_else(|| {
                format!("{} {scenario} has no reference: {}", self.task.name(), asked.join(", "))
                    .into()
            })
    }
}
