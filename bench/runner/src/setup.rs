//! Building what is measured.

use std::{path::Path, process::Command};

use crate::{
    Result,
    catalog::{Candidate, Start},
};

/// Builds those of `candidates` that belong to this workspace, beside this very binary.
pub(crate) fn build<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Result<()> {
    let mut wanted: Vec<(&str, &str)> = candidates
        .filter_map(|candidate| match candidate.start {
            Start::Own { package, binary, .. } => Some((package, binary)),
            Start::Command(_) => None,
        })
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    // Package by package: cargo unifies the features of what is built together, and no server
    // should run with features that only another one asked for.
    for binaries in wanted.chunk_by(|(left, _), (right, _)| left == right) {
        let package = binaries[0].0;
        let mut command = Command::new("cargo");
        command.args(["build", "--release", "--manifest-path"]).arg(manifest());
        command.args(["--package", package]);
        for (_, binary) in binaries {
            command.args(["--bin", binary]);
        }
        if !command.status()?.success() {
            return Err(format!("cargo could not build the servers of {package}").into());
        }
    }
    Ok(())
}

fn manifest() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml")
}
