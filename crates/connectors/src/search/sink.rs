//! The sink: screens deliveries, makes sure of their indices, sends them as bulks, answers one outcome each.
//! How each of these is done stands in the file named after it; retries and backoff are the engine's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use syncline_engine::error::{Code, Error, Kind, Result};
use syncline_engine::mark::Marks;
use syncline_engine::route::{PipelineSpec, Scope, TargetPlan};
use syncline_engine::schema::TableSchema;
use syncline_engine::sink::{Address, Body, Delivery, Feeding, Held, Look, Outcome, Sink};
use syncline_engine::version::Version;
use tokio::sync::mpsc;

use super::bulk::{Bulks, Settled};
use super::client::Client;
use super::config::Config;
use super::deletes::Deletes;
use super::encode::{Buffers, refusal};
use super::index::{Indices, Wanted};
use super::names::{in_path, valid_index_name};
use super::pace::Pace;
use super::query;
use super::server::{DEFAULT_MAX_REQUEST, Server};
use super::{check, displace, marks, names, scan};
use crate::connection::ConnectionSpec;
use crate::registry::Hit;

/// Names of one refresh at the end, so that its path stays short.
const REFRESHED_AT_ONCE: usize = 20;

/// Documents of one request.
const READ_AT_ONCE: usize = 500;

/// One search connection of one pipeline.
pub struct SearchSink {
    config: Config,
    client: Client,
    pipeline: PipelineSpec,
    server: RwLock<Option<Server>>,
    indices: Indices,
    deletes: Deletes,
    pace: Pace,
    buffers: Buffers,
}

impl SearchSink {
    /// Connects to nothing yet.
    pub fn new(connection: &ConnectionSpec, pipeline: &PipelineSpec) -> Result<SearchSink> {
        let config = Config::new(connection)?;
        Ok(SearchSink {
            client: Client::new(&config)?,
            pipeline: pipeline.clone(),
            server: RwLock::new(None),
            indices: Indices::new(&pipeline.name),
            deletes: Deletes::default(),
            // Half as much again, so that the action lines of a full call do not make a second bulk of a few items.
            pace: Pace::new(config.items, config.bytes + config.bytes / 2),
            buffers: Buffers::default(),
            config,
        })
    }

    /// The best `size` documents for a query in the servers' query string syntax.
    pub async fn search(&self, index: &str, query: &str, size: usize) -> Result<Vec<Hit>> {
        query::search(&self.client, index, query, size).await
    }

    fn server(&self) -> Option<Server> {
        self.server.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Settles what must not or need not be sent; answers the places of the others.
    fn screen(&self, deliveries: &[Delivery], outcomes: &mut [Option<Outcome>]) -> Vec<usize> {
        let max_request = self.server().map_or(DEFAULT_MAX_REQUEST, |s| s.max_request);
        let mut pending = Vec::with_capacity(deliveries.len());
        let mut checked: Option<&Arc<str>> = None;
        for (at, delivery) in deliveries.iter().enumerate() {
            let target = &delivery.address.target;
            let mut error = refusal(delivery, max_request);
            if checked != Some(target) {
                match valid_index_name(target) {
                    Ok(()) => checked = Some(target),
                    Err(wrong) => error = Some(Error::new(Code::SearchRefused, wrong.message())),
                }
            }
            match error {
                Some(error) => outcomes[at] = Some(Outcome::Refused(error)),
                None if self.is_outlived(delivery) => outcomes[at] = Some(Outcome::Superseded),
                None => pending.push(at),
            }
        }
        pending
    }

    /// Whether a delete that the server may have forgotten is newer.
    fn is_outlived(&self, delivery: &Delivery) -> bool {
        matches!(delivery.body, Body::Document(_)) && self.deletes.newer(&delivery.address, delivery.version)
    }

    async fn ensure(&self, deliveries: &[Delivery], pending: &[usize]) -> Result<()> {
        let mut last = None;
        for delivery in pending.iter().map(|at| &deliveries[*at]) {
            let Some(change) = delivery.batch.changes.get(delivery.index as usize) else { continue };
            let (target, plan, schema) = (&delivery.address.target, &delivery.plan, &change.schema);
            let key = (target, plan.id, schema.id, delivery.version.epoch());
            if last == Some(key) {
                continue;
            }
            let epoch = delivery.version.epoch();
            let product = self.server().map(|s| s.product);
            self.indices.ensure(&self.client, product, Wanted { target, plan, schema, epoch }).await?;
            last = Some(key);
        }
        Ok(())
    }

    fn bulks(&self) -> Bulks<'_> {
        Bulks {
            client: &self.client,
            pace: &self.pace,
            buffers: &self.buffers,
            lanes: self.config.lanes,
            max_request: self.server().map_or(DEFAULT_MAX_REQUEST, |s| s.max_request),
        }
    }

