//! Which module does what was typed. Exit codes are binding, as are the names in `arguments.rs`.

mod about;
mod alone;
mod audit;
mod book;
mod by_tenant;
mod check;
mod control;
mod dead_letters;
mod get;
mod letter_books;
mod letter_care;
mod lint;
mod moved;
pub mod names;
mod preflight;
mod progress;
mod report;
mod resync;
mod revision;
mod run;
mod search;
pub mod status;
mod verify;

use crate::arguments::{CheckpointCommand, Command, LedgerCommand};
use crate::exit::{Exit, Failure};

/// Does what was typed.
pub async fn dispatch(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Quickstart(args) => crate::quickstart::quickstart(args).await,
        Command::Run(args) => run::run(args).await,
        Command::Lint(args) => lint::lint(&args),
        Command::Check(args) => check::check(&args).await,
        Command::Status(args) => status::status(args).await,
        Command::Tap(args) => crate::tap::tap(args).await,
        Command::Pause(args) => control::pause(args).await,
        Command::Resume(args) => control::resume(args).await,
        Command::Backfill(args) => control::backfill(args).await,
        Command::Resync(args) => resync::resync(args).await,
        Command::Verify(args) => verify::verify(args).await,
        Command::Repair(args) => verify::repair(args).await,
        Command::Report(args) => report::report(args).await,
        Command::Dlq(command) => dead_letters::dlq(command).await,
        Command::Ledger(LedgerCommand::Backup { file, dest }) => book::backup(&file, &dest).await,
        Command::Checkpoint(CheckpointCommand::Get { file, json }) => book::checkpoint(&file, json).await,
        Command::Checkpoint(CheckpointCommand::Set { file, pipeline, position, yes, json }) => {
            moved::set(&file, &pipeline, &position, yes, json).await
        }
        Command::Audit(command) => audit::audit(command).await,
        Command::Search(args) => search::search(args).await,
        Command::Get(args) => get::get(args).await,
        Command::Schema => about::schema(),
        Command::Completions { shell } => about::completions(shell),
        Command::Errors { code } => about::errors(code.as_deref()),
    }
}
