//! One table held against all of its targets at once: all of it, a sample, or what was touched.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::buckets::{BUCKETS, Buckets};
use super::documents::Documents;
use super::gather::{Count, Pace, Walk, listen, scan};
use super::glance::Glance;
use super::journal::Journal;
use super::judge::Judge;
use super::judged::Judged;
use super::keep;
use super::keys::Named;
use super::portion::Portion;
use super::report::{MOST_READERS, READERS, TargetReport, VerifyProgress, VerifyRequest};
use super::run::broken;
use super::settled::Waiting;
use super::some::{Sample, Suspects};
use super::tally::{Tally, join_part};
use super::tenants::{Holders, Owners};
use crate::error::Result;
use crate::pipeline::{Control, Port, Shared};
use crate::position::Position;
use crate::route::TargetPlan;
use crate::schema::TableSchema;

/// Buckets that are joined at once.
const JOINS: usize = 4;
/// How often progress is told.
const TELL: Duration = Duration::from_millis(200);

/// A table, its targets, and what is asked of them.
pub(super) struct Comparison<'a> {
    pub shared: &'a Arc<Shared>,
    pub request: &'a VerifyRequest,
    /// For what does not fit in memory.
    pub folder: &'a Path,
    pub schema: &'a Arc<TableSchema>,
    pub key: &'a [usize],
    pub targets: &'a [(Arc<Port>, Arc<TargetPlan>)],
    pub portion: Option<Arc<Portion>>,
    /// Whose its rows are, if that is counted.
    pub owners: Option<Arc<Owners>>,
    pub count: Arc<Count>,
    /// Documents of the pipeline that were tried to put right so far.
    pub repaired: &'a AtomicU64,
    /// More was found than may be put right.
    pub limited: &'a AtomicBool,
}

/// One target with all that was gathered of it.
struct Gathered {
    source: Buckets,
    documents: Documents,
    touched: Buckets,
    journal: Arc<Journal>,
}

/// What a task of the gathering brings.
enum Side {
    Source(Vec<(u32, Buckets)>),
    Documents(u32, Documents),
}

