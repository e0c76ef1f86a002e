//! The files that keep results.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{Result, collected::Collected, picture::Picture, plan::Plan, report, task::Task};

/// What has been collected, and where it goes.
pub(crate) struct Keeper {
    pub(crate) collected: Collected,
    report: Option<PathBuf>,
    picture: Option<PathBuf>,
}

/// The names of what stands beside a report.
const FIGURES: &str = "results.tsv";
const REMARKS: &str = "remarks";

impl Keeper {
    /// With all figures that `plan`'s report has already.
    pub(crate) fn open(plan: &Plan) -> Result<Self> {
        let collected = match &plan.write {
            Some(report) => Collected::load(&report.with_file_name(FIGURES))?,
            None => Collected::default(),
        };
        Ok(Self { collected, report: plan.write.clone(), picture: plan.picture.clone() })
    }

    /// Writes all files. Done after each scenario, so that a run that is interrupted has lost no other.
    pub(crate) fn keep(&self) -> Result<()> {
        if let Some(path) = &self.report {
            write(&path.with_file_name(FIGURES), &self.collected.to_lines())?;
            let remarks = |task: Task| {
                let name = format!("{}.md", task.name());
                fs::read_to_string(path.with_file_name(REMARKS).join(name)).ok()
            };
            write(path, &report::report(&self.collected, remarks))?;
        }
        match &self.picture {
            Some(path) => write(path, &Picture::of(&self.collected).to_svg()),
            None => Ok(()),
        }
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()).into())
}