    /// Sends once; answers the places whose index was missing.
    async fn send(
        &self,
        deliveries: &[Delivery],
        pending: &[usize],
        outcomes: &mut [Option<Outcome>],
    ) -> Result<Vec<usize>> {
        let mut conflicts = Vec::new();
        let mut homeless = Vec::new();
        let mut halt = None;
        let settle = |at: usize, settled: Settled| {
            outcomes[at] = match settled {
                Settled::Applied => Some(Outcome::Applied),
                Settled::Refused(error) => Some(Outcome::Refused(error)),
                Settled::Retry(error) if error.kind() == Kind::Retry => Some(Outcome::Retry(error)),
                Settled::Retry(error) => {
                    halt = Some(error);
                    None
                }
                Settled::Conflict(current) => {
                    conflicts.push((at, current));
                    Some(Outcome::Superseded)
                }
                Settled::NoIndex => {
                    homeless.push(at);
                    None
                }
            };
        };
        self.bulks().send(deliveries, pending, settle).await?;
        for at in pending {
            self.note_delete(&deliveries[*at], outcomes[*at].as_ref());
        }
        for (at, current) in conflicts {
            self.check_epoch(&deliveries[at], current).await?;
        }
        halt.map_or(Ok(homeless), Err)
    }

    fn note_delete(&self, delivery: &Delivery, outcome: Option<&Outcome>) {
        if let (Body::Absent, Some(Outcome::Applied)) = (&delivery.body, outcome) {
            self.deletes.remember(&delivery.address, delivery.version);
        }
    }

