//! The one binary `syncline`, in phases: read the command line, set up logs, make the runtime, do the work, leave through
//! one exit. Rules of the pipeline belong to the engine; a command's own work is in `cli/`.

mod alerts;
mod arguments;
mod assemble;
mod cli;
mod config;
mod exit;
mod logging;
mod out;
mod pages;
mod phases;
mod process;
mod quickstart;
mod report;
mod resync;
mod serve;
mod shape;
mod signals;
mod tap;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Cli;
use crate::exit::{Exit, Failure};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    if let Err(error) = logging::start(&cli) {
        out::note(&format!("--log: {error}"));
        return Exit::Usage.into();
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            out::note(&format!("the runtime cannot start: {error}"));
            return Exit::Failed.into();
        }
    };
    let done = runtime.block_on(cli::dispatch(cli.command));
    // A second signal must not wait for a request that hangs: nothing that was acknowledged is lost by leaving now.
    runtime.shutdown_background();
    leave(done)
}

/// Prints help to standard output and mistakes to standard error, as clap words them.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    // One provider for all TLS of the process; it is already there only if this ran before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// The one exit: says what is wrong and turns it into a code.
fn leave(done: Result<Exit, Failure>) -> ExitCode {
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => {
            match &failure {
                Failure::Errors(errors) => out::errors(errors),
                Failure::Output(error) if failure.exit() != Exit::Ok => {
                    out::note(&format!("standard output cannot be written: {error}"));
                }
                Failure::Output(_) => {}
            }
            failure.exit().into()
        }
    }
}
