//! One comparison from beginning to end: table after table, all targets of a table at once.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::buckets::{BUCKETS, Buckets};
use super::gather::{Count, Pace, Walk, listen, scan};
use super::join::join;
use super::journal::Journal;
use super::judge::{self, Finding, Judge};
use super::keep;
use super::repair::Repair;
use super::report::{
    DriftKind, RepairRequest, TargetReport, Verified, VerifyProgress, VerifyReport, VerifyRequest,
};
use super::settled::Waiting;
use crate::clock::now_millis;
use crate::error::{Code, Error, Result};
use crate::ledger::TableState;
use crate::pipeline::{Control, Port, Shared, Verdict, verdict};
use crate::route::{Pattern, TargetPlan};
use crate::schema::TableSchema;

/// How often a table is begun again after an outage of a server.
const TRIES: u32 = 5;
const REST: Duration = Duration::from_secs(2);
/// How often progress is told.
const TELL: Duration = Duration::from_millis(200);

/// Compares, and puts right what it finds if that is asked for.
pub(crate) async fn run(
    shared: &Arc<Shared>,
    request: &VerifyRequest,
    progress: &watch::Sender<VerifyProgress>,
) -> Result<VerifyReport> {
    let _one_at_a_time = shared.verifying.try_lock().map_err(|_| {
        Error::new(Code::VerifyBusy, format!("pipeline {} is being compared already", shared.spec.name))
    })?;
    let (began_at, began) = (now_millis(), Instant::now());
    let mut report = VerifyReport { pipeline: shared.spec.name.clone(), ..VerifyReport::default() };
    let run = Run { shared, request, progress, repaired: AtomicU64::new(0), limited: AtomicBool::new(false) };
    let ended = run.all(&mut report.targets).await;
    report.seconds = began.elapsed().as_secs_f64();
    report.limited = run.limited.into_inner();
    let kept = keep::keep(shared, request, &report, began_at, ended.as_ref().err()).await;
    ended?;
    kept?;
    if request.tables.is_empty() && request.sinks.is_empty() {
        let verified = Verified { at: now_millis(), drift: report.open() };
        verified.keep(&*shared.ledger, &shared.spec.name).await?;
        shared.verified.send_replace(Some(verified));
    }
    Ok(report)
}

/// The tables that are asked for, as they are now.
async fn tables(shared: &Shared, request: &VerifyRequest) -> Result<Vec<Arc<TableSchema>>> {
    let patterns: Vec<Pattern> = request.tables.iter().map(|p| Pattern::parse(p)).collect::<Result<_>>()?;
    let mut wanted = Vec::new();
    for schema in shared.source.tables().await? {
        if !patterns.is_empty() && !patterns.iter().any(|pattern| pattern.matches(&schema.name, true)) {
            continue;
        }
        match shared.tables.get(&schema.name).map(|record| record.state) {
            Some(TableState::Halted) => {
                let what = format!("{} is halted: its targets do not follow it", schema.name);
                let fix = format!("syncline backfill FILE --table {}", schema.name);
                return Err(Error::new(Code::VerifyStopped, what).fix(fix));
            }
            _ => wanted.push(schema),
        }
    }
    if wanted.is_empty() && !patterns.is_empty() {
        let what = format!("no captured table matches {}", request.tables.join(", "));
        return Err(Error::new(Code::Unknown, what));
    }
    Ok(wanted)
}

/// What of the table's targets holds documents that can be read back.
fn targets(
    shared: &Shared,
    request: &VerifyRequest,
    schema: &TableSchema,
) -> Vec<(Arc<Port>, Arc<TargetPlan>)> {
    let ports = shared.ports();
    let keeps = |plan: &TargetPlan| !plan.spec.kind.keeps_lines() && !plan.spec.invalidate;
    let asked = |name: &String| request.sinks.is_empty() || request.sinks.contains(name);
    let mut targets = Vec::new();
    for (sink, plan) in shared.routes.targets_of(&schema.name).filter(|(_, plan)| keeps(plan)) {
        let port = ports.iter().find(|port| port.index == *sink && asked(&port.name));
        targets.extend(port.map(|port| (Arc::clone(port), Arc::clone(plan))));
    }
    targets
}

/// What the comparisons of all tables share.
struct Run<'a> {
    shared: &'a Arc<Shared>,
    request: &'a VerifyRequest,
    progress: &'a watch::Sender<VerifyProgress>,
    /// Documents that were tried to put right so far.
    repaired: AtomicU64,
    /// More was found than may be put right.
    limited: AtomicBool,
}

