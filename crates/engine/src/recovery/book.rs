//! How often what was done about which trouble: durable, so that neither a restart nor a kill begins a loop anew. Whether a step may be
//! taken now is decided here; nothing is done here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::keep::ACTOR;
use super::policy::{Cause, Limit, RecoverySpec, Strategy};
use super::probe::Probes;
use crate::clock::now_millis;
use crate::error::{Code, Error, Result};
use crate::ledger::{AuditRecord, Ledger};
use crate::pipeline::Wait;

/// The property of a pipeline that holds its steps.
const PROPERTY: &str = "recovery";

/// One step that was taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Step {
    cause: String,
    /// A table, a target's connection, or nothing for the pipeline.
    place: String,
    step: String,
    /// Milliseconds since 1970.
    at: i64,
}

/// A search index that is to be made anew once its table is followed again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub table: String,
    pub target: String,
}

/// What the ledger keeps.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// Those that still count against the limit.
    steps: Vec<Step>,
    /// All that were ever taken, by cause and step.
    totals: BTreeMap<String, BTreeMap<String, u64>>,
    resyncs: BTreeSet<Wanted>,
}

/// Whether a step may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Now,
    /// In so many milliseconds.
    Later(u64),
    /// So many were taken, which is all there may be.
    Never(u32),
}

/// Steps of one cause for one table, target or pipeline that count against the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryStatus {
    pub cause: String,
    /// A table, a target's connection; `None` for the pipeline.
    pub of: Option<String>,
    /// What was done last.
    pub step: String,
    pub steps: u64,
    /// Milliseconds since 1970.
    pub last_at: i64,
    /// There may be no more, and a person is needed.
    pub limited: bool,
}

impl RecoveryStatus {
    /// As the ledger has it, without a process.
    pub async fn of(
        ledger: Arc<dyn Ledger>,
        pipeline: &str,
        spec: &RecoverySpec,
    ) -> Result<Vec<RecoveryStatus>> {
        let recovery = Recovery::open(ledger, pipeline, spec).await?;
        for status in recovery.look() {
            if let Some(cause) = Cause::ALL.into_iter().find(|cause| cause.name() == status.cause) {
                recovery.turn(cause, status.of.as_deref().unwrap_or_default());
            }
        }
        Ok(recovery.look())
    }
}

/// How many steps were ever taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepCount {
    pub cause: String,
    pub step: String,
    pub count: u64,
}

/// What a run of a pipeline knows of its own recovery.
pub(crate) struct Recovery {
    pipeline: String,
    ledger: Arc<dyn Ledger>,
    limit: Option<Limit>,
    kept: Mutex<Kept>,
    writing: tokio::sync::Mutex<()>,
    limited: Mutex<BTreeSet<(Cause, String)>>,
    /// Somebody takes the steps that the file wants.
    pub kept_up: AtomicBool,
    pub probes: Probes,
    /// Of those who wait to try the source again.
    pub source_wait: Wait,
}

