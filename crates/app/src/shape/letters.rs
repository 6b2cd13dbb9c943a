//! Dead letters between the ledger's structures and the shapes users read. What a letter means is the engine's.

use std::time::Duration;

use syncline_api as api;
use syncline_engine::error::Code;
use syncline_engine::ledger::{DeadLetter, DeadLetterFilter, LetterGroup, LetterState, Retry};
use syncline_engine::pipeline::{RedriveReport, Reprocess, ReprocessReport};

use super::moment;

/// A dead letter. Its key and its change are stored as JSON; should one not be, it is shown as the text it is.
pub fn dead_letter(letter: DeadLetter) -> api::DeadLetter {
    let parsed = |text: String| serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text));
    let (state, note) = match letter.state {
        LetterState::Waiting => ("waiting", None),
        LetterState::Manual(note) => ("manual", Some(note)),
    };
    api::DeadLetter {
        id: letter.id,
        pipeline: letter.pipeline,
        table: letter.table,
        target: letter.target,
        key: parsed(letter.key),
        tenant: letter.tenant,
        error: letter.error,
        message: letter.message,
        attempts: letter.attempts,
        first_at: moment(letter.first_at),
        last_at: moment(letter.last_at),
        state: state.to_owned(),
        note,
        change: parsed(letter.change),
    }
}

/// What a user asked for, as the ledger's filter.
pub fn filter(query: &api::DeadLetterQuery, limit: usize) -> DeadLetterFilter {
    DeadLetterFilter {
        pipeline: query.pipeline.clone(),
        table: query.table.clone(),
        sink: query.sink.clone(),
        tenant: query.tenant.clone(),
        id: query.id,
        error: query.error.as_deref().map(|e| Code::parse(e).map_or(e.to_owned(), |c| c.to_string())),
        limit,
        ..DeadLetterFilter::default()
    }
}

/// What a user wants something done to, as what they could ask for.
pub fn as_query(action: &api::DeadLetterAction) -> api::DeadLetterQuery {
    api::DeadLetterQuery {
        pipeline: action.pipeline.clone(),
        table: action.table.clone(),
        sink: action.sink.clone(),
        tenant: action.tenant.clone(),
        id: action.id,
        error: action.error.clone(),
        limit: None,
    }
}

/// Letters that were refused for the same reason.
pub fn dead_letter_group(group: LetterGroup) -> api::DeadLetterGroup {
    api::DeadLetterGroup {
        pipeline: group.pipeline,
        table: group.table,
        target: group.target,
        error: group.error,
        cause: group.cause,
        count: group.letters,
        manual: group.manual,
        attempts: group.attempts,
        oldest: moment(group.oldest),
        newest: moment(group.newest),
        example: group.example,
    }
}

/// What a redrive did.
pub fn redrive(report: RedriveReport, dry_run: bool) -> api::RedriveReport {
    let failed = report.failed.into_iter().map(|(id, message)| api::RedriveFailure { id, message });
    api::RedriveReport {
        selected: report.selected,
        applied: report.applied,
        superseded: report.superseded,
        failed: failed.collect(),
        dry_run,
    }
}

/// What a pass over the dead letters is to do.
pub fn reprocess(asked: &api::ReprocessRequest) -> Reprocess {
    let usual = Retry::default();
    let delay = |asked: Option<u64>, usual| asked.map_or(usual, Duration::from_millis);
    let retry = Retry {
        most_attempts: asked.most_attempts.unwrap_or(usual.most_attempts),
        first_delay: delay(asked.first_delay_ms, usual.first_delay),
        longest_delay: delay(asked.longest_delay_ms, usual.longest_delay),
    };
    Reprocess { retry, limit: asked.limit.unwrap_or(0) as usize, tenant: asked.tenant.clone() }
}

/// Adds what a pass did.
pub fn add_reprocessed(sum: &mut api::ReprocessReport, report: &ReprocessReport) {
    sum.tried += report.tried;
    sum.applied += report.applied;
    sum.superseded += report.superseded;
    sum.refused += report.refused;
    sum.given_up += report.given_up;
    sum.not_yet += report.not_yet;
}
