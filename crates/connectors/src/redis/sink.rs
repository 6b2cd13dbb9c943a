//! The sink: deliveries go to the masters that own their keys, several pipelines at once, and again where a script was
//! lost or a slot has moved. What a write does is the scripts'; when to try again after a failure is the engine's.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures_util::future::join_all;
use syncline_engine::error::{Code, Error, Kind, Result};
use syncline_engine::mark::Marks;
use syncline_engine::route::{Scope, TargetPlan};
use syncline_engine::schema::TableSchema;
use syncline_engine::shown::Shown;
use syncline_engine::sink::{Address, Delivery, Feeding, Held, Look, Outcome, Sink};
use syncline_engine::version::Version;
use tokio::sync::{Mutex, mpsc};

use super::check;
use super::config::{Host, Settings};
use super::fleet::Fleet;
use super::marks;
use super::round::{Reply, Share};
use super::scan::Walk;
use super::scripts::Scripts;
use super::{failure, slots};

const LANES: usize = 4;
const ITEMS: usize = 500;
const BYTES: usize = 4 << 20;
/// Within one call: a lost script loaded, a moved slot followed, and both once more.
const ROUNDS: usize = 4;

/// The sink of one Redis connection.
pub struct RedisSink {
    settings: Settings,
    pipeline: String,
    scripts: Arc<Scripts>,
    shown: Shown,
    fleet: Mutex<Option<Arc<Fleet>>>,
    /// Whether the server has let us in before: then a refused login is an outage, not a wrong configuration.
    admitted: AtomicBool,
}

/// The call's deliveries, as far as they have come.
struct Call<'a> {
    deliveries: &'a [Delivery],
    outcomes: Vec<Option<Outcome>>,
    /// Still to be sent.
    pending: Vec<usize>,
    /// Why those are not done.
    why: Option<Error>,
}

impl RedisSink {
    /// Connects to nothing yet.
    pub fn new(settings: Settings, pipeline: &str) -> RedisSink {
        RedisSink {
            settings,
            pipeline: pipeline.to_owned(),
            scripts: Arc::default(),
            shown: Shown::default(),
            fleet: Mutex::default(),
            admitted: AtomicBool::new(false),
        }
    }

    async fn fleet(&self) -> Result<Arc<Fleet>> {
        let mut fleet = self.fleet.lock().await;
        if let Some(fleet) = &*fleet {
            return Ok(fleet.clone());
        }
        let found = Box::pin(Fleet::find(&self.settings, &self.pipeline, self.scripts.clone())).await;
        Ok(fleet.insert(Arc::new(found?)).clone())
    }

    /// The masters are found anew at the next use. Only the fleet that failed is thrown away, not one found since.
    async fn forget(&self, stale: &Arc<Fleet>) {
        let mut fleet = self.fleet.lock().await;
        if fleet.as_ref().is_some_and(|fleet| Arc::ptr_eq(fleet, stale)) {
            *fleet = None;
        }
    }

    /// An error if keys have come to other masters since the fleet was found: one that went from a master which was not
    /// walked yet to one that was has not been seen at either.
    async fn must_be_current(&self, fleet: &Fleet) -> Result<()> {
        let now = Box::pin(Fleet::find(&self.settings, &self.pipeline, self.scripts.clone())).await?;
        if fleet.owns_as(&now) {
            return Ok(());
        }
        Err(Error::new(Code::Overloaded, "the masters of Redis have changed while their keys were walked"))
    }

    /// A first refused login is a wrong configuration, a later one an outage.
    fn told(&self, error: Error) -> Error {
        if error.code() != Code::RedisDenied || self.admitted.load(Ordering::Relaxed) {
            return error;
        }
        let what = format!("connection `{}`: Redis refuses the login or a command", self.settings.name);
        Error::new(Code::Denied, what).cause(error.cause_text().unwrap_or_default())
    }

