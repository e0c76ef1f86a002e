//! The checks that cargo does.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::plan::Lane;
use crate::setup;
use crate::step::{Desk, Step, Trouble, Verdict};
use crate::workspace::Workspace;

const MINUTES: Duration = Duration::from_secs(60);
/// The crates that are used from outside, and so with any choice of their features.
const LIBRARIES: [&str; 3] = ["tidewire-proto", "tidewire", "tidewire-engine"];
/// The main workspace, and those whose dependencies shall not be in its lockfile.
const WORKSPACES: [&str; 3] = ["", "bench", "fuzz"];
/// Features that compile C, for which a foreign target wants a foreign C compiler.
const COMPILES_C: [&str; 3] = ["tls", "ring", "aws-lc-rs"];

/// Formatting, lints, tests, documentation, features and targets.
pub(crate) fn checks() -> Lane {
    let mut lane = vec![
        Step::new("lockfiles", |desk| on_each_workspace(desk, "cargo fetch --locked", &[])),
        Step::new("fmt", |desk| on_each_workspace(desk, "cargo fmt --all --check", &[])),
        Step::new("clippy", |desk| {
            on_each_workspace(
                desk,
                "cargo clippy --workspace --all-targets --all-features",
                &["-D", "warnings"],
            )
        }),
        Step::new("tests", |desk| {
            desk.line("cargo test --workspace --tests --all-features", 20 * MINUTES)?;
            Ok(counted(desk))
        }),
        Step::new("doc tests", |desk| {
            desk.line("cargo test --workspace --doc --all-features", 20 * MINUTES)?;
            Ok(counted(desk))
        }),
        Step::new("fuzz seeds", |desk| {
            desk.line("cargo test --manifest-path fuzz/Cargo.toml", 20 * MINUTES)?;
            Ok(counted(desk))
        }),
        Step::new("bench tests", |desk| {
            desk.line("cargo test --manifest-path bench/Cargo.toml", 20 * MINUTES)?;
            Ok(counted(desk))
        }),
        Step::new("docs", |desk| {
            let mut command = desk.words("cargo doc --workspace --no-deps --all-features");
            command.env("RUSTDOCFLAGS", "-D warnings");
            desk.run(command, 10 * MINUTES)?;
            Ok(String::new())
        }),
        Step::new("features", features),
    ];
    lane.extend(portability());
    lane
}

/// Licences, sources and bans, as `deny.toml` has them.
pub(crate) fn deny() -> Step {
    Step::command("deny", "cargo deny check bans licenses sources", 5 * MINUTES)
}

/// The engine with ten thousand connections for a while: two processes, so that each may have
/// enough files open.
pub(crate) fn soak() -> Step {
    Step::new("soak", |desk| {
        let test = "cargo test -p tidewire-engine --all-features --test soak";
        desk.line(&format!("{test} memory -- --ignored --nocapture"), 10 * MINUTES)?;
        let told = desk.tail(usize::MAX);
        let told = told.into_iter().filter(|line| {
            line.ends_with(" bytes for each connection") || line.ends_with(" deeds")
        });
        Ok(told.collect::<Vec<_>>().join(", "))
    })
}

/// Under Miri: the protocol core's tests, and the memory that the engine shares with the kernel, as
/// far as that goes without one.
pub(crate) fn miri() -> Lane {
    vec![
        Step::new("miri: protocol", |desk| interpret(desk, PROTOCOL, &[])),
        Step::new("miri: io_uring's buffers", |desk| interpret(desk, BUFFERS, &[])),
    ]
}

const PROTOCOL: &str = "cargo +nightly miri test -p tidewire-proto --tests";
const BUFFERS: &str = "cargo +nightly miri test -p tidewire-engine --lib buffers::";

/// What depends on the order of bytes or the width of a word, on a machine that has the other: Miri
/// needs no such machine.
pub(crate) fn miri_elsewhere() -> Lane {
    let tests = ["mask::", "header::", "utf8::", "close::", "buffer::", "closing::", "frames::"];
    let targets =
        [("big endian", "s390x-unknown-linux-gnu"), ("32 bits", "i686-unknown-linux-gnu")];
    let step = |(name, target)| {
        Step::new(format!("miri: {name}"), move |desk| {
            interpret(desk, PROTOCOL, &[&["--target", target, "--"][..], &tests[..]].concat())
        })
    };
    targets.into_iter().map(step).collect()
}