impl Recovery {
    /// Reads what was done before. What cannot be read is of another release, whose steps do not count.
    pub async fn open(ledger: Arc<dyn Ledger>, pipeline: &str, spec: &RecoverySpec) -> Result<Recovery> {
        let text = ledger.property(pipeline, PROPERTY).await?;
        let kept: Kept = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Ok(Recovery {
            pipeline: pipeline.to_owned(),
            ledger,
            limit: spec.limit,
            kept: Mutex::new(kept),
            writing: tokio::sync::Mutex::default(),
            limited: Mutex::default(),
            kept_up: AtomicBool::new(false),
            probes: Probes::default(),
            source_wait: Wait::default(),
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn limits(&self) -> MutexGuard<'_, BTreeSet<(Cause, String)>> {
        self.limited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a step may be taken for this cause at this place. What is at its limit is remembered as such.
    pub fn turn(&self, cause: Cause, place: &str) -> Turn {
        let turn = turn(self.limit, &self.kept().steps, cause, place, now_millis());
        let at = (cause, place.to_owned());
        match turn {
            Turn::Never(_) => _ = self.limits().insert(at),
            Turn::Now | Turn::Later(_) => _ = self.limits().remove(&at),
        }
        turn
    }

    /// The trouble is over: whether there may be another step is no question.
    pub fn well(&self, is_well: impl Fn(Cause, &str) -> bool) {
        self.limits().retain(|(cause, place)| !is_well(*cause, place));
    }

    /// A step is about to be taken: it counts from here on, and then it is in the audit.
    pub async fn note(&self, cause: Cause, place: &str, step: &str, error: Option<&Error>) -> Result<()> {
        let now = now_millis();
        let since = now - millis(self.limit.map_or(Duration::ZERO, |limit| limit.within));
        self.change(|kept| {
            kept.steps.retain(|step| step.at >= since);
            kept.steps.push(Step {
                cause: cause.name().to_owned(),
                place: place.to_owned(),
                step: step.to_owned(),
                at: now,
            });
        })
        .await?;
        self.tell(cause.name(), place, step, error).await
    }

    /// A step that no limit counts.
    pub async fn tell(&self, cause: &str, place: &str, step: &str, error: Option<&Error>) -> Result<()> {
        self.change(|kept| {
            *kept.totals.entry(cause.to_owned()).or_default().entry(step.to_owned()).or_default() += 1;
        })
        .await?;
        let code = error.map(|error| error.code().to_string());
        let because = error.map(Error::to_string);
        tracing::warn!(pipeline = self.pipeline, cause, place, step, "recovery");
        let of = (!place.is_empty()).then_some(place);
        let detail = json!({ "cause": cause, "of": of, "step": step, "code": code, "because": because });
        self.ledger.audit(&AuditRecord::now(ACTOR, "recovery", &self.pipeline, &detail)).await
    }

    /// Indices that wait to be made anew.
    pub fn resyncs(&self) -> Vec<Wanted> {
        self.kept().resyncs.iter().cloned().collect()
    }

    /// These wait, too.
    pub async fn want_resyncs(&self, wanted: Vec<Wanted>) -> Result<()> {
        self.change(|kept| kept.resyncs.extend(wanted)).await
    }

    /// This one does not wait any more.
    pub async fn end_resync(&self, wanted: &Wanted) -> Result<()> {
        self.change(|kept| _ = kept.resyncs.remove(wanted)).await
    }

    async fn change(&self, change: impl FnOnce(&mut Kept)) -> Result<()> {
        let _one_at_a_time = self.writing.lock().await;
        let mut now = self.kept().clone();
        change(&mut now);
        let text = serde_json::to_string(&now).map_err(|e| {
            Error::new(Code::Internal, "steps of recovery cannot be written as JSON").cause(e)
        })?;
        self.ledger.set_property(&self.pipeline, PROPERTY, &text).await?;
        *self.kept() = now;
        Ok(())
    }

    /// An error with a word about the limit at its end, if it is not there yet.
    pub fn at_limit(&self, error: &Error, times: u32) -> Error {
        let within = self.limit.map_or(Duration::ZERO, |limit| limit.within);
        let words = format!("recovery has tried {times} times within {}", spelled(within));
        if error.message().ends_with(LAST) {
            return error.clone();
        }
        let message = format!("{}; {words}{LAST}", error.message());
        let told = Error::new(error.code(), message).fix(error.fix_text());
        match error.cause_text() {
            Some(cause) => told.cause(cause),
            None => told,
        }
    }

    /// Steps that count, by cause and place.
    pub fn look(&self) -> Vec<RecoveryStatus> {
        let limited = self.limits().clone();
        let mut all = BTreeMap::<(String, String), RecoveryStatus>::new();
        for step in &self.kept().steps {
            let key = (step.cause.clone(), step.place.clone());
            let at = |(cause, place): &(Cause, String)| cause.name() == step.cause && *place == step.place;
            let status = all.entry(key).or_insert_with(|| RecoveryStatus {
                cause: step.cause.clone(),
                of: (!step.place.is_empty()).then(|| step.place.clone()),
                step: String::new(),
                steps: 0,
                last_at: 0,
                limited: limited.iter().any(at),
            });
            status.steps += 1;
            (status.step, status.last_at) = (step.step.clone(), step.at);
        }
        all.into_values().collect()
    }

    /// All that were ever taken.
    pub fn totals(&self) -> Vec<StepCount> {
        let kept = self.kept();
        let of = |(cause, steps): (&String, &BTreeMap<String, u64>)| {
            let one = |(step, count): (&String, &u64)| StepCount {
                cause: cause.clone(),
                step: step.clone(),
                count: *count,
            };
            steps.iter().map(one).collect::<Vec<_>>()
        };
        kept.totals.iter().flat_map(of).collect()
    }

    /// Whether a step for this cause is on its way: the file wants one, somebody takes them, and there may be more.
    pub fn pends(&self, spec: &RecoverySpec, cause: Option<Cause>, place: &str) -> bool {
        let Some(cause) = cause else { return false };
        self.kept_up.load(std::sync::atomic::Ordering::Relaxed)
            && spec.strategy(cause) != Strategy::Manual
            && !matches!(self.turn(cause, place), Turn::Never(_))
    }
}

/// How a message about the limit ends.
const LAST: &str = ", which is the limit: a person is needed";

fn turn(limit: Option<Limit>, steps: &[Step], cause: Cause, place: &str, now: i64) -> Turn {
    let Some(limit) = limit else { return Turn::Now };
    let since = now - millis(limit.within);
    let ours = |step: &&Step| step.cause == cause.name() && step.place == place && step.at >= since;
    let count = steps.iter().filter(ours).count();
    let Some(last) = steps.iter().filter(ours).map(|step| step.at).max() else { return Turn::Now };
    if count >= limit.times as usize {
        return Turn::Never(u32::try_from(count).unwrap_or(u32::MAX));
    }
    let doubled = 1_u32.checked_shl(u32::try_from(count).unwrap_or(u32::MAX).saturating_sub(1));
    let ready = last.saturating_add(millis(limit.pause.saturating_mul(doubled.unwrap_or(u32::MAX))));
    match u64::try_from(ready.saturating_sub(now)) {
        Ok(0) | Err(_) => Turn::Now,
        Ok(left) => Turn::Later(left),
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}

/// As the file has it.
fn spelled(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let fits = units.into_iter().find(|(unit, _)| millis >= *unit && millis.is_multiple_of(*unit));
    fits.map_or_else(|| format!("{millis}ms"), |(unit, word)| format!("{}{word}", millis / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(at: &[i64]) -> Vec<Step> {
        let step = |at: &i64| Step {
            cause: Cause::ManyRefused.name().to_owned(),
            place: "main.t".to_owned(),
            step: "backfill".to_owned(),
            at: *at,
        };
        at.iter().map(step).collect()
    }

    #[test]
    fn steps_come_later_and_later_and_not_for_ever() {
        let limit = Limit { times: 3, within: Duration::from_secs(100), pause: Duration::from_secs(10) };
        let look = |at: &[i64], place, now| turn(Some(limit), &steps(at), Cause::ManyRefused, place, now);
        let start = 1_000_000;
        assert_eq!(look(&[], "main.t", start), Turn::Now);
        assert_eq!(look(&[start], "main.t", start + 4000), Turn::Later(6000));
        assert_eq!(look(&[start], "main.t", start + 10_000), Turn::Now);
        assert_eq!(look(&[start, start + 10_000], "main.t", start + 11_000), Turn::Later(19_000));
        let three = [start, start + 10_000, start + 30_000];
        assert_eq!(look(&three, "main.t", start + 99_000), Turn::Never(3));
        assert_eq!(look(&three, "main.u", start + 99_000), Turn::Now, "another table");
        assert_eq!(look(&three, "main.t", start + 101_000), Turn::Now, "the first does not count any more");
        assert_eq!(turn(None, &steps(&three), Cause::ManyRefused, "main.t", start), Turn::Now);
    }

    #[test]
    fn no_number_is_too_large() {
        let limit = Limit { times: u32::MAX, within: Duration::MAX, pause: Duration::MAX };
        let many = steps(&[5; 70]);
        assert!(matches!(turn(Some(limit), &many, Cause::ManyRefused, "main.t", 6), Turn::Later(_)));
    }

    #[test]
    fn durations_are_spelled_as_the_file_has_them() {
        let spelled = |millis| super::spelled(Duration::from_millis(millis));
        assert_eq!([0, 1500, 90_000, 86_400_000].map(spelled), ["0ms", "1500ms", "90s", "24h"]);
    }
}