    /// Sends what is pending, to all masters at once, and sorts the replies.
    async fn round(&self, call: &mut Call<'_>) -> Result<()> {
        let fleet = self.fleet().await?;
        let shares = call.shares(&fleet);
        let deliveries = call.deliveries;
        let replies = join_all(shares.iter().map(|(host, indices)| {
            let (fleet, scripts, shown) = (&fleet, &*self.scripts, &self.shown);
            Box::pin(async move { Share { fleet, scripts, shown, host, indices, deliveries }.send().await })
        }));
        let mut stale = false;
        let mut failed = Ok(());
        for (replies, indices) in replies.await.into_iter().zip(shares.values()) {
            match replies {
                Ok(replies) => {
                    self.admitted.store(true, Ordering::Relaxed);
                    for (index, reply) in replies {
                        stale |= is_stale(&reply);
                        failed = failed.and(call.take(index, reply));
                    }
                }
                Err(error) => {
                    stale = true;
                    let error = self.told(error);
                    if error.kind() != Kind::Retry {
                        failed = failed.and(Err(error.clone()));
                    }
                    indices.iter().for_each(|index| call.later(*index, error.clone()));
                }
            }
        }
        if stale {
            self.forget(&fleet).await;
        }
        failed
    }
}

/// Whether the masters are not what we took them for.
fn is_stale(reply: &Reply) -> bool {
    match reply {
        Reply::Elsewhere(_) => true,
        Reply::Later(error) => error.code() == Code::RedisReadOnly,
        Reply::Done(_) | Reply::Again(_) | Reply::Fatal(_) => false,
    }
}

impl<'a> Call<'a> {
    fn new(deliveries: &'a [Delivery]) -> Call<'a> {
        Call {
            deliveries,
            outcomes: vec![None; deliveries.len()],
            pending: (0..deliveries.len()).collect(),
            why: None,
        }
    }

    /// What is pending, by the master to send it to.
    fn shares(&mut self, fleet: &Fleet) -> HashMap<Host, Vec<usize>> {
        let mut shares: HashMap<Host, Vec<usize>> = HashMap::new();
        for index in std::mem::take(&mut self.pending) {
            match fleet.owner(&self.deliveries[index].address.id) {
                Ok(host) => match shares.get_mut(host) {
                    Some(share) => share.push(index),
                    None => _ = shares.insert(host.clone(), vec![index]),
                },
                Err(error) => self.later(index, error),
            }
        }
        shares
    }

    /// An error is one that halts.
    fn take(&mut self, index: usize, reply: Reply) -> Result<()> {
        match reply {
            Reply::Done(outcome) => self.outcomes[index] = Some(outcome),
            Reply::Later(error) => self.later(index, error),
            Reply::Again(error) | Reply::Elsewhere(error) => {
                self.pending.push(index);
                self.why = Some(error);
            }
            Reply::Fatal(error) => return Err(error),
        }
        Ok(())
    }

    fn later(&mut self, index: usize, error: Error) {
        self.outcomes[index] = Some(Outcome::Retry(error.clone()));
        self.why = Some(error);
    }

    /// If nothing at all could be done, it is the target that failed, not an item.
    fn finish(mut self) -> Result<Vec<Outcome>> {
        let why =
            self.why.take().unwrap_or_else(|| Error::new(Code::Overloaded, "Redis did not take the write"));
        let done = |outcome: &Option<Outcome>| !matches!(outcome, None | Some(Outcome::Retry(_)));
        if !self.outcomes.iter().any(done) {
            return Err(why);
        }
        let outcomes = self.outcomes.into_iter();
        Ok(outcomes.map(|outcome| outcome.unwrap_or_else(|| Outcome::Retry(why.clone()))).collect())
    }
}

#[async_trait]
impl Sink for RedisSink {
    fn feeding(&self) -> Feeding {
        let options = &self.settings.spec.options;
        Feeding::Lanes {
            lanes: options.lanes.unwrap_or(LANES),
            max_items: options.batch_items.unwrap_or(ITEMS),
            max_bytes: options.batch_bytes.unwrap_or(BYTES),
        }
    }

    /// Redis has no schema.
    async fn prepare(&self, _plan: &Arc<TargetPlan>, _schema: &TableSchema) -> Result<()> {
        Ok(())
    }

    async fn apply(&self, deliveries: &[Delivery]) -> Result<Vec<Outcome>> {
        let mut call = Call::new(deliveries);
        for _ in 0..ROUNDS {
            if call.pending.is_empty() {
                break;
            }
            self.round(&mut call).await.map_err(|error| self.told(error))?;
        }
        call.finish()
    }

