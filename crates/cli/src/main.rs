//! The program `tidewire`: reads the command line, and hands over to the library and the server.
#![forbid(unsafe_code)]

mod args;
mod connect;
mod serve;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Arguments, Command, Serve};

/// What went wrong, in one sentence.
type Failure = String;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let command = arguments.command.unwrap_or_else(|| Command::Serve(Serve::dev()));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}")),
    };
    let done = match command {
        Command::Serve(serve) => runtime.block_on(serve::run(serve)),
        Command::Connect(connect) => runtime.block_on(connect::run(connect)),
    };
    // Whatever task is left has had its time.
    runtime.shutdown_background();
    match done {
        Ok(code) => code,
        Err(sentence) => fail(&sentence),
    }
}

fn fail(sentence: &str) -> ExitCode {
    eprintln!("tidewire: {sentence}");
    ExitCode::FAILURE
}
