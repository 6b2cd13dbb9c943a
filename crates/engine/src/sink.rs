//! What a target must do: apply deliveries in batches, idempotently, gated by version. No vendor and no retry here.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::change::{CaptureBatch, Change};
use crate::error::{Error, Result};
use crate::mark::Marks;
use crate::route::{Scope, TargetPlan};
use crate::schema::TableSchema;
use crate::version::Version;

/// Where a document lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The rendered target name: index, cache key's own template has none (empty), table, collection, path, URL.
    pub target: Arc<str>,
    /// The rendered id: `_id`, the whole Redis key, the document's key.
    pub id: Arc<str>,
}

/// What is to be at the address.
#[derive(Clone, Debug)]
pub enum Body {
    /// This document: one JSON object, compact, UTF-8.
    Document(Bytes),
    /// Nothing.
    Absent,
    /// One `change` line (JSON without line feed), for targets that keep every change (archive, topic, webhook, stdout).
    Line(Bytes),
}

/// One thing to apply at one address.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Which of the sink's targets (index given by [`Sink::prepare`]'s plan).
    pub plan: Arc<TargetPlan>,
    /// Where.
    pub address: Address,
    /// What.
    pub body: Body,
    /// Gate: refused by the target if it holds a higher one.
    pub version: Version,
    /// The change it came from, as captured, for dead letters.
    pub batch: Arc<CaptureBatch>,
    /// Index into `batch.changes`.
    pub index: u32,
    /// Under which term it counts once it is done.
    pub counted: Counted,
    /// Values that had to be changed to fit the document.
    pub coerced: u32,
}

/// Under which term of the balance a finished delivery counts (rule 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Applied or superseded, as the target answers.
    Delivery,
    /// Filtered by the rule of this name: the row no longer matches and is taken out of the target.
    Filtered(Arc<str>),
    /// Not at all: the delete half of a move (a move is one delivery).
    No,
}

impl Delivery {
    /// The change it came from.
    pub fn change(&self) -> &Change {
        &self.batch.changes[self.index as usize]
    }

    /// Tells deliveries of one version apart ([`Change::ordinal`]); a row's leave of its old address comes before its move.
    pub fn ordinal(&self) -> u64 {
        self.change().ordinal.saturating_sub(u64::from(self.counted == Counted::No))
    }
}

/// What became of one delivery.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The target holds it durably (or held exactly this version before).
    Applied,
    /// The target holds something newer; nothing to do.
    Superseded,
    /// Not this time (429, 503 for the item): try this one again.
    Retry(Error),
    /// Never: the item is bad. It becomes a dead letter.
    Refused(Error),
}

/// A document that a target holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Where.
    pub address: Address,
    /// As of when; zero where the target does not tell, for example because somebody else wrote it.
    pub version: Version,
    /// The canonical document, if it was asked for; `None` also where what is there cannot be read as one.
    pub document: Option<Bytes>,
}

/// What a scan is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Ids and versions of our own documents that are older than this.
    Below(Version),
    /// Everything at the scope's addresses, whoever wrote it, with documents.
    Documents,
}

impl Look {
    /// Whether a document of this version is told.
    pub fn tells(self, version: Version) -> bool {
        match self {
            Look::Below(below) => version < below,
            Look::Documents => true,
        }
    }

    /// Whether documents are asked for.
    pub fn documents(self) -> bool {
        self == Look::Documents
    }
}

/// How the engine feeds a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feeding {
    /// By lanes: up to `lanes` calls at once, never two that hold the same address, at most one delivery per address
    /// in a call (coalesced: only the newest).
    Lanes { lanes: usize, max_items: usize, max_bytes: usize },
    /// One call at a time, everything in capture order, nothing coalesced.
    CaptureOrder { max_items: usize, max_bytes: usize },
}

