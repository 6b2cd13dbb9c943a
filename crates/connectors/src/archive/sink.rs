//! The sink: sorts lines by path, leaves out what the archive has already, and commits the rest before it answers.
//! How files come to be is `writer.rs`'s.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use syncline_engine::change::Operation;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::mark::Marks;
use syncline_engine::route::{Scope, TargetPlan};
use syncline_engine::schema::TableSchema;
use syncline_engine::shown::Shown;
use syncline_engine::sink::{Address, Body, Delivery, Feeding, Held, Look, Outcome, Sink};
use syncline_engine::version::Version;
use tokio::sync::{Mutex, mpsc};

use super::manifest::{File, Manifest, Through};
use super::segment::Lines;
use super::store::Store;
use super::writer::Writer;
use super::{config, read, scan};

/// One call is one commit and one file a path: the larger the better, but in memory twice.
const ITEMS: usize = 50_000;
const BYTES: usize = 16 << 20;
/// A call with less than this waits until the last commit is `PACE` old, so that a trickle does not make hundreds of
/// files and syncs a second.
const LITTLE: usize = 256 << 10;
const PACE: Duration = Duration::from_millis(100);

/// The sink of one archive.
pub struct ArchiveSink {
    store: Arc<dyn Store>,
    pipeline: String,
    feeding: Feeding,
    pace: Duration,
    state: Mutex<State>,
    /// As the last commit left them.
    shown: Shown,
}

#[derive(Default)]
struct State {
    /// `None` before the first commit and after a failure.
    writer: Option<Writer>,
    committed: Option<Instant>,
}

/// A call's lines, sorted.
struct Sorted {
    /// In the order in which the paths came.
    lines: Vec<(String, Lines)>,
    places: HashMap<String, usize>,
    /// As it is to be.
    manifest: Manifest,
    outcomes: Vec<Outcome>,
    bytes: usize,
}

impl Sorted {
    fn push(&mut self, path: &str, line: &Bytes, version: Version) {
        let place = match self.places.get(path) {
            Some(place) => *place,
            None => {
                self.lines.push((path.to_owned(), Lines::default()));
                self.places.insert(path.to_owned(), self.lines.len() - 1);
                self.lines.len() - 1
            }
        };
        self.lines[place].1.push(line.clone(), version);
        self.bytes += line.len();
    }
}

impl ArchiveSink {
    /// Touches nothing yet.
    pub fn new(
        store: Arc<dyn Store>,
        pipeline: &str,
        items: Option<usize>,
        bytes: Option<usize>,
    ) -> ArchiveSink {
        let feeding =
            Feeding::CaptureOrder { max_items: items.unwrap_or(ITEMS), max_bytes: bytes.unwrap_or(BYTES) };
        let (state, shown) = Default::default();
        ArchiveSink { store, pipeline: pipeline.to_owned(), feeding, pace: PACE, state, shown }
    }

    /// How old the last commit must be before a small one follows.
    #[cfg(test)]
    pub(super) fn with_pace(mut self, pace: Duration) -> ArchiveSink {
        self.pace = pace;
        self
    }
}

#[async_trait]
impl Sink for ArchiveSink {
    fn feeding(&self) -> Feeding {
        self.feeding
    }

    /// An archive takes any schema: every line says what it holds.
    async fn prepare(&self, _plan: &Arc<TargetPlan>, _schema: &TableSchema) -> Result<()> {
        Ok(())
    }

    async fn apply(&self, deliveries: &[Delivery]) -> Result<Vec<Outcome>> {
        let mut state = self.state.lock().await;
        // Taken out, so that a failure or a dropped call leaves none and the archive is read again.
        let mut writer = match state.writer.take() {
            Some(writer) => writer,
            None => Box::pin(Writer::open(self.store.clone(), &self.pipeline)).await?,
        };
        let sorted = sort(writer.manifest(), deliveries)?;
        if !sorted.lines.is_empty() {
            if let Some(committed) = state.committed.filter(|_| sorted.bytes < LITTLE) {
                tokio::time::sleep_until((committed + self.pace).into()).await;
            }
            Box::pin(writer.commit(sorted.manifest, sorted.lines)).await?;
            state.committed = Some(Instant::now());
        }
        self.shown.answered(writer.manifest().marks());
        state.writer = Some(writer);
        Ok(sorted.outcomes)
    }

    async fn probe(&self) -> Result<()> {
        // A manifest that cannot be read must not be found at the first write only.
        if let Some((text, _)) = self.store.manifest().await? {
            Manifest::decode(&text)?;
        }
        self.store.probe().await
    }

