//! What a person is told of, read off one look at a pipeline. Whether and when it is told is `memory.rs`.

use syncline_engine::ledger::TableState;
use syncline_engine::pipeline::{PipelineState, PipelineStatus, SinkState};
use syncline_engine::tasks::OutcomeKind;

use crate::config::Alerts;

/// The kinds of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    PipelineHalted,
    TableHalted,
    TargetHalted,
    TargetRetrying,
    Lag,
    DeadLetters,
    Drift,
    RepairLimit,
    ScheduledFailed,
    RecoveryLimited,
}

impl Kind {
    #[cfg(test)]
    pub const ALL: [Kind; 10] = [
        Kind::PipelineHalted,
        Kind::TableHalted,
        Kind::TargetHalted,
        Kind::TargetRetrying,
        Kind::Lag,
        Kind::DeadLetters,
        Kind::Drift,
        Kind::RepairLimit,
        Kind::ScheduledFailed,
        Kind::RecoveryLimited,
    ];

    /// The word in messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::PipelineHalted => "pipeline-halted",
            Kind::TableHalted => "table-halted",
            Kind::TargetHalted => "target-halted",
            Kind::TargetRetrying => "target-retrying",
            Kind::Lag => "lag",
            Kind::DeadLetters => "dead-letters",
            Kind::Drift => "drift",
            Kind::RepairLimit => "repair-limit",
            Kind::ScheduledFailed => "scheduled-failed",
            Kind::RecoveryLimited => "recovery-limited",
        }
    }

    /// The page in docs/runbooks.
    pub fn page(self) -> &'static str {
        match self {
            Kind::ScheduledFailed => "schedule",
            other => other.name(),
        }
    }

    /// As in the rules for Prometheus.
    pub fn severity(self) -> &'static str {
        match self {
            Kind::PipelineHalted | Kind::TableHalted | Kind::TargetHalted | Kind::RecoveryLimited => {
                "critical"
            }
            _ => "warning",
        }
    }

    /// Whether it comes and goes, and is told only when it lasts.
    pub fn passes(self) -> bool {
        matches!(self, Kind::TargetRetrying | Kind::Lag)
    }
}

/// What of a pipeline is in trouble.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    All,
    Table(String),
    Target(String),
    Task(String),
}

impl Place {
    /// Table, target and task.
    pub fn parts(&self) -> (Option<&str>, Option<&str>, Option<&str>) {
        match self {
            Place::All => (None, None, None),
            Place::Table(name) => (Some(name), None, None),
            Place::Target(name) => (None, Some(name), None),
            Place::Task(name) => (None, None, Some(name)),
        }
    }
}

/// One trouble as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    pub kind: Kind,
    pub pipeline: String,
    pub place: Place,
    /// Milliseconds since 1970, where the pipeline knows.
    pub since: Option<i64>,
    pub value: f64,
    pub summary: String,
}

/// All that is wrong with a pipeline now. `limited`: a repair stopped at its limit lately.
pub fn of(alerts: &Alerts, status: &PipelineStatus, limited: bool) -> Vec<Trouble> {
    let mut found = Vec::new();
    let mut add = |kind, place, since, value, summary: String| {
        found.push(Trouble { kind, pipeline: status.name.clone(), place, since, value, summary });
    };
    let name = &status.name;
    if status.state == PipelineState::Halted {
        let why = status.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
        add(Kind::PipelineHalted, Place::All, None, 1.0, format!("pipeline {name} has halted{why}"));
    }
    for table in status.tables.iter().filter(|table| table.state == TableState::Halted) {
        let text = format!("table {} of pipeline {name} has halted", table.table);
        add(Kind::TableHalted, Place::Table(table.table.clone()), None, 1.0, text);
    }
    for sink in &status.sinks {
        let (kind, what) = match sink.state {
            SinkState::Ok => continue,
            SinkState::Retrying => (Kind::TargetRetrying, "does not take anything"),
            SinkState::Halted => (Kind::TargetHalted, "has halted"),
        };
        let text = format!("target {} of pipeline {name} {what}", sink.connection);
        add(kind, Place::Target(sink.connection.clone()), sink.retrying_since, 1.0, text);
    }
    if status.lag_seconds > alerts.lag.as_secs_f64() {
        let text = format!("pipeline {name} is {:.0} s behind its source", status.lag_seconds);
        add(Kind::Lag, Place::All, None, status.lag_seconds, text);
    }
    if status.dead_letters >= alerts.dead_letters {
        let text = format!("{} dead letters of pipeline {name} wait", status.dead_letters);
        add(Kind::DeadLetters, Place::All, None, status.dead_letters as f64, text);
    }
    if let Some(verified) = status.verified.filter(|verified| verified.drift > 0) {
        let text = format!("{} documents of pipeline {name} are wrong", verified.drift);
        add(Kind::Drift, Place::All, None, verified.drift as f64, text);
    }
    if limited {
        let text = format!("a repair of pipeline {name} stopped at its limit");
        add(Kind::RepairLimit, Place::All, None, status.limits_reached as f64, text);
    }
    for entry in &status.schedule {
        let Some(past) = entry.past.as_ref().filter(|past| past.outcome.kind == OutcomeKind::Failed) else {
            continue;
        };
        let why = past.outcome.message.as_deref().unwrap_or("no reason is known");
        let text = format!("scheduled {} of pipeline {name} failed: {why}", entry.task);
        let place = Place::Task(format!("{} {}", entry.task, entry.cron));
        add(Kind::ScheduledFailed, place, Some(past.at), 1.0, text);
    }
    found.extend(limits(status));
    found
}

/// What recovery was not allowed to take up once more.
fn limits(status: &PipelineStatus) -> impl Iterator<Item = Trouble> {
    status.recovery.iter().filter(|done| done.limited).map(|done| {
        let place = match &done.of {
            None => Place::All,
            Some(of) if status.sinks.iter().any(|sink| sink.connection == *of) => Place::Target(of.clone()),
            Some(of) => Place::Table(of.clone()),
        };
        let of = done.of.as_ref().map_or_else(String::new, |of| format!(" of {of}"));
        let name = &status.name;
        let summary =
            format!("recovery{of} in pipeline {name} is at its limit: {} {} times", done.cause, done.steps);
        Trouble {
            kind: Kind::RecoveryLimited,
            pipeline: name.clone(),
            place,
            since: Some(done.last_at),
            value: done.steps as f64,
            summary,
        }
    })
}
