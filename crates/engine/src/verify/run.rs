//! One comparison from beginning to end: table after table, all targets of a table at once.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::compare::Comparison;
use super::gather::Count;
use super::interrupted::Progress;
use super::keep;
use super::portion::Portion;
use super::report::{Part, TargetReport, Verified, VerifyProgress, VerifyReport, VerifyRequest};
use super::some::Touched;
use super::tenants::{self, Names, Owners};
use crate::clock::now_millis;
use crate::error::{Code, Error, Result};
use crate::ledger::TableState;
use crate::pipeline::{Port, Shared, Verdict, verdict};
use crate::route::{Pattern, TargetPlan};
use crate::schema::TableSchema;

/// How often a table is begun again after an outage of a server.
const TRIES: u32 = 5;
const REST: Duration = Duration::from_secs(2);

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
    let mut done = Progress::begin(&*shared.ledger, &shared.spec.name, request).await?;
    let folder = Folder::new(&request.folder)?;
    let mut run = Run {
        shared,
        request,
        progress,
        folder: &folder.0,
        touched: None,
        names: None,
        repaired: AtomicU64::new(0),
        limited: AtomicBool::new(false),
    };
    let ended = run.all(&mut done, &mut report.targets).await;
    report.seconds = began.elapsed().as_secs_f64();
    report.limited = run.limited.into_inner();
    let kept = keep::keep(shared, request, &report, began_at, ended.as_ref().err()).await;
    ended?;
    kept?;
    done.end(&*shared.ledger, &shared.spec.name).await?;
    if request.is_whole() {
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
    let keeps = |plan: &TargetPlan| plan.spec.kind.reads_back() && !plan.spec.invalidate;
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
    folder: &'a Path,
    /// What the source's log tells of, if only that is compared.
    touched: Option<Touched>,
    /// The tenants met so far, if they are counted.
    names: Option<Arc<Names>>,
    /// Documents that were tried to put right so far.
    repaired: AtomicU64,
    /// More was found than may be put right.
    limited: AtomicBool,
}

impl Run<'_> {
    /// All tables, one after the other; what was compared to the end is in `targets` even if a later one fails.
    async fn all(&mut self, done: &mut Progress, targets: &mut Vec<TargetReport>) -> Result<()> {
        let Run { shared, request, folder, .. } = *self;
        if request.per_tenant {
            tenants::column(shared)?;
            self.names = Some(Arc::default());
        }
        let tables = tables(shared, request).await?;
        if let Part::Since(since) = done.part {
            let touched = Touched::read(shared, since, &tables, request, folder);
            self.touched = Some(touched.await?);
        }
        for schema in tables {
            if let Some(found) = done.found(&schema.name) {
                self.met(found);
                targets.extend_from_slice(found);
                continue;
            }
            let table = Arc::clone(&schema.name);
            let found = self.table(schema).await?;
            done.done(&*shared.ledger, &shared.spec.name, &table, &found).await?;
            targets.extend(found);
        }
        Ok(())
    }

    /// The tenants of a table that was compared before an interruption keep their numbers.
    fn met(&self, found: &[TargetReport]) {
        let Some(names) = &self.names else { return };
        for tenant in
            found.iter().filter_map(|found| found.by_tenant.as_ref()).flat_map(|by| by.tenants.keys())
        {
            names.whose(tenant);
        }
    }

    /// One table, begun again if a server was away meanwhile or the table has changed its columns.
    async fn table(&mut self, mut schema: Arc<TableSchema>) -> Result<Vec<TargetReport>> {
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

    async fn once(&mut self, schema: &Arc<TableSchema>) -> Result<Vec<TargetReport>> {
        let Run { shared, request, progress, folder, touched, names, repaired, limited } = self;
        let targets = targets(shared, request, schema);
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let key = shared.routes.key_columns(schema);
        let key = key.ok_or_else(|| Error::new(Code::RouteNoKey, format!("{} has no key", schema.name)))?;
        let portion = Portion::of(shared, schema, &key, request)?.map(Arc::new);
        if portion.is_none() && request.only.is_some() {
            return Ok(Vec::new());
        }
        let owners = names.as_ref().and_then(|names| Owners::of(shared, schema, names)).map(Arc::new);
        // Taken by the first try: should there be another one, all of the table is compared.
        let touched = touched.as_mut().map(|touched| {
            let of_plan = targets.iter().map(|(_, plan)| Some((plan.id, touched.of(&schema.name, plan.id)?)));
            of_plan.collect::<Option<Vec<_>>>()
        });
        let count = Arc::new(Count::default());
        let targets = &targets;
        let comparison = Comparison {
            shared,
            request,
            folder,
            schema,
            key: &key,
            targets,
            portion,
            owners,
            count,
            repaired,
            limited,
        };
        let compare = async {
            match (touched.flatten(), request.part) {
                _ if !request.keys.is_empty() => comparison.named().await,
                (Some(suspects), _) => comparison.some(suspects).await,
                (None, Part::Sample(rows)) => comparison.sample(rows).await,
                (None, Part::All | Part::Since(_)) => comparison.all().await,
            }
        };
        tokio::select! {
            result = compare => result,
            never = comparison.told(progress) => never,
        }
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

pub(super) fn broken(error: tokio::task::JoinError) -> Error {
    Error::new(Code::Internal, "a part of the comparison broke off").cause(error)
}
