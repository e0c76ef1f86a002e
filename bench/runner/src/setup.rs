//! Making ready what is measured: building it, installing it, and a certificate.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    Result,
    catalog::{Candidate, Program, Start},
    plan::{Absent, Plan},
    task::Task,
};

/// Makes everything ready. A server that this machine cannot have is moved to where a report says
/// so; one that ought to build and does not is an error.
pub(crate) fn prepare(plan: &mut Plan) -> Result<()> {
    build(plan.sections.iter().flat_map(|section| &section.servers))?;
    if plan.sections.iter().any(|section| section.task.served_as() == Task::Tls) {
        make_certificate()?;
    }
    let from_npm = |candidate: &Candidate| {
        matches!(candidate.start, Start::Known { program: Program::Node(_) | Program::Bun(_), .. })
    };
    if plan.sections.iter().any(|section| section.servers.iter().any(from_npm))
        && let Err(reason) = install_from_npm()
    {
        eprintln!("no servers from npm: {reason}");
        for section in &mut plan.sections {
            let absent = section.servers.extract_if(.., |candidate| from_npm(candidate));
            let reason = reason.to_string();
            section.absent.extend(
                absent.map(|candidate| Absent { name: candidate.name, reason: reason.clone() }),
            );
        }
    }
    Ok(())
}

/// The target directory that this very binary is in, whatever the environment says now.
fn target_dir() -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let dir =
        exe.parent().and_then(Path::parent).ok_or("this program is in no target directory")?;
    Ok(dir.to_owned())
}

/// Builds those of `candidates` that belong to this workspace, beside this very binary.
fn build<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Result<()> {
    let candidates: Vec<&Candidate> = candidates.collect();
    let is_ours =
        |one: &&Candidate| matches!(one.start, Start::Known { program: Program::Tidewire, .. });
    if candidates.iter().any(is_ours) {
        build_the_project()?;
    }
    let mut wanted: Vec<(&str, &str)> = candidates
        .into_iter()
        .filter_map(|candidate| match candidate.start {
            Start::Known { program: Program::Peer(binary), .. } => Some((PEERS, binary)),
            Start::Known { program: Program::Ours(binary), .. } => Some((OURS, binary)),
            _ => None,
        })
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    // Package by package: cargo unifies the features of what is built together, and no server
    // should run with features that only another one asked for.
    for binaries in wanted.chunk_by(|(left, _), (right, _)| left == right) {
        let package = binaries[0].0;
        let mut command = Command::new("cargo");
        command.args(["build", "--release", "--manifest-path"]).arg(bench().join("Cargo.toml"));
        command.args(["--package", package]).arg("--target-dir").arg(target_dir()?);
        for (_, binary) in binaries {
            command.args(["--bin", binary]);
        }
        if !command.status()?.success() {
            return Err(format!("cargo could not build the servers of {package}").into());
        }
    }
    Ok(())
}

/// Builds what users run: in the project's own workspace, with its own profile. Its programs go to a
/// directory of their own, for ours have the same names.
fn build_the_project() -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(["build", "--release", "--package", "tidewire-cli", "--manifest-path"]);
    command.arg(bench().join("../Cargo.toml")).arg("--target-dir").arg(project_target_dir()?);
    if command.status()?.success() { Ok(()) } else { Err("cargo could not build tidewire".into()) }
}

fn project_target_dir() -> Result<PathBuf> {
    Ok(target_dir()?.join("project"))
}

/// The program `tidewire`.
pub(crate) fn program_of_the_project() -> Result<PathBuf> {
    Ok(project_target_dir()?.join("release/tidewire"))
}

/// What the realtime server is configured to.
pub(crate) fn server_config() -> PathBuf {
    bench().join("ours/tidewire.toml")
}

const PEERS: &str = "tidewire-bench-peers";
const OURS: &str = "tidewire-bench-ours";

/// Installs what the lockfile says, where that has not been done.
fn install_from_npm() -> Result<()> {
    for program in ["node", "npm"] {
        let version = Command::new(program).arg("--version").stdout(Stdio::null()).status();
        if !version.is_ok_and(|status| status.success()) {
            return Err(format!("{program} is not installed").into());
        }
    }
    let lockfile = fs::read(node().join("package-lock.json"))?;
    // npm keeps a lockfile of what it installed; it leaves out what is for other machines, so a
    // copy of our own tells whether it is the same.
    let installed = node().join("node_modules/.tidewire-bench-lock.json");
    if fs::read(&installed).is_ok_and(|installed| installed == lockfile) {
        return Ok(());
    }
    let mut command = Command::new("npm");
    // Without scripts: Bun's would only move its binary, which is found where it is.
    command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(node());
    if !command.status()?.success() {
        return Err("`npm ci` failed".into());
    }
    Ok(fs::write(installed, lockfile)?)
}

/// Where the servers from npm are.
pub(crate) fn node() -> PathBuf {
    bench().join("peers/node")
}

/// Bun's binary, which comes as a package for each kind of machine.
pub(crate) fn bun() -> PathBuf {
    let machine = if cfg!(target_arch = "aarch64") { "aarch64" } else { "x64" };
    node().join(format!("node_modules/@oven/bun-linux-{machine}/bin/bun"))
}

/// Whom the certificate is for.
pub(crate) const SERVER_NAME: &str = "localhost";

/// A certificate that signs itself, and its key, for the servers under test.
fn make_certificate() -> Result<()> {
    let made = rcgen::generate_simple_self_signed(vec![SERVER_NAME.to_owned()])?;
    fs::write(certificate_path()?, made.cert.pem())?;
    fs::write(key_path()?, made.signing_key.serialize_pem())?;
    Ok(())
}

/// Both are written anew by each run, beside the programs.
pub(crate) fn certificate_path() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("bench-certificate.pem"))
}

pub(crate) fn key_path() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("bench-key.pem"))
}

fn bench() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
