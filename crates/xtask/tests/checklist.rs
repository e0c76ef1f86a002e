//! `docs/security-checklist.md` against the code: each old wound has a test that carries its id, or
//! a reason why it has none.
#![cfg(test)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The ids there are: so many of each letter.
const COUNTS: [(char, u32); 12] = [
    ('H', 16),
    ('C', 12),
    ('F', 11),
    ('M', 4),
    ('U', 9),
    ('K', 14),
    ('L', 14),
    ('D', 17),
    ('X', 7),
    ('T', 6),
    ('Z', 7),
    ('S', 20),
];

/// What the last cell of a row begins with where there is no test that could be named.
const NO_TEST: &str = "No test: ";

#[test]
fn every_id_is_a_test_or_has_a_reason() {
    let sources = sources();
    let checklist = fs::read_to_string(root().join("docs/security-checklist.md")).unwrap();
    let mut rows = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in checklist.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, id, what, proof, _] = cells[..] else { continue };
        if !is_id(id) {
            continue;
        }
        if !rows.insert(id.to_owned()) {
            wrong.push(format!("{id} has two rows"));
        }
        if what.is_empty() {
            wrong.push(format!("{id} does not say what must hold"));
        }
        match proof.strip_prefix(NO_TEST) {
            Some(reason) if reason.len() > 20 => {}
            Some(_) => wrong.push(format!("{id} has no test, and no reason")),
            None => wrong.extend(judge(id, proof, &sources)),
        }
    }
    for (letter, count) in COUNTS {
        for number in 1..=count {
            if !rows.contains(&format!("{letter}{number}")) {
                wrong.push(format!("{letter}{number} has no row"));
            }
        }
    }
    assert!(wrong.is_empty(), "docs/security-checklist.md:\n{}", wrong.join("\n"));
}

/// What is wrong with the tests that a row names: each must be there, and one must carry the id, in
/// its name or in a row of its file's tables.
fn judge(id: &str, proof: &str, sources: &[(PathBuf, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut carried = false;
    for test in proof.split(',').map(|test| test.trim().trim_matches('`')) {
        let Some((file, name)) = test.split_once("::") else {
            wrong.push(format!("{id}: {test:?} is not file::test"));
            continue;
        };
        let here: Vec<_> = sources.iter().filter(|(path, _)| path.ends_with(file)).collect();
        let [(_, text)] = here[..] else {
            wrong.push(format!("{id}: there are {} files {file}", here.len()));
            continue;
        };
        if !text.contains(&format!("fn {name}(")) {
            wrong.push(format!("{id}: {file} has no test {name}"));
        }
        carried |= name.split('_').any(|word| word.eq_ignore_ascii_case(id))
            || text.contains(&format!("\"{id} "))
            || text.contains(&format!("\"{id}\""));
    }
    if !carried && wrong.is_empty() {
        wrong.push(format!("{id}: none of its tests carries the id"));
    }
    wrong
}

/// M3: nothing but the operating system's generator makes masking keys, whatever features are on.
#[test]
fn m3_no_feature_selects_a_generator() {
    let sources = sources();
    let mut generators: Vec<_> = sources
        .iter()
        .filter(|(path, _)| !path.iter().any(|part| part == "tests" || part == "simulated"))
        .filter(|(path, _)| path.starts_with(root().join("crates")))
        .flat_map(|(path, text)| {
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let lines = code.lines().filter(|line| line.starts_with("impl MaskSource for "));
            lines.map(|line| (path.file_name().unwrap().to_str().unwrap(), line))
        })
        .collect();
    generators.sort_unstable();
    let system = "impl MaskSource for SystemRandom {";
    assert_eq!(generators, [("random.rs", system), ("thread.rs", system)]);
    for driver in ["engine", "tidewire"] {
        let manifest = root().join("crates").join(driver).join("Cargo.toml");
        let manifest = fs::read_to_string(manifest).unwrap();
        assert!(
            manifest.contains("\ngetrandom.workspace = true\n"),
            "{driver}: it is not optional"
        );
    }
}

/// T6: no version of h2 with known floods (RUSTSEC-2026-0258): 0.4.16 is the first without.
#[test]
fn t6_past_the_known_floods() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let version = lock
        .split("[[package]]")
        .find(|package| package.contains("name = \"h2\"\n"))
        .and_then(|package| package.split("version = \"").nth(1)?.split('"').next())
        .expect("h2 is locked");
    let numbers: Vec<u32> = version.split('.').map(|number| number.parse().unwrap()).collect();
    assert!(numbers >= vec![0, 4, 16], "{version}");
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("\nh2 = \"0.4.16\"\n"), "whoever uses the library gets no older one");
}

fn is_id(text: &str) -> bool {
    let (letter, number) = text.split_at(text.len().min(1));
    COUNTS.iter().any(|(known, _)| letter.starts_with(*known))
        && number.parse::<u32>().is_ok_and(|number| number > 0)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// Every source file, with what it says.
fn sources() -> Vec<(PathBuf, String)> {
    let mut folders =
        vec![root().join("crates"), root().join("fuzz/src"), root().join("fuzz/tests")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                sources.push((path, text));
            }
        }
    }
    sources
}
