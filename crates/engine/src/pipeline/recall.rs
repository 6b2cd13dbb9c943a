//! Compares what a target remembers with what the ledger remembers of it (DESIGN 4.6): before the first write, after every
//! outage, at every commit for what the writes themselves have shown, and every few seconds. What a target has lost is
//! read again for it alone and swept; a target that a later history has written halts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;

use super::Shared;
use super::anew::above;
use super::port::Port;
use super::verdict::{Verdict, verdict};
use crate::error::{Code, Error, Result};
use crate::ledger::{AuditRecord, Ledger, PipelineRecord};
use crate::mark::{Mark, Marks};
use crate::recovery::{Cause, Strategy, Turn};
use crate::route::Scope;
use crate::sink::Sink;
use crate::version::Version;

/// How long until the first look for the beginning of the stream.
const BEGINNING: Duration = Duration::from_millis(20);
/// How often a target that nothing happens to is asked.
const APART: Duration = Duration::from_secs(5);

/// The step in the audit.
const RESTORED: &str = Strategy::Backfill.name();

/// How long a start waits for what targets that the ledger does not know remember.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is remembered of one target.
pub(crate) struct Memory {
    known: Mutex<Known>,
    /// One asks at a time.
    asking: tokio::sync::Mutex<()>,
    /// How often there was reason to compare.
    doubts: AtomicU64,
    /// At which of these it was last compared.
    compared: AtomicU64,
}

/// What is known of it by what it said and by what writes have shown.
#[derive(Default)]
struct Known {
    /// `None` before the first contact.
    marks: Option<Marks>,
    /// The ledger does not have it yet.
    news: bool,
}

impl Memory {
    /// `known`: as the ledger has it.
    pub fn new(known: Option<Marks>) -> Memory {
        Memory {
            known: Mutex::new(Known { marks: known, news: false }),
            asking: tokio::sync::Mutex::default(),
            doubts: AtomicU64::new(1),
            compared: AtomicU64::new(0),
        }
    }

    /// The target failed: it may come back as another.
    pub fn doubt(&self) {
        self.doubts.fetch_add(1, Ordering::AcqRel);
    }

    fn compared(&self) -> bool {
        self.compared.load(Ordering::Acquire) == self.doubts.load(Ordering::Acquire)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what writes have shown. A loss, or an epoch that is not `ours` yet, is reason to compare.
    fn learn(&self, shown: &Marks, ours: u16) {
        let mut known = self.known();
        let Known { marks: Some(marks), news } = &mut *known else { return };
        if marks.learn(shown) {
            *news = true;
            if marks.doubtful() || marks.epoch() > Some(ours) {
                self.doubt();
            }
        }
    }

    /// Takes over what the target said when `before` was known; answers all that is known by that.
    fn settle(&self, before: Option<&Marks>, now: Marks) -> Marks {
        let mut known = self.known();
        known.news = false;
        let marks = known.marks.get_or_insert_default();
        marks.settle(before.unwrap_or(&Marks::default()), now);
        marks.clone()
    }
}

impl Port {
    /// Returns once the target is known to hold what it was given, or what it lacks is planned to be read.
    pub async fn recalled(&self) -> Result<()> {
        if self.memory.compared() {
            return Ok(());
        }
        let _one_at_a_time = self.memory.asking.lock().await;
        if self.memory.compared() { Ok(()) } else { self.ask().await }
    }

    /// The target is asked even if it has not failed. Writes do not wait for that.
    async fn look(&self) -> Result<()> {
        self.health.knock(&*self.sink).await?;
        let _one_at_a_time = self.memory.asking.lock().await;
        self.ask().await
    }

    /// What the ledger does not have yet of what writes have shown. It goes with the commit of these writes: a checkpoint
    /// without it would lie above what the ledger can find to be lost.
    pub fn noticed(&self) -> Option<Marks> {
        self.memory.learn(&self.sink.acknowledged(), self.shared.epoch_now());
        let mut known = self.memory.known();
        if std::mem::take(&mut known.news) { known.marks.clone() } else { None }
    }

