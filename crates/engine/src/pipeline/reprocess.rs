//! Reprocessing: the pipeline tries its dead letters by itself, each later and later, and leaves those to a person that
//! were refused too often. When a letter's turn comes is the ledger's to say, so that a restart changes nothing.

use std::sync::Arc;

use serde_json::json;

use super::status::SinkState;
use super::{Shared, redrive};
use crate::clock::now_millis;
use crate::error::Result;
use crate::ledger::{
    AuditRecord, DeadLetter, DeadLetterFilter, LetterState, Retry, StateChange, Turn, next_letters,
};

/// Which letters to try, when, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reprocess {
    /// When a letter's turn comes.
    pub retry: Retry,
    /// At most so many in this pass; 0 for all whose turn it is.
    pub limit: usize,
    /// Only this tenant's.
    pub tenant: Option<String>,
}

/// What a pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReprocessReport {
    /// Letters that were tried: applied, superseded and refused ones.
    pub tried: u64,
    pub applied: u64,
    /// The target held something newer, or the row was not for it any more.
    pub superseded: u64,
    /// Stay dead letters, those included that were given up now.
    pub refused: u64,
    /// Left to a person from here on.
    pub given_up: u64,
    /// Wait, and were not tried: their time has not come, the limit was reached, or their target is down.
    pub not_yet: u64,
}

/// One pass.
pub(crate) async fn pass(shared: &Arc<Shared>, wanted: &Reprocess) -> Result<ReprocessReport> {
    let mut report = ReprocessReport::default();
    let _one_at_a_time = shared.reprocessing.lock().await;
    // Those that a kill, or a lower limit since, has left.
    report.given_up += give_up(shared, wanted).await?;
    let waiting = shared.ledger.count_dead_letters(&filter(shared, wanted, Turn::Any)).await?;
    let mut due = filter(shared, wanted, Turn::Due { retry: wanted.retry, now: now_millis() });
    'pass: loop {
        let letters = next_letters(&*shared.ledger, &mut due).await?;
        if letters.is_empty() {
            break;
        }
        for letter in letters.iter().filter(|letter| takes(shared, letter)) {
            if wanted.limit > 0 && report.tried >= wanted.limit as u64 {
                break 'pass;
            }
            let tried = redrive::one(shared, letter).await?;
            report.tried += 1;
            match tried {
                redrive::Tried::Applied => report.applied += 1,
                redrive::Tried::Superseded => report.superseded += 1,
                redrive::Tried::Refused(_) => report.refused += 1,
            }
        }
    }
    report.not_yet = waiting.saturating_sub(report.tried);
    report.given_up += give_up(shared, wanted).await?;
    Ok(report)
}

fn filter(shared: &Shared, wanted: &Reprocess, turn: Turn) -> DeadLetterFilter {
    DeadLetterFilter {
        pipeline: Some(shared.spec.name.clone()),
        tenant: wanted.tenant.clone(),
        turn: Some(turn),
        ..DeadLetterFilter::default()
    }
}

/// Whether the letter's target answers: one that is down would hold the whole pass up, and says nothing of the row.
fn takes(shared: &Shared, letter: &DeadLetter) -> bool {
    let ports = shared.ports();
    let port = ports.iter().find(|port| port.name == letter.sink);
    port.is_none_or(|port| port.health.look().0 == SinkState::Ok)
}

/// Leaves letters to a person that have no attempts left.
async fn give_up(shared: &Shared, wanted: &Reprocess) -> Result<u64> {
    let most_attempts = wanted.retry.most_attempts;
    let mut spent = filter(shared, wanted, Turn::Spent { most_attempts });
    let mut given_up = 0;
    loop {
        let letters = next_letters(&*shared.ledger, &mut spent).await?;
        if letters.is_empty() {
            return Ok(given_up);
        }
        let ids: Vec<i64> = letters.iter().map(|letter| letter.id).collect();
        let note =
            format!("given up after {most_attempts} attempts: correct the cause, then redrive or release it");
        let detail = json!({ "ids": ids, "most_attempts": most_attempts });
        let audit = AuditRecord::now("syncline", "dead letters given up", &shared.spec.name, &detail);
        let pipeline = shared.spec.name.clone();
        let state = LetterState::Manual(note);
        let change = StateChange { pipeline, ids, state, only_waiting: true, audit };
        given_up += shared.ledger.set_letter_state(&change).await?.len() as u64;
    }
}
