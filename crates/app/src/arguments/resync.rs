//! What can be typed behind `resync`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ResyncArgs {
    #[command(subcommand)]
    pub command: Option<ResyncCommand>,
    #[command(flatten)]
    pub begin: Option<ResyncBegin>,
}

#[derive(Debug, Args)]
pub struct ResyncBegin {
    /// The configuration.
    #[arg(required = true)]
    pub file: PathBuf,
    /// Which table (`database.table`).
    #[arg(long, value_name = "TABLE", required = true)]
    pub table: String,
    /// Only this pipeline; needed where several capture the table.
    #[arg(long, value_name = "NAME")]
    pub pipeline: Option<String>,
    /// Which target (connection name); needed where the table has several that hold documents.
    #[arg(long, value_name = "CONNECTION")]
    pub target: Option<String>,
    /// Only the rows of this tenant (the pipeline's `tenant:` column), in place.
    #[arg(long, value_name = "TENANT", conflicts_with_all = ["from", "to", "condition"])]
    pub tenant: Option<String>,
    /// Only rows from this key on, in place.
    #[arg(long, value_name = "KEY", conflicts_with = "condition")]
    pub from: Option<String>,
    /// Only rows up to this key, in place.
    #[arg(long, value_name = "KEY", conflicts_with = "condition")]
    pub to: Option<String>,
    /// Only rows for which this is true (as a filter's `when:`), in place.
    #[arg(long = "where", value_name = "CONDITION")]
    pub condition: Option<String>,
    /// One JSON object, once it has ended.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum ResyncCommand {
    /// Shows resyncs and what they have kept.
    List {
        /// The configuration.
        file: PathBuf,
        /// JSON lines.
        #[arg(long)]
        json: bool,
    },
    /// Ends a resync; the live target stays as it is.
    Cancel(ResyncOne),
    /// Deletes the index that a resync has kept.
    Forget(ResyncOne),
    /// Makes the index live again that a resync has kept, once it holds what it has missed.
    Rollback(ResyncOne),
}

#[derive(Debug, Args)]
pub struct ResyncOne {
    /// The configuration.
    pub file: PathBuf,
    /// Its number.
    pub id: u64,
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
}
