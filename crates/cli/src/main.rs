//! The program `tidewire`: reads the command line, and hands over to the library and the server.
#![forbid(unsafe_code)]

mod args;
mod config;
mod connect;
mod log;
mod serve;
mod signals;
mod token;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Arguments, Command, Serve};

/// What went wrong, in one sentence.
type Failure = String;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let command = arguments.command.unwrap_or_else(|| Command::Serve(Serve::dev()));
    let done = match command {
        Command::Token(token) => token.run(),
        Command::Check(check) => check.run(),
        Command::Config(config) => config.run(),
        Command::Serve(serve) => block_on(serve::run(serve)),
        Command::Connect(connect) => block_on(connect::run(connect)),
    };
    match done {
        Ok(code) => code,
        Err(sentence) => fail(&sentence),
    }
}

/// What takes time, on tokio.
fn block_on(work: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let done = runtime.block_on(work);
    // Whatever task is left has had its time.
    runtime.shutdown_background();
    done
}

fn fail(sentence: &str) -> ExitCode {
    eprintln!("tidewire: {sentence}");
    ExitCode::FAILURE
}