    async fn ask(&self) -> Result<()> {
        let memory = &self.memory;
        memory.learn(&self.sink.acknowledged(), self.shared.epoch_now());
        let doubts = memory.doubts.load(Ordering::Acquire);
        let before = memory.known().marks.clone();
        let now = self.sink.marks(before.as_ref().unwrap_or(&Marks::default())).await?;
        match &before {
            Some(before) => self.compare(before, &now).await?,
            None => self.meet(&now).await?,
        }
        if before.as_ref() != Some(&now) {
            // Not between a commit and what that has learned.
            let _committing = self.shared.committing.lock().await;
            let known = memory.settle(before.as_ref(), now);
            self.shared.ledger.set_marks(&self.shared.spec.name, &self.name, &known).await?;
        }
        memory.compared.store(doubts, Ordering::Release);
        Ok(())
    }

    /// The comparison failed.
    pub fn doubt(&self, error: &Error) {
        self.memory.doubt();
        match verdict(error) {
            Verdict::Retry => self.health.failed(error),
            Verdict::Park | Verdict::HaltTable | Verdict::Halt => {
                self.health.halt(error);
                self.shared.tracker.abandon(self.index);
            }
        }
    }

    async fn compare(&self, before: &Marks, now: &Marks) -> Result<()> {
        let ours = self.shared.epoch_now();
        if let Some(theirs) = now.epoch().filter(|epoch| *epoch > ours) {
            return Err(self.foreign(theirs, ours));
        }
        let lost: Vec<(&str, &Mark)> = before.lost(now).collect();
        if lost.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = lost.iter().map(|(name, _)| *name).collect();
        self.may_restore(&names.join(", "))?;
        let pipeline = &self.shared.spec.name;
        tracing::warn!(
            pipeline,
            sink = self.name,
            "it does not hold what it held ({}): read again",
            names.join(", ")
        );
        let targets: Option<BTreeSet<&str>> = lost.iter().map(|(_, mark)| mark.target.as_deref()).collect();
        let below = self.shared.captured_up_to().max(self.shared.tracker.replayed_below());
        self.unprepare().await;
        self.shared.want_restored(self, targets.as_ref(), below).await?;
        match self.shared.spec.recovery.limit {
            Some(_) => self.shared.recovery.note(Cause::TargetLost, &self.name, RESTORED, None).await,
            None => Ok(()),
        }
    }

    /// Whether what was lost is read again now. A target that loses it again and again is not filled for ever.
    fn may_restore(&self, what: &str) -> Result<()> {
        let recovery = &self.shared.recovery;
        let lost = format!("{} does not hold what it held ({what})", self.name);
        if self.shared.spec.recovery.strategy(Cause::TargetLost) == Strategy::Manual {
            return Err(Error::new(Code::TargetLost, lost));
        }
        match recovery.turn(Cause::TargetLost, &self.name) {
            Turn::Now => Ok(()),
            Turn::Later(left) => {
                let lost = format!("{lost} once more; it is read again in {} s", left.div_ceil(1000));
                Err(Error::new(Code::Interrupted, lost))
            }
            Turn::Never(times) => Err(recovery.at_limit(&Error::new(Code::TargetLost, lost), times)),
        }
    }

    /// The ledger does not know the target. If it was written before, then by a pipeline whose ledger is lost.
    async fn meet(&self, now: &Marks) -> Result<()> {
        let ours = self.shared.epoch_now();
        match now.epoch() {
            None => Ok(()),
            Some(theirs) if theirs >= ours => Err(self.foreign(theirs, ours)),
            Some(_) if self.shared.sweeps(&self.name).await? => Ok(()),
            Some(_) => self.shared.want_restored(self, None, Version::first_of(ours)).await,
        }
    }

    fn foreign(&self, theirs: u16, ours: u16) -> Error {
        let what = format!(
            "{} was written in epoch {theirs}, the ledger of this pipeline is in epoch {ours}",
            self.name
        );
        Error::new(Code::TargetForeign, what)
    }
}

impl Shared {
    /// The epoch of what is captured now.
    fn epoch_now(&self) -> u16 {
        self.epoch.max(self.captured_up_to().epoch())
    }

    /// Whether an unfinished run reads for this sink and sweeps then.
    async fn sweeps(&self, sink: &str) -> Result<bool> {
        let (_, unfinished) = self.ledger.backfills(&self.spec.name).await?;
        Ok(unfinished.iter().any(|plan| plan.sweep.is_some() && plan.sinks.iter().any(|name| name == sink)))
    }

