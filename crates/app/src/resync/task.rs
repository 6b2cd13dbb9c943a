//! What a resync is, as the ledger keeps it: which table and target, how, and how far it has come. Nothing is done here.

use serde::{Deserialize, Serialize};
use syncline_api as api;

use crate::shape::moment;

/// What stands in a sink's name between the connection and the resync that it belongs to.
pub const SHADOW: &str = "~resync-";

/// One resync.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Rises over all pipelines of a ledger.
    pub id: u64,
    pub pipeline: String,
    /// `database.table`.
    pub table: String,
    /// The connection.
    pub target: String,
    pub state: State,
    pub form: Form,
    /// Who asked for it.
    pub actor: String,
    /// Milliseconds since 1970.
    pub started_at: i64,
    pub ended_at: Option<i64>,
    /// Why it failed.
    pub error: Option<api::ErrorBody>,
    /// Somebody wants it to end.
    pub cancel: bool,
    /// What it made or planned may still be there and has to go once it has ended.
    pub leftover: bool,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Pending,
    Running,
    Verifying,
    Swapping,
    Completed,
    Failed,
    Cancelled,
}

/// How the target is made anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Another index is filled, and the alias stands for it then.
    Index {
        alias: String,
        /// What the alias stood for before.
        live: String,
        /// What is filled.
        next: String,
        /// The one of both that the alias does not stand for is still there.
        kept: bool,
    },
    /// All rows are read again, and what lies below is swept.
    Place {
        /// It is in the ledger's plans.
        planned: bool,
    },
}

impl State {
    /// Whether nothing follows.
    pub fn is_terminal(self) -> bool {
        matches!(self, State::Completed | State::Failed | State::Cancelled)
    }

    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Running => "running",
            State::Verifying => "verifying",
            State::Swapping => "swapping",
            State::Completed => "completed",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
        }
    }
}

impl Task {
    /// The sink that fills the next index beside the live one. No connection of a file is called so.
    pub fn shadow(&self) -> String {
        format!("{}{SHADOW}{}", self.target, self.id)
    }

    /// Whether a run of the pipeline fills its index.
    pub fn fills(&self) -> bool {
        let under_way = matches!(self.state, State::Running | State::Verifying | State::Swapping);
        under_way && matches!(self.form, Form::Index { .. })
    }

    /// As users read it.
    pub fn shown(&self) -> api::ResyncTask {
        let (alias, live, next, kept) = match &self.form {
            Form::Index { alias, live, next, kept } => {
                (Some(alias.clone()), Some(live.clone()), Some(next.clone()), *kept)
            }
            Form::Place { .. } => (None, None, None, false),
        };
        let old = live.filter(|_| kept && self.state == State::Completed);
        api::ResyncTask {
            id: self.id,
            pipeline: self.pipeline.clone(),
            table: self.table.clone(),
            target: self.target.clone(),
            state: self.state.name().to_owned(),
            alias,
            index: next,
            kept: old,
            asked_by: self.actor.clone(),
            started_at: moment(self.started_at),
            ended_at: self.ended_at.map(moment),
            error: self.error.clone(),
        }
    }
}