impl Run<'_> {
    /// All tables, one after the other; what was compared to the end is in `targets` even if a later one fails.
    async fn all(&self, targets: &mut Vec<TargetReport>) -> Result<()> {
        for schema in tables(self.shared, self.request).await? {
            targets.extend(self.table(schema).await?);
        }
        Ok(())
    }

    /// One table, begun again if a server was away meanwhile or the table has changed its columns.
    async fn table(&self, mut schema: Arc<TableSchema>) -> Result<Vec<TargetReport>> {
        let mut tries = 0;
        loop {
            let error = match self.once(&schema).await {
                Err(error) if verdict(&error) == Verdict::Retry && tries < TRIES => error,
                result => return result,
            };
            tries += 1;
            tracing::warn!(table = &*schema.name, "{error}: compared once more");
            tokio::time::sleep(REST).await;
            let known = self.shared.source.tables().await?;
            schema = known.into_iter().find(|known| known.name == schema.name).unwrap_or(schema);
        }
    }

    async fn once(&self, schema: &Arc<TableSchema>) -> Result<Vec<TargetReport>> {
        let Run { shared, request, progress, repaired, limited } = self;
        let targets = targets(shared, request, schema);
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let key = shared.routes.key_columns(schema);
        let key = key.ok_or_else(|| Error::new(Code::RouteNoKey, format!("{} has no key", schema.name)))?;
        let count = Arc::new(Count::default());
        let comparison =
            Comparison { shared, request, schema, key: &key, targets: &targets, count, repaired, limited };
        tokio::select! {
            result = comparison.run() => result,
            never = comparison.told(progress) => never,
        }
    }
}

struct Comparison<'a> {
    shared: &'a Arc<Shared>,
    request: &'a VerifyRequest,
    schema: &'a Arc<TableSchema>,
    key: &'a [usize],
    targets: &'a [(Arc<Port>, Arc<TargetPlan>)],
    count: Arc<Count>,
    /// Documents of the pipeline that were tried to put right so far.
    repaired: &'a AtomicU64,
    limited: &'a AtomicBool,
}

/// One target with all that was gathered of it.
struct Gathered {
    source: Buckets,
    documents: Buckets,
    touched: Buckets,
    journal: Arc<Journal>,
}

/// What a task of the gathering brings.
enum Part {
    Source(Vec<(u32, Buckets)>),
    Documents(u32, Buckets),
}