/// Applies deliveries to one connection.
///
/// Contract:
/// - **Duplicates** come: the same delivery may be applied any number of times, also after newer ones. The end must be
///   the newest version. A sink compares versions *in the target*, atomically, and answers `Superseded` when it refuses.
///   Equal versions are taken again (a replay after a lost reply), except where the target cannot do harm by refusing them.
/// - **Order**: within one address, calls come one after the other; across addresses in any order.
/// - **Durable**: `Applied` is said only of what survives the target's own crash as far as the target can promise.
/// - **Empty batches** are never passed.
/// - **One outcome per delivery**, in order. `Err` means the whole call may or may not have happened and is repeated after
///   backoff if its kind is `Retry`; other kinds halt.
/// - **Bad items** harm only themselves: what would fail a whole request is found before it is sent and `Refused`.
/// - **Deletes** leave something that refuses older writes for as long as a replay can happen.
/// - A version of a *higher epoch* in the target is `Err` with a code that halts, never `Superseded`.
#[async_trait]
pub trait Sink: Send + Sync {
    /// How to feed it.
    fn feeding(&self) -> Feeding;

    /// Makes sure the target can take documents of this schema: creates or extends index, table, mapping. Called before
    /// the first delivery of each (plan, schema), again after a schema change, and concurrently with nothing else.
    async fn prepare(&self, plan: &Arc<TargetPlan>, schema: &TableSchema) -> Result<()>;

    /// Applies; see the contract above.
    async fn apply(&self, deliveries: &[Delivery]) -> Result<Vec<Outcome>>;

    /// Proves that the target answers and may be written; called before the first `apply`, after each failure, and by `check`.
    async fn probe(&self) -> Result<()>;

    /// Proves that the target answers, on a connection of its own where that is to be had; asked every few seconds beside
    /// everything else, so it is cheap and changes nothing.
    async fn ping(&self) -> Result<()>;

    /// Every finding about the target and its set-up (version, policy, space, analyzers) as it is now, with the observed
    /// value and the exact fix; for `check` only, changes nothing. Empty when all is well.
    async fn check(&self) -> Result<Vec<Error>>;

    /// What the target remembers of this pipeline now: the marks of these parts, as far as they are there, and of those
    /// that its targets have beside them. Changes nothing, and is called before the first `apply`. `Err` if not all of it
    /// can be seen. Targets that keep nothing have none.
    async fn marks(&self, _known: &Marks) -> Result<Marks> {
        Ok(Marks::default())
    }

    /// The marks of parts that acknowledged writes have shown so far, without asking the target.
    fn acknowledged(&self) -> Marks {
        Marks::default()
    }

    /// Makes everything that was answered `Applied` durable and releases what is held; called at a clean stop.
    async fn close(&self) -> Result<()>;

    /// Hands over, page by page and in any order, what the target holds for the scope's target; some that [`Scope::holds`]
    /// denies or that was not asked for may be among it, and one may come twice. What is written or deleted meanwhile may be
    /// missing. Tombstones are not documents. Stops early, without an error, when nobody takes pages any more.
    ///
    /// An archive tells every line instead, in its order, under the folder that it lies in: no document where the row is gone,
    /// no id where all rows of the table are. Of an id the highest version counts, and of two the later one, wherever they
    /// lie. Other targets that keep lines tell nothing.
    async fn scan(&self, scope: &Scope, look: Look, pages: &mpsc::Sender<Vec<Held>>) -> Result<()>;

    /// Takes away what stands at these addresses, each only if its version is still the one that is told, so that an older
    /// version of ours is taken there from then on: somebody wrote with a version that the source has not reached. Answers
    /// what was taken away, in their order. Leaves nothing behind that refuses.
    async fn displace(&self, plan: &TargetPlan, held: &[Held]) -> Result<Vec<bool>>;

    /// The versions of what refuses older writes at these addresses though it is no document, in their order; `None` where
    /// nothing is known to. [`Sink::displace`] takes it away by its version.
    async fn tombstones(&self, plan: &TargetPlan, addresses: &[Address]) -> Result<Vec<Option<Version>>>;

    /// What is at these addresses, in their order, with documents: as of now, including what was acknowledged right before.
    /// `None` where nothing is.
    async fn read(&self, plan: &TargetPlan, addresses: &[Address]) -> Result<Vec<Option<Held>>>;

    /// The same for addresses of one table. An archive looks for their ids wherever the table's lines may lie, and answers where
    /// they do.
    async fn read_of(&self, scope: &Scope, addresses: &[Address]) -> Result<Vec<Option<Held>>> {
        self.read(&scope.plan, addresses).await
    }
}
