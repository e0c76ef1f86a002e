//! Installs what the checks need: by apt, PyPI, npm, rustup and cargo, each by package name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::geteuid;

use crate::plan::Lane;
use crate::step::{Desk, Step, Trouble};
use crate::workspace::Workspace;

const MINUTES: Duration = Duration::from_secs(60);
/// The release whose verdicts `deny.toml` was written for.
const CARGO_DENY: &str = "0.20.2";

/// Everything, in the order in which one needs the other.
pub(crate) fn steps() -> Lane {
    vec![packages(), autobahn(), npm(), pypi(), chromium(), cargo_deny(), nightly()]
}

/// Python, Node, OpenSSL and haproxy from Debian, where they are not there already.
pub(crate) fn packages() -> Step {
    Step::new("set-up: packages", |desk| {
        let mut missing = Vec::new();
        if !answers("python3", &["-c", "import venv, ensurepip"]) {
            missing.extend(["python3", "python3-venv"]);
        }
        for (program, version, package) in [
            ("node", "--version", "nodejs"),
            ("npm", "--version", "npm"),
            ("openssl", "version", "openssl"),
            ("haproxy", "-v", "haproxy"),
        ] {
            if !answers(program, &[version]) {
                missing.push(package);
            }
        }
        if missing.is_empty() {
            return Ok("already there".to_owned());
        }
        apt(desk, &missing)?;
        Ok(missing.join(" "))
    })
}

/// The browser, from Debian. Apart from the other packages, for it is the large one, and Ubuntu
/// has it under this name only as a snap, which containers cannot run.
pub(crate) fn chromium() -> Step {
    Step::new("set-up: chromium", |desk| {
        if let Some(path) = browser() {
            return Ok(path.display().to_string());
        }
        apt(desk, &["chromium"]).map_err(|trouble| match trouble {
            Trouble::Failed(why) | Trouble::NotChecked(why) => Trouble::NotChecked(why),
        })?;
        let path = browser().ok_or_else(|| {
            Trouble::NotChecked("the package chromium brought no browser that starts".to_owned())
        })?;
        Ok(path.display().to_string())
    })
}

/// A Chromium that starts: `$CHROMIUM`, or one of the usual names.
pub(crate) fn browser() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let usual = ["chromium", "google-chrome", "google-chrome-stable", "chromium-browser"];
    let folders = std::env::split_paths(&std::env::var_os("PATH")?).collect::<Vec<_>>();
    let found = usual.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    named.into_iter().chain(found).find(|path| answers(&path.to_string_lossy(), &["--version"]))
}

/// The Autobahn suite, in the user's cache.
pub(crate) fn autobahn() -> Step {
    Step::new("set-up: autobahn", |desk| {
        let mut command = desk.words("conformance/setup.sh");
        command.arg(autobahn_prefix(desk.workspace));
        desk.run(command, 10 * MINUTES)?;
        Ok(desk.last_line())
    })
}

/// Where [`autobahn`] puts it.
pub(crate) fn autobahn_prefix(workspace: &Workspace) -> PathBuf {
    workspace.cache("autobahn")
}

/// npm's part of `interop/`.
pub(crate) fn npm() -> Step {
    Step::command(
        "set-up: npm",
        "npm ci --prefix interop --no-audit --no-fund --ignore-scripts",
        10 * MINUTES,
    )
}

/// PyPI's part of `interop/`, in a virtual environment in the user's cache.
pub(crate) fn pypi() -> Step {
    Step::new("set-up: pypi", |desk| {
        let wanted = read(&desk.workspace.root("interop/requirements.txt"))?;
        let venv = desk.workspace.cache("interop-venv");
        let stamp = venv.join("requirements.txt");
        let python = venv_python(desk.workspace);
        let there = fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted);
        if there && answers(&python.to_string_lossy(), &["--version"]) {
            return Ok("already there".to_owned());
        }
        let mut create = desk.words("python3 -m venv --clear");
        create.arg(&venv);
        desk.run(create, 5 * MINUTES)?;
        let mut install = Command::new(python);
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        install.args(["--only-binary", ":all:", "-r"]);
        install.arg(desk.workspace.root("interop/requirements.txt"));
        desk.run(install, 10 * MINUTES)?;
        fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
        Ok(String::new())
    })
}