impl Comparison<'_> {
    /// Tells how far it has come, for ever.
    async fn told<T>(&self, progress: &watch::Sender<VerifyProgress>) -> T {
        loop {
            let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
            progress.send_replace(VerifyProgress {
                table: self.schema.name.to_string(),
                rows: read(&self.count.rows),
                estimate: read(&self.count.estimate),
                documents: read(&self.count.documents),
                suspects: read(&self.count.suspects),
            });
            tokio::time::sleep(TELL).await;
        }
    }

    fn waiting(&self, port: &Port) -> Waiting<'_> {
        Waiting { shared: self.shared, sink: port.index, table: &self.schema.name }
    }

    async fn run(&self) -> Result<Vec<TargetReport>> {
        let folder = Folder::new(&self.request.folder)?;
        let mut reports = Vec::new();
        let mut control = Control::new(&self.shared.wish);
        let gathered = tokio::select! {
            gathered = self.gather(&folder.0) => gathered?,
            // What is judged later ends by itself then, with what it has begun to put right.
            () = control.stopping() => return Err(keep::stopping(self.shared)),
        };
        for (gathered, (port, plan)) in gathered.into_iter().zip(self.targets) {
            reports.push(self.compare(gathered, port, plan).await?);
        }
        Ok(reports)
    }

    /// Reads both sides of all targets.
    async fn gather(&self, folder: &Path) -> Result<Vec<Gathered>> {
        let mut ends = Vec::new();
        let mut listeners = Vec::new();
        let mut journals = Vec::new();
        for (port, plan) in self.targets {
            self.waiting(port).filled().await?;
            let journal = self.shared.journals.begin(plan.id);
            let (end, ended) = oneshot::channel();
            let touched = Buckets::new(folder, &format!("touched-{}", plan.id));
            listeners.push(tokio::spawn(listen(Arc::clone(&journal), touched, ended)));
            journals.push(journal);
            ends.push(end);
        }
        let mut opened = None;
        for (port, _) in self.targets {
            opened = Some(self.waiting(port).settled().await?);
        }
        let Some(opened) = opened else { return Ok(Vec::new()) };
        let mut sides = self.read(folder, opened).await?;
        for (port, _) in self.targets {
            // What was read of the source is in the journals now, and in the targets.
            self.waiting(port).overtaken().await?;
        }
        // Which ends them, as does dropping them.
        drop(ends);
        let mut gathered = Vec::new();
        for ((listener, journal), (_, plan)) in listeners.into_iter().zip(journals).zip(self.targets) {
            let touched = listener.await.map_err(broken)??;
            let Some((source, documents)) = sides.remove(&plan.id) else { continue };
            gathered.push(Gathered { source, documents, touched, journal });
        }
        Ok(gathered)
    }

    async fn read(
        &self,
        folder: &Path,
        opened: crate::position::Position,
    ) -> Result<HashMap<u32, (Buckets, Buckets)>> {
        let pace = || Pace::new(self.request.rows_per_second);
        let mut tasks = JoinSet::new();
        let buckets = |side: &str, plan: u32| Buckets::new(folder, &format!("{side}-{plan}"));
        let walk = Walk {
            shared: Arc::clone(self.shared),
            schema: Arc::clone(self.schema),
            key: self.key.to_vec(),
            opened,
            count: Arc::clone(&self.count),
            pace: pace(),
        };
        let sides = self.targets.iter().map(|(_, plan)| (plan.id, buckets("source", plan.id))).collect();
        tasks.spawn(async move { Ok(Part::Source(walk.run(sides).await?)) });
        for (port, plan) in self.targets {
            let (port, plan, table) = (Arc::clone(port), Arc::clone(plan), Arc::clone(&self.schema.name));
            let (count, pace, documents) = (Arc::clone(&self.count), pace(), buckets("target", plan.id));
            tasks.spawn(async move {
                let id = plan.id;
                Ok(Part::Documents(id, scan(port, plan, table, documents, count, pace).await?))
            });
        }
        let (mut source, mut documents) = (HashMap::new(), HashMap::new());
        while let Some(part) = tasks.join_next().await {
            match part.map_err(broken)?? {
                Part::Source(sides) => source.extend(sides),
                Part::Documents(plan, side) => _ = documents.insert(plan, side),
            }
        }
        Ok(source
            .into_iter()
            .filter_map(|(plan, side)| Some((plan, (side, documents.remove(&plan)?))))
            .collect())
    }

    async fn compare(
        &self,
        mut gathered: Gathered,
        port: &Arc<Port>,
        plan: &Arc<TargetPlan>,
    ) -> Result<TargetReport> {
        let mut report = TargetReport {
            table: self.schema.name.to_string(),
            target: plan.label.clone(),
            sink: port.name.clone(),
            ..TargetReport::default()
        };
        let mut judge = Judge {
            shared: Arc::clone(self.shared),
            schema: Arc::clone(self.schema),
            key: self.key.to_vec(),
            plan: Arc::clone(plan),
            port: Arc::clone(port),
            count: Arc::clone(&self.count),
            journal: gathered.journal,
            late: HashMap::new(),
        };
        let mut suspects = Vec::new();
        for bucket in 0..BUCKETS {
            let (source, documents) = (gathered.source.take(bucket)?, gathered.documents.take(bucket)?);
            let touched = gathered.touched.take(bucket)?;
            let joined = join(&source, &documents, &touched);
            report.compared += joined.compared;
            suspects.extend(joined.suspects);
            while suspects.len() >= judge::AT_ONCE || (bucket + 1 == BUCKETS && !suspects.is_empty()) {
                let rest = suspects.split_off(suspects.len().min(judge::AT_ONCE));
                let findings = judge.judge(std::mem::replace(&mut suspects, rest)).await?;
                findings.iter().for_each(|found| report.add(found.drift.clone(), self.request.listed));
                report.repaired += self.repair(&mut judge, findings).await?;
            }
        }
        report.rows.sort_by(|a, b| (a.kind, &a.key).cmp(&(b.kind, &b.key)));
        Ok(report)
    }
}

impl Comparison<'_> {
    /// Puts findings right as far as that was asked for; answers how many were.
    async fn repair(&self, judge: &mut Judge, mut findings: Vec<Finding>) -> Result<u64> {
        let Some(RepairRequest { actor, most }) = &self.request.repair else { return Ok(0) };
        findings.retain(|finding| finding.drift.kind != DriftKind::Unsettled);
        let left = most.saturating_sub(self.repaired.load(Ordering::Relaxed));
        if findings.len() as u64 > left {
            if !self.limited.swap(true, Ordering::Relaxed) {
                keep::limit_reached(self.shared, self.request, actor, *most).await?;
            }
            findings.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        }
        let wanted = findings.len() as u64;
        if wanted == 0 {
            return Ok(0);
        }
        self.repaired.fetch_add(wanted, Ordering::Relaxed);
        let still = Repair { judge, actor }.repair(findings).await?;
        Ok(wanted.saturating_sub(still.len() as u64))
    }
}

/// The folder of a run; goes with it.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(path: &Path) -> Result<Folder> {
        let made = std::fs::create_dir_all(path);
        made.map_err(|error| {
            Error::new(Code::VerifyFolder, format!("{} cannot be made", path.display())).cause(error)
        })?;
        Ok(Folder(path.to_owned()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::debug!("{} stays: {error}", self.0.display());
        }
    }
}

fn broken(error: tokio::task::JoinError) -> Error {
    Error::new(Code::Internal, "a part of the comparison broke off").cause(error)
}
