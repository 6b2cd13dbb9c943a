//! What can be typed: commands, their flags and what they mean. Names and flags are binding (people script against them);
//! commands that do not exist yet are absent, not stubbed. What a command does is in `cli`.

mod dead_letters;
mod resync;

pub use dead_letters::*;
pub use resync::*;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use syncline_engine::audit::AuditHead;

/// Keeps every copy of a team's data in step with its source.
#[derive(Debug, Parser)]
#[command(name = "syncline", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    /// What to log: a level, or filters such as `info,syncline_connectors=debug`.
    #[arg(long, global = true, env = "SYNCLINE_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// How to log (always to standard error).
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    #[command(subcommand)]
    pub command: Command,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// A demo on embedded parts: no server, no question asked.
    Quickstart(QuickstartArgs),
    /// Runs the pipelines of a file.
    Run(RunArgs),
    /// Checks a file without connecting to anything.
    Lint(FindingsArgs),
    /// Checks a file, its servers, grants, tables and targets.
    Check(FindingsArgs),
    /// States, lag, rate, balance and dead letters.
    Status(StatusArgs),
    /// Prints changes as JSON lines; touches no checkpoint.
    Tap(TapArgs),
    /// Stops reading until `resume`, also over restarts.
    Pause(ControlArgs),
    /// Goes on after `pause`, and lets tables go on that halted for their dead letters.
    Resume(ControlArgs),
    /// Reads tables again into the live targets.
    Backfill(BackfillArgs),
    /// Makes the documents of a table in one target anew: a search index beside the live one, others in place.
    Resync(ResyncArgs),
    /// Compares what the targets hold with what the source's rows should have become; changes nothing.
    Verify(VerifyArgs),
    /// Compares, and says what it would put right; does it with `--yes`.
    Repair(RepairArgs),
    /// What comparisons found over the last hours, per table and target; only reads the ledger.
    Report(ReportArgs),
    /// Dead letters: changes that a sink refused for good.
    #[command(subcommand)]
    Dlq(DlqCommand),
    /// Syncline's own durable book.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Where reading would resume.
    #[command(subcommand)]
    Checkpoint(CheckpointCommand),
    /// Who did what, in a chain that shows what was changed in it.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Asks a search index.
    Search(SearchArgs),
    /// Prints the document a target holds.
    Get(GetArgs),
    /// Prints the JSON Schema of the configuration.
    Schema,
    /// Prints a completion script.
    Completions { shell: clap_complete::Shell },
    /// Prints the page of an error: what happened, why, what to do.
    Errors {
        /// `SYN-1204` or `1204`; all codes if absent.
        code: Option<String>,
    },
}

#[derive(Debug, Args)]
pub struct QuickstartArgs {
    /// Where to put the demo.
    #[arg(default_value = "syncline-quickstart")]
    pub dir: PathBuf,
    /// Goes on running at the end, with the HTTP interface open.
    #[arg(long)]
    pub serve: bool,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// The configuration.
    pub file: PathBuf,
    /// Only these pipelines.
    #[arg(long = "pipeline", value_name = "NAME")]
    pub pipelines: Vec<String>,
    /// Ends once backfill is done and every sink holds everything up to the source's position read after that.
    #[arg(long)]
    pub until_current: bool,
}

#[derive(Debug, Args)]
pub struct FindingsArgs {
    /// The configuration.
    pub file: PathBuf,
    /// One finding per line, as JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The configuration; `syncline.yaml` or `pipeline.yaml` here if absent.
    pub file: Option<PathBuf>,
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
    /// Again every second, until interrupted.
    #[arg(long)]
    pub watch: bool,
}

#[derive(Debug, Args)]
pub struct TapArgs {
    /// The configuration.
    pub file: PathBuf,
    /// Only these pipelines.
    #[arg(long = "pipeline", value_name = "NAME")]
    pub pipelines: Vec<String>,
    /// Only this table (`database.table`, or a pattern).
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// Ends after so many lines.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Whose form the lines have.
    #[arg(long, value_enum, default_value_t = Dialect::Syncline)]
    pub format: Dialect,
}

/// The forms `tap` can print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dialect {
    Syncline,
    Debezium,
    Canal,
    Maxwell,
}