    async fn probe(&self) -> Result<()> {
        let fleet = self.fleet().await.map_err(|error| self.told(error))?;
        match check::probe(&fleet).await {
            Ok(()) => {
                self.admitted.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                self.forget(&fleet).await;
                Err(self.told(error))
            }
        }
    }

    async fn ping(&self) -> Result<()> {
        let fleet = self.fleet().await.map_err(|error| self.told(error))?;
        check::ping(&fleet, &self.settings).await.map_err(|error| self.told(error))
    }

    async fn check(&self) -> Result<Vec<Error>> {
        let fleet = self.fleet().await.map_err(|error| self.told(error))?;
        let found = check::findings(&fleet, &self.settings.name).await;
        if found.is_err() {
            self.forget(&fleet).await;
        }
        found.map_err(|error| self.told(error))
    }

    async fn marks(&self, known: &Marks) -> Result<Marks> {
        let fleet = self.fleet().await.map_err(|error| self.told(error))?;
        let before = self.shown.seen();
        let found = Box::pin(marks::read(&fleet, known)).await;
        match &found {
            Ok(marks) => self.shown.asked(&before, marks.clone()),
            Err(_) => self.forget(&fleet).await,
        }
        found.map_err(|error| self.told(error))
    }

    fn acknowledged(&self) -> Marks {
        self.shown.marks()
    }

    /// What was answered `Applied` is already as durable as the server makes it.
    async fn close(&self) -> Result<()> {
        *self.fleet.lock().await = None;
        Ok(())
    }

    async fn scan(&self, scope: &Scope, look: Look, pages: &mpsc::Sender<Vec<Held>>) -> Result<()> {
        if scope.plan.spec.invalidate {
            return Ok(()); // the documents there are not ours
        }
        let fleet = self.fleet().await.map_err(|error| self.told(error))?;
        let walked = Box::pin(async {
            Walk { fleet: &fleet, scope, look, pages }.run().await?;
            if pages.is_closed() { Ok(()) } else { self.must_be_current(&fleet).await }
        });
        let walked = walked.await;
        if walked.is_err() {
            self.forget(&fleet).await;
        }
        walked.map_err(|error| self.told(error))
    }

    async fn displace(&self, plan: &TargetPlan, held: &[Held]) -> Result<Vec<bool>> {
        if plan.spec.invalidate {
            return Ok(vec![false; held.len()]); // the documents there are not ours
        }
        let fleet = self.fleet().await.map_err(|error| self.told(error))?;
        let mut displaced = Vec::with_capacity(held.len());
        for held in held {
            let (key, digits) = (&*held.address.id, held.version.to_string());
            let host = fleet.owner(key)?.clone();
            let mut link = fleet.connection(&host).await?.link;
            let mut call = self.scripts.displace.prepare_invoke();
            let called = call.key(key).key(slots::tombstone(key)).arg(digits).invoke_async(&mut link).await;
            let done: i64 = called.map_err(|error| failure::of_connection(&error, &host))?;
            displaced.push(done == 1);
        }
        Ok(displaced)
    }

    async fn tombstones(&self, plan: &TargetPlan, addresses: &[Address]) -> Result<Vec<Option<Version>>> {
        if plan.spec.invalidate {
            return Ok(vec![None; addresses.len()]); // nothing there has a version
        }
        let fleet = self.fleet().await.map_err(|error| self.told(error))?;
        let found = super::read::tombstones(&fleet, addresses).await;
        if found.is_err() {
            self.forget(&fleet).await;
        }
        found.map_err(|error| self.told(error))
    }

    async fn read(&self, plan: &TargetPlan, addresses: &[Address]) -> Result<Vec<Option<Held>>> {
        if plan.spec.invalidate {
            return Ok(vec![None; addresses.len()]); // the documents there are not ours
        }
        let fleet = self.fleet().await.map_err(|error| self.told(error))?;
        let found = super::read::documents(&fleet, addresses).await;
        if found.is_err() {
            self.forget(&fleet).await;
        }
        found.map_err(|error| self.told(error))
    }
}