    /// What a sink holds of these of its targets (of all of them: `None`) is read again, and swept of what lies below.
    async fn want_restored(
        &self,
        port: &Port,
        targets: Option<&BTreeSet<&str>>,
        below: Version,
    ) -> Result<()> {
        let mut tables = Vec::new();
        for schema in self.source.tables().await? {
            let halted = self.tables.halted().contains(&*schema.name);
            if !halted && self.feeds(port.index, &schema.name, targets)? {
                tables.push(schema.name.to_string());
            }
        }
        let detail = serde_json::json!({ "sink": port.name, "targets": targets, "tables": tables });
        self.ledger.audit(&AuditRecord::now("syncline", "restore", &self.spec.name, &detail)).await?;
        self.want_swept(tables, std::slice::from_ref(&port.name), below).await
    }

    /// Whether the table's documents are among what these targets of the sink hold.
    fn feeds(&self, sink: usize, table: &str, names: Option<&BTreeSet<&str>>) -> Result<bool> {
        for (index, plan) in self.routes.targets_of(table) {
            if *index != sink || plan.spec.invalidate {
                continue;
            }
            let Some(names) = names else { return Ok(true) };
            let scope = Scope::new(plan, table)?;
            if names.iter().any(|name| scope.names_hold(name)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Before anything runs: which sinks of those that the ledger knows nothing of were written before. If it knows of none at
/// all it was lost: what is captured from here on is of an epoch above all that they hold.
pub(crate) async fn written_before(
    pipeline: &str,
    sinks: &BTreeMap<String, Arc<dyn Sink>>,
    ledger: &dyn Ledger,
    record: &mut PipelineRecord,
) -> Result<BTreeSet<String>> {
    let unknown = sinks.iter().filter(|(name, _)| !record.marks.contains_key(*name));
    let asked = unknown.map(async |(name, sink)| {
        let none = Marks::default();
        let marks = tokio::time::timeout(PATIENCE, sink.marks(&none)).await;
        // One that does not answer is asked again before it is written.
        (name.clone(), marks.ok().and_then(Result::ok).and_then(|marks| marks.epoch()))
    });
    let found = join_all(asked).await;
    let found: BTreeMap<String, u16> =
        found.into_iter().filter_map(|(name, epoch)| Some((name, epoch?))).collect();
    let highest = found.values().copied().max().filter(|highest| *highest >= record.epoch);
    if let (true, Some(highest)) = (record.checkpoints.is_empty() && record.marks.is_empty(), highest) {
        let epoch = above(pipeline, highest)?;
        tracing::warn!(
            pipeline,
            epoch,
            "the ledger does not know targets that were written before: all is read again"
        );
        let detail = serde_json::json!({ "epoch": epoch, "targets": found });
        ledger.audit(&AuditRecord::now("syncline", "new epoch", pipeline, &detail)).await?;
        ledger.set_epoch(pipeline, epoch).await?;
        record.epoch = epoch;
    }
    Ok(found.into_iter().filter(|(_, epoch)| *epoch < record.epoch).map(|(name, _)| name).collect())
}

/// Asks the targets every few seconds until the pipeline ends. The first time it is those that no write has come to yet.
pub(crate) async fn run(shared: Arc<Shared>) {
    while !shared.streaming.load(Ordering::Relaxed) {
        tokio::time::sleep(BEGINNING).await;
    }
    loop {
        let ports = shared.ports();
        join_all(ports.iter().filter(|port| !port.health.halted()).map(|port| look(port))).await;
        tokio::time::sleep(APART).await;
    }
}

async fn look(port: &Port) {
    if let Err(error) = port.look().await {
        port.doubt(&error);
    }
}

/// Asks all targets now; `Ok(false)` if one of them does not answer.
pub(crate) async fn all_recalled(shared: &Shared) -> bool {
    let ports = shared.ports();
    join_all(ports.iter().map(|port| look(port))).await;
    ports.iter().all(|port| port.health.halted() || port.memory.compared())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_meets_a_later_epoch_is_reason_to_ask() {
        let shown = |count, epoch| {
            let mark = Mark { token: "x".to_owned(), count, epoch, target: None };
            Marks([("part".to_owned(), mark)].into())
        };
        let memory = Memory::new(Some(shown(1, 3)));
        memory.compared.store(1, Ordering::Release);
        memory.learn(&shown(2, 3), 3);
        assert!(memory.compared());
        memory.learn(&shown(3, 4), 3);
        assert!(!memory.compared());
    }
}