    /// A refusal by a higher epoch than ours is not superseded: somebody else writes there, or our ledger is old.
    async fn check_epoch(&self, delivery: &Delivery, current: Option<u64>) -> Result<()> {
        let Address { target, id } = &delivery.address;
        let current = match current {
            Some(current) => Some(current),
            None => query::version(&self.client, target, id).await?,
        };
        match current.and_then(Version::from_raw) {
            Some(current) if current.epoch() > delivery.version.epoch() => {
                let (theirs, ours) = (current.epoch(), delivery.version.epoch());
                let what = format!(
                    "{}: a document of {target} is of epoch {theirs}, ours is {ours}",
                    self.client.name()
                );
                Err(Error::new(Code::SearchForeign, what).cause(format!("version {current} at id {id:?}")))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Sink for SearchSink {
    fn feeding(&self) -> Feeding {
        let Config { lanes, items: max_items, bytes: max_bytes, .. } = self.config;
        Feeding::Lanes { lanes, max_items, max_bytes }
    }

    /// A name without placeholders is made at once, so that an empty table has its index too; others on first use.
    async fn prepare(&self, plan: &Arc<TargetPlan>, schema: &TableSchema) -> Result<()> {
        let mut targets: BTreeSet<Arc<str>> = self.indices.names_of(plan.id).into_iter().collect();
        if !plan.spec.template.contains('{') {
            valid_index_name(&plan.spec.template)?;
            targets.insert(plan.spec.template.as_str().into());
        }
        let product = self.server().map(|s| s.product);
        for target in &targets {
            let wanted = Wanted { target, plan, schema, epoch: 0 };
            self.indices.ensure(&self.client, product, wanted).await?;
        }
        Ok(())
    }

    async fn apply(&self, deliveries: &[Delivery]) -> Result<Vec<Outcome>> {
        let mut outcomes: Vec<Option<Outcome>> = Vec::new();
        outcomes.resize_with(deliveries.len(), || None);
        let pending = self.screen(deliveries, &mut outcomes);
        self.ensure(deliveries, &pending).await?;
        let homeless = self.send(deliveries, &pending, &mut outcomes).await?;
        if !homeless.is_empty() {
            // Deleted behind us: make it again, once.
            for at in &homeless {
                self.indices.forget(&deliveries[*at].address.target);
            }
            self.ensure(deliveries, &homeless).await?;
            self.send(deliveries, &homeless, &mut outcomes).await?;
        }
        let gone =
            || Error::new(Code::Interrupted, format!("{}: the index is gone again", self.client.name()));
        Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| Outcome::Retry(gone()))).collect())
    }

    async fn probe(&self) -> Result<()> {
        let server = Server::ask(&self.client).await?;
        *self.server.write().unwrap_or_else(PoisonError::into_inner) = Some(server);
        check::writable(&self.client, &self.indices.names()).await
    }

    async fn ping(&self) -> Result<()> {
        Server::ask(&self.client).await.map(drop)
    }

    async fn check(&self) -> Result<Vec<Error>> {
        Ok(check::findings(&self.client, &self.pipeline).await)
    }

    /// Before the first write to a server that nothing is known of, whatever the targets' names may stand for is looked at:
    /// other people's indices may be among it.
    async fn marks(&self, known: &Marks) -> Result<Marks> {
        let before = self.indices.shown.seen();
        let used = self.indices.names();
        let all = known.0.is_empty() && used.is_empty();
        let mut names = marks::patterns(&self.pipeline, self.client.name(), all);
        names.extend(known.0.values().filter_map(|mark| mark.target.clone()));
        names.extend(used.iter().map(|name| name.to_string()));
        let found = match marks::read(&self.client, &self.pipeline.name, &names).await {
            Err(error) if all && error.code() == Code::SearchDenied => {
                tracing::warn!(
                    connection = self.client.name(),
                    "what stands there already cannot be looked at: {error}"
                );
                Marks::default()
            }
            found => found?,
        };
        self.indices.shown.asked(&before, found.clone());
        Ok(found)
    }

    fn acknowledged(&self) -> Marks {
        self.indices.shown.marks()
    }

    /// What was answered `Applied` is durable already; here it becomes visible to queries.
    async fn close(&self) -> Result<()> {
        for some in self.indices.names().chunks(REFRESHED_AT_ONCE) {
            let names: Vec<String> = some.iter().map(|name| in_path(name)).collect();
            query::refresh(&self.client, &names.join(",")).await;
        }
        Ok(())
    }

    async fn scan(&self, scope: &Scope, look: Look, pages: &mpsc::Sender<Vec<Held>>) -> Result<()> {
        scan::scan(&self.client, scope, look, pages).await
    }

    async fn displace(&self, plan: &TargetPlan, held: &[Held]) -> Result<Vec<bool>> {
        let _one_at_a_time = self.indices.exclusive().await;
        displace::displace(&self.client, plan, held).await
    }

    /// The servers tell no version of a document that is gone, and forget it soon.
    async fn tombstones(&self, _plan: &TargetPlan, addresses: &[Address]) -> Result<Vec<Option<Version>>> {
        Ok(vec![None; addresses.len()])
    }

    async fn read(&self, _plan: &TargetPlan, addresses: &[Address]) -> Result<Vec<Option<Held>>> {
        let mut found = vec![None; addresses.len()];
        let mut by_target: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, address) in addresses.iter().enumerate().filter(|(_, address)| !address.id.is_empty()) {
            by_target.entry(&address.target).or_default().push(place);
        }
        for (target, places) in by_target {
            if names::valid_index_name(target).is_err() {
                continue;
            }
            for some in places.chunks(READ_AT_ONCE) {
                let ids: Vec<&str> = some.iter().map(|place| &*addresses[*place].id).collect();
                let stored = query::documents(&self.client, target, &ids).await?;
                for (place, stored) in some.iter().zip(stored) {
                    let held =
                        |(version, document)| Held { address: addresses[*place].clone(), version, document };
                    found[*place] = stored.map(held);
                }
            }
        }
        Ok(found)
    }
}
