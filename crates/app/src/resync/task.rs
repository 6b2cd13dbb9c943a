//! What a resync is, as the ledger keeps it: which table and target, how, and how far it has come. Nothing is done here.

use serde::{Deserialize, Serialize};
use syncline_api as api;
use syncline_engine::clock::now_millis;
use syncline_engine::verify::Only;

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
    /// The resync that it undoes: the index that one kept is filled again.
    #[serde(default)]
    pub rolls_back: Option<u64>,
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
    /// These rows are read and written again, and what has no row is deleted.
    Part { rows: Only },
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
    /// One that nothing was done of.
    pub fn new(id: u64, pipeline: &str, table: &str, target: &str, form: Form, actor: &str) -> Task {
        Task {
            id,
            pipeline: pipeline.to_owned(),
            table: table.to_owned(),
            target: target.to_owned(),
            state: State::Pending,
            form,
            actor: actor.to_owned(),
            started_at: now_millis(),
            ended_at: None,
            error: None,
            cancel: false,
            leftover: false,
            rolls_back: None,
        }
    }

    /// The index that it has kept for a rollback.
    pub fn kept(&self) -> Option<&str> {
        match &self.form {
            Form::Index { live, kept: true, .. } if self.state == State::Completed => Some(live),
            _ => None,
        }
    }

    /// Whether it is under way, or has left something behind.
    pub fn is_open(&self) -> bool {
        !self.state.is_terminal() || self.leftover
    }

    /// The index that it fills.
    pub fn next_index(&self) -> Option<&str> {
        match &self.form {
            Form::Index { next, .. } => Some(next),
            Form::Place { .. } | Form::Part { .. } => None,
        }
    }

    /// Its index is not kept any more: it is gone, or the alias stands for it again.
    pub fn keep_nothing(&mut self) {
        if let Form::Index { kept, .. } = &mut self.form {
            *kept = false;
        }
    }

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
        let (alias, next) = match &self.form {
            Form::Index { alias, next, .. } => (Some(alias.clone()), Some(next.clone())),
            Form::Place { .. } | Form::Part { .. } => (None, None),
        };
        let part = match &self.form {
            Form::Part { rows } => Some(shown(rows)),
            Form::Index { .. } | Form::Place { .. } => None,
        };
        api::ResyncTask {
            id: self.id,
            pipeline: self.pipeline.clone(),
            table: self.table.clone(),
            target: self.target.clone(),
            state: self.state.name().to_owned(),
            alias,
            index: next,
            kept: self.kept().map(str::to_owned),
            rolls_back: self.rolls_back,
            part,
            asked_by: self.actor.clone(),
            started_at: moment(self.started_at),
            ended_at: self.ended_at.map(moment),
            error: self.error.clone(),
        }
    }
}

/// Some rows, as users name them.
fn shown(rows: &Only) -> api::ResyncPart {
    let none = api::ResyncPart::default();
    match rows.clone() {
        Only::Tenant(tenant) => api::ResyncPart { tenant: Some(tenant), ..none },
        Only::Keys { from, to } => api::ResyncPart { from, to, ..none },
        Only::Where(condition) => api::ResyncPart { condition: Some(condition), ..none },
    }
}
