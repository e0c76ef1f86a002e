//! `tidewire token`: makes tokens, and looks into them.

mod inspect;
mod make;

use std::{
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::{Args, Subcommand};

use crate::Failure;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  TIDEWIRE_CLIENT_TOKEN_HMAC_SECRET_KEY=… tidewire token make --user ann
  tidewire token make --config tidewire.toml --user ann --subscribe chat:42
  tidewire token inspect --config tidewire.toml < token.txt")]
pub(crate) struct Token {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token, for trying things out.
    Make(make::Make),
    /// Show what a token says, and whether it is good.
    Inspect(inspect::Inspect),
}

impl Token {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        match &self.action {
            Action::Make(make) => make.run(),
            Action::Inspect(inspect) => inspect.run(),
        }
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