fn interpret(desk: &Desk<'_>, line: &str, more: &[&str]) -> Verdict {
    if !setup::has_miri() {
        return Err(Trouble::NotChecked("no nightly toolchain with Miri here".to_owned()));
    }
    let mut command = desk.words(line);
    command.args(more);
    // A property needs few cases where each instruction is interpreted; the count of cases is
    // what the ordinary run is for. Isolation keeps proptest from reading its environment.
    command.env("PROPTEST_CASES", "2").env("MIRIFLAGS", "-Zmiri-disable-isolation");
    command.env_remove("RUSTC_WRAPPER");
    desk.run(command, 30 * MINUTES)?;
    Ok(counted(desk))
}

/// `no_std` on bare metal, and the library on the other two systems, as far as `cargo check` goes.
pub(crate) fn portability() -> Lane {
    let proto = |name, target, features| {
        Step::new(name, move |desk| {
            setup::target(desk, target)?;
            let line = format!("cargo check -p tidewire-proto {features} --target {target}");
            desk.line(&line, 5 * MINUTES)?;
            Ok(String::new())
        })
    };
    let mut lane = vec![
        proto("bare metal", "thumbv7em-none-eabihf", "--no-default-features"),
        proto("wasm", "wasm32-unknown-unknown", ""),
    ];
    for (name, target) in [("windows", "x86_64-pc-windows-gnu"), ("macos", "aarch64-apple-darwin")]
    {
        lane.push(Step::new(name, move |desk| {
            setup::target(desk, target)?;
            let mut features = features_of(desk.workspace, "tidewire")?;
            features.retain(|feature| !COMPILES_C.contains(&feature.as_str()));
            let mut command = desk.words("cargo check -p tidewire --no-default-features");
            command.args(["--features", &features.join(","), "--target", target]);
            desk.run(command, 10 * MINUTES)?;
            Ok(format!("with {}", features.join(", ")))
        }));
    }
    lane
}

/// Runs `line`, then `rest` behind a `--`, in the main workspace and in those it leaves out.
fn on_each_workspace(desk: &Desk<'_>, line: &str, rest: &[&str]) -> Verdict {
    let mut done = Vec::new();
    for folder in WORKSPACES {
        let mut command = desk.words(line);
        command.arg("--manifest-path").arg(desk.workspace.root(folder).join("Cargo.toml"));
        if !rest.is_empty() {
            command.arg("--").args(rest);
        }
        desk.run(command, 20 * MINUTES)?;
        done.push(if folder.is_empty() { "all crates" } else { folder });
    }
    Ok(done.join(", "))
}

/// Every feature of the libraries alone, and all of them together. Tells all that do not hold: one
/// combination hides nothing about the next.
fn features(desk: &Desk<'_>) -> Verdict {
    let (mut checked, mut broken) = (0, Vec::new());
    for package in LIBRARIES {
        let alone = features_of(desk.workspace, package)?;
        let all = alone.join(",");
        for chosen in std::iter::once("").chain(alone.iter().map(String::as_str)).chain([&*all]) {
            let mut command = desk.words("cargo clippy --no-default-features -p");
            command.args([package, "--features", chosen, "--", "-D", "warnings"]);
            if desk.run(command, 10 * MINUTES).is_err() {
                broken.push(format!("{package} with \"{chosen}\""));
            }
            checked += 1;
        }
    }
    if !broken.is_empty() {
        return Err(broken.join("; ").into());
    }
    Ok(format!("{checked} combinations"))
}

/// The features of one of our packages, `default` aside.
fn features_of(workspace: &Workspace, package: &str) -> Result<Vec<String>, Trouble> {
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(workspace.root(""))
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| error.to_string())?;
    let metadata: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let packages =
        metadata["packages"].as_array().ok_or("cargo metadata has no packages".to_owned())?;
    let features = packages
        .iter()
        .find(|one| one["name"] == package)
        .and_then(|one| one["features"].as_object())
        .ok_or_else(|| format!("cargo metadata knows no package {package}"))?;
    Ok(features.keys().filter(|name| *name != "default").cloned().collect())
}

/// How many tests the log tells of.
fn counted(desk: &Desk<'_>) -> String {
    let lines = desk.tail(usize::MAX);
    let counts = lines.iter().filter_map(|line| {
        line.strip_prefix("test result: ok. ")?.split(' ').next()?.parse::<usize>().ok()
    });
    format!("{} tests", counts.sum::<usize>())
}
