//! `tidewire check` and `tidewire config`.

use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use tidewire_server::config::{Options, Settings, Sources};

use crate::Failure;

#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is started. The environment counts, as it does when the server starts: TIDEWIRE_LOG_LEVEL is
log.level, for example.

Exit status: 0 if the configuration is good; 1 if it is not, with all that is wrong on standard error,
each with its line and its option; 2 if the command line was wrong.

Examples:
  tidewire check tidewire.toml")]
pub(crate) struct Check {
    /// The file.
    file: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "\
What is printed is a configuration: save it, and change what should be another way. Secrets are left out.

Examples:
  tidewire config > tidewire.toml        every option with its default
  tidewire config tidewire.toml          what this file makes of them, and the environment")]
pub(crate) struct Config {
    /// A file: then what is printed is what it says.
    file: Option<PathBuf>,
}

impl Check {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let settings = load(Some(&self.file), None, &[])?;
        let namespaces = settings.options.channel.namespaces.len();
        let sentence = format!(
            "{}: good; {namespaces} {}",
            self.file.display(),
            if namespaces == 1 { "namespace" } else { "namespaces" }
        );
        print(&[&sentence])
    }
}

impl Config {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let options = match &self.file {
            Some(file) => load(Some(file), None, &[])?.options,
            None => Options::default(),
        };
        print(&[options.to_toml().trim_end()])
    }
}

/// An option by a flag: as it was written, its path, and its value.
pub(crate) type Flag = (String, &'static str, String);

/// The configuration of a file, if one is given, with the environment over it, and flags over that.
/// Without a file, `text` is what one would say; its name is for messages.
pub(crate) fn load(
    file: Option<&Path>,
    text: Option<(&str, &str)>,
    flags: &[Flag],
) -> Result<Settings, Failure> {
    let mut sources = Sources::new();
    if let Some(file) = file {
        let text = fs::read_to_string(file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        sources = sources.file(&file.to_string_lossy(), &text);
    } else if let Some((name, text)) = text {
        sources = sources.file(name, text);
    }
    // What is not text is none of ours: our values are.
    let texts = env::vars_os().filter_map(|(name, value)| {
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    });
    sources = sources.environment(texts);
    for (written, option, value) in flags {
        sources = sources.flag(written, option, value);
    }
    // Files that the file names are looked for beside it, wherever the program was started.
    let folder = file.and_then(Path::parent).map(Path::to_path_buf).unwrap_or_default();
    sources
        .load(|path| fs::read_to_string(folder.join(path)))
        .map_err(|error| format!("the configuration is not taken\n{error}"))
}

/// Writes lines to standard output. A reader that is gone has had enough.
pub(crate) fn print(lines: &[&str]) -> Result<ExitCode, Failure> {
    let mut stdout = io::stdout().lock();
    let written = lines.iter().try_for_each(|line| writeln!(stdout, "{line}"));
    match written.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}"))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