impl Comparison<'_> {
    /// Tells how far it has come, for ever.
    pub async fn told<T>(&self, progress: &watch::Sender<VerifyProgress>) -> T {
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

    pub fn waiting(&self, port: &Port) -> Waiting<'_> {
        Waiting { shared: self.shared, sink: port.index, table: &self.schema.name }
    }

    /// All rows, and all that the targets hold.
    pub async fn all(&self) -> Result<Vec<TargetReport>> {
        let mut control = Control::new(&self.shared.wish);
        let gathered = tokio::select! {
            gathered = self.gather(self.folder) => gathered?,
            // What is judged later ends by itself then, with what it has begun to put right.
            () = control.stopping() => return Err(keep::stopping(self.shared)),
        };
        let each = gathered.into_iter().zip(self.targets);
        try_join_all(each.map(|(gathered, (port, plan))| self.compare(gathered, port, plan))).await
    }

    /// About so many rows.
    pub async fn sample(&self, rows: u64) -> Result<Vec<TargetReport>> {
        let Some(opened) = self.settled().await? else { return Ok(Vec::new()) };
        let mut suspects = self.suspects();
        let (shared, schema, key) = (self.shared, self.schema, self.key);
        let sample =
            Sample { shared, schema, key, portion: self.portion.as_deref(), count: &self.count, rows };
        sample.take(&opened, Pace::new(self.shared, self.request.rows_per_second), &mut suspects).await?;
        self.some(suspects).await
    }

    /// The keys that were named.
    pub async fn named(&self) -> Result<Vec<TargetReport>> {
        let Some(opened) = self.settled().await? else { return Ok(Vec::new()) };
        let mut suspects = self.suspects();
        let named =
            Named { shared: self.shared, schema: self.schema, key: self.key, texts: &self.request.keys };
        named.take(&opened, &mut suspects).await?;
        self.some(suspects).await
    }

    /// Nothing yet, for each target.
    fn suspects(&self) -> Vec<(u32, Suspects)> {
        let of_plan = |plan: &TargetPlan| (plan.id, Suspects::new(self.folder, plan.id));
        self.targets.iter().map(|(_, plan)| of_plan(plan)).collect()
    }

    /// Waits for each target; answers where the stream was, unless there is none.
    async fn settled(&self) -> Result<Option<Position>> {
        let mut opened = None;
        for (port, _) in self.targets {
            self.waiting(port).filled().await?;
            opened = Some(self.waiting(port).settled().await?);
        }
        Ok(opened)
    }

    /// Looks at all of these.
    pub async fn some(&self, of_plan: Vec<(u32, Suspects)>) -> Result<Vec<TargetReport>> {
        let each = of_plan.into_iter().zip(self.targets);
        try_join_all(each.map(|((_, suspects), (port, plan))| self.look_at(suspects, port, plan))).await
    }

    async fn look_at(
        &self,
        mut suspects: Suspects,
        port: &Arc<Port>,
        plan: &Arc<TargetPlan>,
    ) -> Result<TargetReport> {
        self.waiting(port).filled().await?;
        let journal = self.shared.journals.begin(plan.id, &self.schema.name);
        let mut judged = self.judged(port, plan, journal)?;
        let mut control = Control::new(&self.shared.wish);
        // Who counts by tenant has the judge look at each.
        let many = suspects.many > judged.judge.at_once() && judged.tally.is_none();
        let glance = async { if many { Glance::begin(self, port, plan).await.map(Some) } else { Ok(None) } };
        let mut glance = tokio::select! {
            glance = glance => glance?,
            () = control.stopping() => return Err(keep::stopping(self.shared)),
        };
        for bucket in 0..Suspects::BUCKETS {
            let mut suspects = suspects.take(bucket)?;
            let addressed = suspects.iter().filter(|suspect| suspect.address.is_some());
            judged.report.compared += addressed.count() as u64;
            if let Some(glance) = &mut glance {
                suspects = tokio::select! {
                    doubtful = glance.doubtful(bucket, suspects) => doubtful?,
                    () = control.stopping() => return Err(keep::stopping(self.shared)),
                };
            }
            judged.look(suspects).await?;
        }
        judged.end().await
    }

    /// Reads both sides of all targets.
    async fn gather(&self, folder: &Path) -> Result<Vec<Gathered>> {
        let mut ends = Vec::new();
        let mut listeners = Vec::new();
        let mut journals = Vec::new();
        for (port, plan) in self.targets {
            self.waiting(port).filled().await?;
            let journal = self.shared.journals.begin(plan.id, &self.schema.name);
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

    async fn read(&self, folder: &Path, opened: Position) -> Result<HashMap<u32, (Buckets, Documents)>> {
        let pace = || Pace::new(self.shared, self.request.rows_per_second);
        let mut tasks = JoinSet::new();
        let buckets = |side: &str, plan: u32| Buckets::new(folder, &format!("{side}-{plan}"));
        let walk = Walk {
            shared: Arc::clone(self.shared),
            schema: Arc::clone(self.schema),
            key: self.key.to_vec(),
            portion: self.portion.clone(),
            owners: self.owners.clone(),
            opened,
            count: Arc::clone(&self.count),
            pace: pace(),
            readers: self.request.readers.unwrap_or(READERS).clamp(1, MOST_READERS),
        };
        let sides = self.targets.iter().map(|(_, plan)| (plan.id, buckets("source", plan.id))).collect();
        tasks.spawn(async move { Ok(Side::Source(walk.run(sides).await?)) });
        for (port, plan) in self.targets {
            let (port, plan, table) = (Arc::clone(port), Arc::clone(plan), Arc::clone(&self.schema.name));
            let (count, pace, documents) = (Arc::clone(&self.count), pace(), buckets("target", plan.id));
            let owned = match &self.portion {
                Some(portion) => Some(portion.documents(&plan, self.schema, self.key)?),
                None => None,
            };
            tasks.spawn(async move {
                let id = plan.id;
                Ok(Side::Documents(id, scan(port, plan, table, owned, documents, count, pace).await?))
            });
        }
        let (mut source, mut documents) = (HashMap::new(), HashMap::new());
        while let Some(side) = tasks.join_next().await {
            match side.map_err(broken)?? {
                Side::Source(sides) => source.extend(sides),
                Side::Documents(plan, side) => _ = documents.insert(plan, side),
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
        let mut judged = self.judged(port, plan, gathered.journal)?;
        let counted = judged.tally.is_some();
        let (mut joins, mut next) = (VecDeque::new(), 0..BUCKETS);
        loop {
            while joins.len() < JOINS
                && let Some(bucket) = next.next()
            {
                let (source, documents) = (gathered.source.take(bucket)?, gathered.documents.take(bucket)?);
                let touched = gathered.touched.take(bucket)?;
                // Tasks, not threads: of a small table each takes next to nothing, and threads would come by the hundred.
                let join = async move { join_part(&source, &documents, &touched, counted) };
                joins.push_back(tokio::spawn(join));
            }
            let Some(joined) = joins.pop_front() else { break };
            let (joined, part) = joined.await.map_err(broken)?;
            if let Some(tally) = &mut judged.tally {
                tally.joined(part);
            }
            judged.report.compared += joined.compared;
            judged.look(joined.suspects).await?;
        }
        judged.end().await
    }

    /// `journal`: open since before the first row was read.
    fn judged<'s>(
        &'s self,
        port: &Arc<Port>,
        plan: &Arc<TargetPlan>,
        journal: Arc<Journal>,
    ) -> Result<Judged<'s>> {
        let holders =
            self.owners.as_ref().map(|owners| Holders::of(owners, plan, self.schema)).transpose()?;
        let tally = holders.is_some().then(Tally::default);
        let report = TargetReport {
            table: self.schema.name.to_string(),
            target: plan.label.clone(),
            sink: port.name.clone(),
            ..TargetReport::default()
        };
        let judge = Judge {
            shared: Arc::clone(self.shared),
            schema: Arc::clone(self.schema),
            key: self.key.to_vec(),
            plan: Arc::clone(plan),
            port: Arc::clone(port),
            count: Arc::clone(&self.count),
            part: self.portion.is_some(),
            journal,
            late: HashMap::new(),
            holders,
            whose: HashMap::new(),
        };
        let Comparison { request, repaired, limited, .. } = *self;
        Ok(Judged { request, repaired, limited, judge, report, waiting: Vec::new(), tally })
    }
}