#[derive(Debug, Args)]
pub struct ControlArgs {
    /// The configuration.
    pub file: PathBuf,
    /// Only these pipelines; all of the file if absent.
    #[arg(long = "pipeline", value_name = "NAME")]
    pub pipelines: Vec<String>,
    /// JSON lines.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct BackfillArgs {
    /// The configuration.
    pub file: PathBuf,
    /// Only these tables (`database.table`, or patterns).
    #[arg(long = "table", value_name = "TABLE")]
    pub tables: Vec<String>,
    /// Only these pipelines; all of the file if absent.
    #[arg(long = "pipeline", value_name = "NAME")]
    pub pipelines: Vec<String>,
    /// Only for these targets (connection names).
    #[arg(long = "target", value_name = "CONNECTION")]
    pub targets: Vec<String>,
    /// Stops the running backfill instead.
    #[arg(long, conflicts_with_all = ["tables", "targets"])]
    pub cancel: bool,
    /// JSON lines.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The configuration.
    pub file: PathBuf,
    /// Only these tables (`database.table`, or patterns).
    #[arg(long = "table", value_name = "TABLE")]
    pub tables: Vec<String>,
    /// Only these pipelines; all of the file if absent.
    #[arg(long = "pipeline", value_name = "NAME")]
    pub pipelines: Vec<String>,
    /// Only these targets (connection names).
    #[arg(long = "target", value_name = "CONNECTION")]
    pub targets: Vec<String>,
    /// Only rows of this tenant (the pipeline's `tenant:` column).
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    /// Counts what it finds by tenant, too: one comparison of all of them.
    #[arg(long, conflicts_with_all = ["tenant", "keys"])]
    pub per_tenant: bool,
    /// Only what the source's log tells of since so long ago (`10m`, `2h`, `1d`).
    #[arg(long, value_name = "AGO", value_parser = ago)]
    pub since: Option<String>,
    /// Only about N rows of each table, at places drawn anew each time; strays are found without it only.
    #[arg(long, value_name = "N", conflicts_with = "since", value_parser = clap::value_parser!(u64).range(1..))]
    pub sample: Option<u64>,
    /// Only this key of the one table that `--table` names (parts joined by `:`, `%` as %25, `:` as %3A); may come again.
    #[arg(long = "key", value_name = "KEY", requires = "tables", conflicts_with_all = ["tenant", "since", "sample", "resume"])]
    pub keys: Vec<String>,
    /// Goes on with a comparison that asked the same and was interrupted: tables that it was done with are not read again.
    #[arg(long)]
    pub resume: bool,
    /// Reads at most so many rows a second of each side.
    #[arg(long, value_name = "N")]
    pub rows_per_second: Option<u64>,
    /// Reads so many ranges of the source at once, 1 to 16 [default: 2].
    #[arg(long, value_name = "N", value_parser = readers)]
    pub readers: Option<usize>,
    /// Names at most so many rows per target; all are counted.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub limit: u64,
    /// One JSON object per pipeline.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RepairArgs {
    #[command(flatten)]
    pub verify: VerifyArgs,
    /// Puts it right.
    #[arg(long)]
    pub yes: bool,
    /// Puts at most so many documents of a pipeline right.
    #[arg(long, value_name = "N", default_value_t = syncline_engine::verify::MOST_REPAIRS)]
    pub max_repairs: u64,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The configuration.
    pub file: PathBuf,
    /// Only these pipelines; all of the file if absent.
    #[arg(long = "pipeline", value_name = "NAME")]
    pub pipelines: Vec<String>,
    /// Only what was compared of this tenant's rows.
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    /// Of so many hours until now.
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=crate::report::MOST_HOURS))]
    pub hours: u32,
    /// One JSON object.
    #[arg(long, conflicts_with = "html")]
    pub json: bool,
    /// Writes a page for a browser there.
    #[arg(long, value_name = "PATH")]
    pub html: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Copies the ledger, also while `run` uses it.
    Backup {
        /// The configuration.
        file: PathBuf,
        /// The copy; must not exist.
        dest: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum CheckpointCommand {
    /// Shows the checkpoint of each sink.
    Get {
        /// The configuration.
        file: PathBuf,
        /// JSON lines.
        #[arg(long)]
        json: bool,
    },
    /// Says how it would move the checkpoints of a pipeline; does it with `--yes`.
    Set {
        /// The configuration.
        file: PathBuf,
        /// Whose checkpoints.
        #[arg(long, value_name = "NAME")]
        pipeline: String,
        /// Where to, as `get` shows it. Forward skips changes: all tables are stale then.
        #[arg(long, value_name = "POSITION")]
        position: String,
        /// Moves them.
        #[arg(long)]
        yes: bool,
        /// JSON lines.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Shows it, oldest first.
    List {
        /// The configuration.
        file: PathBuf,
        /// Only of this pipeline.
        #[arg(long, value_name = "NAME")]
        pipeline: Option<String>,
        /// Only the last so many.
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// JSON lines.
        #[arg(long)]
        json: bool,
    },
    /// Proves that no entry was changed, dropped or moved.
    Verify {
        /// The configuration.
        file: PathBuf,
        /// Also that the audit goes on from this head, as an earlier `verify` printed it.
        #[arg(long, value_name = "NUMBER:HASH")]
        head: Option<AuditHead>,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct SearchArgs {
    /// The configuration.
    pub file: PathBuf,
    /// The index, as a route names it.
    pub index: String,
    /// The words to find.
    pub query: String,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub limit: usize,
    /// Prints `{"id","score","document"}` lines.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct GetArgs {
    /// The configuration.
    pub file: PathBuf,
    /// `database.table`.
    pub table: String,
    /// The key as text; parts joined by `:`, each with `%` and `:` percent-encoded.
    pub key: String,
    /// Which target to ask (connection name).
    #[arg(long, value_name = "CONNECTION")]
    pub target: String,
}

/// How many ranges are read at once.
fn readers(text: &str) -> Result<usize, String> {
    let most = syncline_engine::verify::MOST_READERS;
    text.parse()
        .ok()
        .filter(|n| (1..=most).contains(n))
        .ok_or_else(|| format!("write a number from 1 to {most}"))
}

/// A duration that is handed on as it is written.
fn ago(text: &str) -> Result<String, String> {
    let known = crate::config::units::duration(text);
    known
        .map(|_| text.to_owned())
        .ok_or_else(|| "write a number and ms, s, m, h or d, such as 10m".to_owned())
}
