//! What can be typed behind `syncline dlq`. What it does is in `cli/dead_letters.rs` and beside it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::config::units;

#[derive(Debug, Subcommand)]
pub enum DlqCommand {
    /// One line per dead letter.
    List(DlqArgs),
    /// Everything that is known of them, the change as captured included.
    Show(DlqArgs),
    /// How many there are of each cause, the most first.
    Groups(DlqArgs),
    /// All of them as JSON lines, each with its row as it was kept.
    Export(ExportArgs),
    /// Reads the rows again and tries them at the sink that refused them.
    Redrive(DlqArgs),
    /// Tries those whose time has come, once, and leaves those to a person that were refused too often.
    Reprocess(ReprocessArgs),
    /// Leaves them to a person: they are not tried again by themselves.
    Manual(ManualArgs),
    /// Gives them back: they are tried again by themselves.
    Release(LettersArgs),
    /// Gives them up; from then on they count as superseded.
    Discard(DlqArgs),
}

#[derive(Debug, Args)]
pub struct DlqArgs {
    /// The configuration.
    pub file: PathBuf,
    /// Only these, by number.
    pub ids: Vec<i64>,
    /// Only this one, by number; can be given several times.
    #[arg(long = "id", value_name = "N")]
    pub more_ids: Vec<i64>,
    /// Only of this pipeline.
    #[arg(long, value_name = "NAME")]
    pub pipeline: Option<String>,
    /// Only of this table (`database.table`).
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// Only of this target (connection name).
    #[arg(long, value_name = "CONNECTION")]
    pub target: Option<String>,
    /// Only of this tenant.
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    /// Only with this error code.
    #[arg(long, value_name = "CODE")]
    pub error: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
    /// Says what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// JSON: lines for lists, one object for what was done.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    pub which: DlqArgs,
    /// Into this file, which must not exist; to standard output if absent.
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct LettersArgs {
    /// The configuration.
    pub file: PathBuf,
    /// These, by number.
    pub ids: Vec<i64>,
    /// This one, by number; can be given several times.
    #[arg(long = "id", value_name = "N")]
    pub more_ids: Vec<i64>,
    /// JSON lines: the dead letters as they are then.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ManualArgs {
    #[command(flatten)]
    pub which: LettersArgs,
    /// What they wait for.
    #[arg(long, value_name = "TEXT")]
    pub note: String,
}

#[derive(Debug, Args)]
pub struct ReprocessArgs {
    /// The configuration.
    pub file: PathBuf,
    /// Only of this pipeline.
    #[arg(long, value_name = "NAME")]
    pub pipeline: Option<String>,
    /// Only of this tenant.
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    /// Refusals after which one is left to a person, the first one included (8).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub most_attempts: Option<u32>,
    /// How long after its first refusal one is tried again (1m). It doubles with each further refusal.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub first_delay: Option<Duration>,
    /// That delay grows no further (1h).
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub longest_delay: Option<Duration>,
    /// At most so many; all whose time has come if absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    units::duration(text).ok_or_else(|| "write a duration such as 500ms, 30s, 5m, 1h, 7d".to_owned())
}

impl DlqArgs {
    /// All numbers that were given.
    pub fn numbers(&self) -> impl Iterator<Item = i64> {
        self.ids.iter().chain(&self.more_ids).copied()
    }
}
