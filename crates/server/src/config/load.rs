//! [`Sources`]: where a configuration comes from, and [`Settings`]: what comes of it.

use std::{io, path::Path, sync::Arc};

use tokio_rustls::rustls::ServerConfig;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    check::{self, Checked},
    options::Options,
    print,
    problem::{ConfigError, Findings, Place, Problem},
    setting::{Setting as _, unknown},
};
use crate::door::{DoorRules, Secret, token::SigningKey};

/// What the names of environment variables begin with.
pub(super) const PREFIX: &str = "TIDEWIRE_";

/// Where a configuration comes from; what comes later wins.
///
/// Nothing here reads the process's environment or its command line by itself.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    file: Option<(String, String)>,
    environment: Vec<(String, String)>,
    flags: Vec<(String, String, String)>,
}

/// A configuration that is good, as it was written and as it is used.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// As it was written.
    pub options: Options,
    /// Who may come in.
    pub door: DoorRules,
    /// Keys of the server API; none: it is off.
    pub api_keys: Vec<Secret>,
    /// By what connection tokens can be made here: the first secret that verifies them. Public keys make none.
    pub signing_key: Option<SigningKey>,
    /// By what subscription tokens can be made here.
    pub subscription_signing_key: Option<SigningKey>,
    /// TLS for where clients connect, if there is some.
    pub tls: Option<Arc<ServerConfig>>,
}

impl Sources {
    /// Nothing: the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The text of a file, and its name for messages.
    #[must_use]
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.file = Some((name.to_owned(), text.to_owned()));
        self
    }

    /// Environment variables, of which those that begin with `TIDEWIRE_` count: `TIDEWIRE_LOG_LEVEL` is
    /// `log.level`.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let ours = variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX));
        self.environment.extend(ours);
        self.environment.sort(); // so that problems have an order
        self
    }

    /// An option by the command line: as it was written there, the option's path, and the value.
    #[must_use]
    pub fn flag(mut self, written: &str, option: &str, value: &str) -> Self {
        self.flags.push((written.to_owned(), option.to_owned(), value.to_owned()));
        self
    }

    /// Puts them together, and checks all of it. `read` reads the files that options name: keys.
    ///
    /// # Errors
    /// With all that is wrong. There is no half of a configuration.
    pub fn load(self, read: impl Fn(&Path) -> io::Result<String>) -> Result<Settings, ConfigError> {
        let mut findings = Findings::default();
        let mut options = Options::default();
        if let Some((_, text)) = &self.file {
            match DeTable::parse(text) {
                Ok(table) => {
                    let span = table.span();
                    let value = Spanned::new(span, DeValue::Table(table.into_inner()));
                    options.read(&value, "", &mut findings);
                }
                Err(error) => {
                    let place = error.span().map(|span| Place::File(span.start));
                    let sentence = format!("this is no TOML: {}", error.message());
                    findings.problems.push(Problem { place, option: String::new(), sentence });
                }
            }
        }
        for (name, value) in &self.environment {
            let place = Place::Environment(name.clone());
            match print::option_of_variable(name) {
                Some(option) => set(&mut options, &option, value, place, &mut findings),
                None => findings.problems.push(Problem {
                    place: Some(place),
                    option: String::new(),
                    sentence: unknown_variable(name),
                }),
            }
        }
        for (written, option, value) in &self.flags {
            set(&mut options, option, value, Place::CommandLine(written.clone()), &mut findings);
        }
        // What could not be read would be found fault with twice.
        let checked = if findings.problems.is_empty() {
            check::check(&options, &read, &mut findings)
        } else {
            None
        };
        let refused = ConfigError { file: self.file, problems: findings.problems };
        checked.filter(|_| refused.problems.is_empty()).ok_or(refused).map(|checked| {
            let Checked { door, api_keys, signing_key, subscription_signing_key, tls } = checked;
            Settings { options, door, api_keys, signing_key, subscription_signing_key, tls }
        })
    }
}

fn set(options: &mut Options, option: &str, value: &str, place: Place, findings: &mut Findings) {
    findings.places.insert(option.to_owned(), place);
    let path: Vec<_> = option.split('.').collect();
    if let Err(sentence) = options.set(&path, value) {
        findings.object(option, sentence);
    }
}

fn unknown_variable(name: &str) -> String {
    let names = print::variables();
    let known: Vec<_> = names.iter().map(|(variable, _)| &**variable).collect();
    match super::suggest::suggestion(name, &known) {
        Some(_) => unknown(name, &known),
        None => "there is no such option; `tidewire config` prints all of them".to_owned(),
    }
}
