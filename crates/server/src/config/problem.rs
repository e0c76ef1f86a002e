//! [`ConfigError`]: all that is wrong with a configuration, where, and what would be right.

use std::{collections::BTreeMap, fmt};

/// Where an option was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In the file: from this byte on.
    File(usize),
    /// By an environment variable of this name.
    Environment(String),
    /// On the command line, as it was written there.
    CommandLine(String),
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) place: Option<Place>,
    /// The option, as a path: `client.token.issuer`.
    pub(super) option: String,
    pub(super) sentence: String,
}

/// Where each option was set, and what was wrong so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) places: BTreeMap<String, Place>,
    pub(super) problems: Vec<Problem>,
}

impl Findings {
    /// Something is wrong with an option that has been set, or else with the table that it would stand in.
    pub(super) fn object(&mut self, option: &str, sentence: impl Into<String>) {
        let place = self.place(option);
        self.problems.push(Problem { place, option: option.to_owned(), sentence: sentence.into() });
    }

    fn place(&self, option: &str) -> Option<Place> {
        let mut path = option;
        loop {
            if let Some(place) = self.places.get(path) {
                return Some(place.clone());
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

/// A configuration that is not taken, whole, with all that is wrong with it.
///
/// `Display` has a line for each, as compilers do: where it was set, which option it is, and what would be
/// right. The lines of the file are not repeated, as secrets may stand in them.
#[derive(Debug, Clone)]
pub struct ConfigError {
    /// The file's name and what it says, where there is one.
    pub(super) file: Option<(String, String)>,
    pub(super) problems: Vec<Problem>,
}

impl ConfigError {
    /// How many things are wrong.
    pub const fn count(&self) -> usize {
        self.problems.len()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            let Problem { place, option, sentence } = problem;
            let (name, text) = self.file.as_ref().map_or(("", ""), |(name, text)| (name, text));
            match place {
                Some(Place::File(at)) => {
                    let (line, column) = line_and_column(text, *at);
                    write!(f, "{name}:{line}:{column}: ")?;
                    named(f, option, sentence)?;
                }
                Some(Place::Environment(name)) => {
                    write!(f, "{name} in the environment: ")?;
                    named(f, option, sentence)?;
                }
                Some(Place::CommandLine(flag)) => {
                    write!(f, "{flag} on the command line: ")?;
                    named(f, option, sentence)?;
                }
                None => named(f, option, sentence)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

fn named(f: &mut fmt::Formatter<'_>, option: &str, sentence: &str) -> fmt::Result {
    if option.is_empty() { f.write_str(sentence) } else { write!(f, "{option}: {sentence}") }
}

/// Line and column, both from one, of a byte of a text.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}