    async fn ping(&self) -> Result<()> {
        self.store.manifest().await.map(drop)
    }

    async fn check(&self) -> Result<Vec<Error>> {
        self.store.findings().await
    }

    /// While it is written, its one writer knows best; what others do to it then makes the next commit fail.
    async fn marks(&self, _known: &Marks) -> Result<Marks> {
        let state = self.state.lock().await;
        let marks = match &state.writer {
            Some(writer) => writer.manifest().marks(),
            None => match self.store.manifest().await? {
                Some((text, _)) => Manifest::decode(&text)?.marks(),
                None => Marks::default(),
            },
        };
        self.shown.asked(&self.shown.seen(), marks.clone());
        Ok(marks)
    }

    fn acknowledged(&self) -> Marks {
        self.shown.marks()
    }

    /// Everything that was answered is durable; another process may write from here on.
    async fn close(&self) -> Result<()> {
        self.state.lock().await.writer = None;
        self.store.unlock().await;
        Ok(())
    }

    /// Nothing is deleted by being old: an archive keeps lines.
    async fn scan(&self, scope: &Scope, look: Look, pages: &mpsc::Sender<Vec<Held>>) -> Result<()> {
        match look {
            Look::Below(_) => Ok(()),
            Look::Documents => scan::scan(Arc::clone(&self.store), scope, pages).await,
        }
    }

    /// Lines are never taken away.
    async fn displace(&self, _plan: &TargetPlan, held: &[Held]) -> Result<Vec<bool>> {
        Ok(vec![false; held.len()])
    }

    async fn tombstones(&self, _plan: &TargetPlan, addresses: &[Address]) -> Result<Vec<Option<Version>>> {
        Ok(vec![None; addresses.len()])
    }

    async fn read(&self, plan: &TargetPlan, addresses: &[Address]) -> Result<Vec<Option<Held>>> {
        let mut found = Vec::with_capacity(addresses.len());
        for address in addresses {
            found.push(read::document(&*self.store, plan, address).await?);
        }
        Ok(found)
    }

    async fn read_of(&self, scope: &Scope, addresses: &[Address]) -> Result<Vec<Option<Held>>> {
        read::documents(&*self.store, scope, addresses).await
    }
}

fn sort(held: &Manifest, deliveries: &[Delivery]) -> Result<Sorted> {
    let epoch = held.highest().epoch();
    let mut sorted = Sorted {
        lines: Vec::new(),
        places: HashMap::new(),
        manifest: held.clone(),
        outcomes: Vec::with_capacity(deliveries.len()),
        bytes: 0,
    };
    for delivery in deliveries {
        let Body::Line(line) = &delivery.body else {
            let what = format!("{} was given a document instead of a change line", delivery.plan.label);
            return Err(Error::new(Code::Internal, what));
        };
        if delivery.version.epoch() < epoch {
            let what =
                format!("the archive has changes of epoch {epoch}, ours are of {}", delivery.version.epoch());
            return Err(Error::new(Code::ArchiveManifest, what));
        }
        if delivery.change().operation == Operation::Truncate {
            let folders = folders(held, &sorted, delivery)?;
            folders.iter().for_each(|folder| sorted.push(folder, line, delivery.version));
            sorted.outcomes.push(Outcome::Applied);
            continue;
        }
        let path = &*delivery.address.target;
        if let Err(error) = config::check_path(path) {
            sorted.outcomes.push(Outcome::Refused(error));
            continue;
        }
        sorted.outcomes.push(Outcome::Applied);
        let change = delivery.change();
        if change.operation != Operation::Read {
            let (table, template) = (&*change.schema.name, &*delivery.plan.spec.template);
            let at = Through(delivery.version, delivery.ordinal());
            if held.holds(table, template, at) {
                continue;
            }
            sorted.manifest.pass(table, template, at);
        }
        sorted.push(path, line, delivery.version);
    }
    Ok(sorted)
}

/// Where lines of the delivery's table may lie: each of these folders is told that they are gone.
fn folders(held: &Manifest, sorted: &Sorted, delivery: &Delivery) -> Result<BTreeSet<String>> {
    let scope = Scope::new(&delivery.plan, &delivery.change().schema.name)?;
    let known = held.files.iter().map(File::folder).chain(sorted.lines.iter().map(|(path, _)| &**path));
    Ok(known.filter(|folder| scope.names_hold(folder)).map(str::to_owned).collect())
}