/// The Python of [`pypi`].
pub(crate) fn venv_python(workspace: &Workspace) -> PathBuf {
    workspace.cache("interop-venv/bin/python")
}

/// cargo-deny, compiled once into cargo's own folder.
pub(crate) fn cargo_deny() -> Step {
    Step::new("set-up: cargo-deny", |desk| {
        if says("cargo", &["deny", "--version"]) == format!("cargo-deny {CARGO_DENY}") {
            return Ok("already there".to_owned());
        }
        desk.line(
            &format!("cargo install --locked cargo-deny --version {CARGO_DENY}"),
            20 * MINUTES,
        )?;
        Ok(String::new())
    })
}

/// A C++ compiler, for libFuzzer.
pub(crate) fn cxx() -> Step {
    Step::new("set-up: g++", |desk| {
        if answers("c++", &["--version"]) {
            return Ok("already there".to_owned());
        }
        apt(desk, &["g++"])?;
        Ok("g++".to_owned())
    })
}

/// cargo-fuzz, compiled once into cargo's own folder.
pub(crate) fn cargo_fuzz() -> Step {
    Step::new("set-up: cargo-fuzz", |desk| {
        if answers("cargo", &["fuzz", "--version"]) {
            return Ok("already there".to_owned());
        }
        desk.line("cargo install --locked cargo-fuzz", 20 * MINUTES)?;
        Ok(String::new())
    })
}

/// A nightly compiler with Miri and the sources of std.
pub(crate) fn nightly() -> Step {
    Step::new("set-up: nightly", |desk| {
        if has_miri() {
            return Ok("already there".to_owned());
        }
        let line = "rustup toolchain install nightly --profile minimal --component miri,rust-src";
        desk.line(line, 10 * MINUTES).map_err(not_installable)?;
        Ok(String::new())
    })
}

/// Whether [`nightly`] is there.
pub(crate) fn has_miri() -> bool {
    let sysroot = says("rustc", &["+nightly", "--print", "sysroot"]);
    let source = PathBuf::from(sysroot).join("lib/rustlib/src/rust/library/std");
    answers("cargo", &["+nightly", "miri", "--version"]) && source.is_dir()
}

/// The standard library for `target`.
pub(crate) fn target(desk: &Desk<'_>, target: &str) -> Result<(), Trouble> {
    let installed = says("rustup", &["target", "list", "--installed"]);
    if installed.lines().any(|line| line == target) {
        return Ok(());
    }
    desk.line(&format!("rustup target add {target}"), 5 * MINUTES).map_err(not_installable)
}

fn not_installable(trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Failed(why) | Trouble::NotChecked(why) => {
            Trouble::NotChecked(format!("cannot be installed here: {why}"))
        }
    }
}

fn apt(desk: &Desk<'_>, packages: &[&str]) -> Result<(), Trouble> {
    let sudo = if geteuid().is_root() { "" } else { "sudo -n " };
    let environment = "env DEBIAN_FRONTEND=noninteractive";
    let names = packages.join(" ");
    let install = format!(
        "{sudo}{environment} apt-get -qq -o DPkg::Lock::Timeout=300 install -y \
         --no-install-recommends {names}"
    );
    desk.line(&format!("{sudo}apt-get -qq -o DPkg::Lock::Timeout=300 update"), 5 * MINUTES)
        .and_then(|()| desk.line(&install, 10 * MINUTES))
        .map_err(|trouble| match trouble {
            Trouble::Failed(why) | Trouble::NotChecked(why) => Trouble::Failed(format!(
                "please install these packages by hand: {names} (apt-get did not: {why})"
            )),
        })
}

fn answers(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What a program prints, trimmed; nothing if it does not run.
fn says(program: &str, arguments: &[&str]) -> String {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
