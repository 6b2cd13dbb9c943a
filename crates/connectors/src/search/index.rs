//! Indices behind their aliases: made on first use of a rendered name, extended when a schema adds fields.
//! `X` is an alias of `X-000001` from the first day, so that a resync can swap the index. Documents are not written here.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Map, Value, json};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::route::TargetPlan;
use syncline_engine::schema::TableSchema;
use syncline_engine::shown::Shown;

use super::client::{Client, Payload, Reply};
use super::look::{Found, look};
use super::marks;
use super::names::{FIRST_INDEX, in_path};
use super::reply::{Class, Failure};
use super::server::Product;
use super::{displace, mapping};

/// More rendered names than this are forgotten and looked up again: memory stays bounded.
const MOST_KNOWN: usize = 10_000;
/// The same for the schemas of one name.
const MOST_READY: usize = 1_000;

/// How often, and how far apart, an index that exists is looked for by its alias before the alias counts as lost.
const LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// What is known of the indices of one connection.
#[derive(Default)]
pub(super) struct Indices {
    pipeline: String,
    known: RwLock<HashMap<Arc<str>, Known>>,
    /// As they were when the indices were made or looked at.
    pub(super) shown: Shown,
    /// One at a time makes or extends an index.
    making: tokio::sync::Mutex<()>,
    /// The server has no `unsigned_long`.
    no_unsigned_long: AtomicBool,
}

#[derive(Default)]
struct Known {
    /// Plans and schemas whose fields are all mapped.
    ready: HashSet<(u32, u64)>,
    /// Names of mapped fields.
    fields: HashSet<String>,
    /// The epoch that the index knows of.
    epoch: u16,
}

/// What an index is wanted for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub target: &'a Arc<str>,
    pub plan: &'a TargetPlan,
    pub schema: &'a TableSchema,
    /// The epoch of what will be written; 0 where it is not known yet.
    pub epoch: u16,
}

impl Indices {
    pub(super) fn new(pipeline: &str) -> Indices {
        Indices { pipeline: pipeline.to_owned(), ..Indices::default() }
    }

    /// Whether the name is known to take documents of this plan and schema.
    pub(super) fn is_ready(&self, target: &str, plan: u32, schema: u64, epoch: u16) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(target).is_some_and(|k| k.epoch >= epoch && k.ready.contains(&(plan, schema)))
    }

    /// Nobody looks at an index, makes or extends one meanwhile.
    pub(super) async fn exclusive(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.making.lock().await
    }

    /// All names that were used since the start.
    pub(super) fn names(&self) -> Vec<Arc<str>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Names that a plan uses.
    pub(super) fn names_of(&self, plan: u32) -> Vec<Arc<str>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let uses = |k: &Known| k.ready.iter().any(|(id, _)| *id == plan);
        known.iter().filter(|(_, k)| uses(k)).map(|(name, _)| name.clone()).collect()
    }

    /// The index is gone behind our back, or may be.
    pub(super) fn forget(&self, target: &str) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(target);
        self.shown.doubt(|mark| mark.target.as_deref() == Some(target));
    }

    /// Makes sure that alias, index and mapping are there.
    pub(super) async fn ensure(
        &self,
        client: &Client,
        product: Option<Product>,
        wanted: Wanted<'_>,
    ) -> Result<()> {
        let key = (wanted.plan.id, wanted.schema.id);
        if self.is_ready(wanted.target, key.0, key.1, wanted.epoch) {
            return Ok(());
        }
        let _one_at_a_time = self.making.lock().await;
        if let Some((mapped, epoch)) = self.mapped(wanted.target)
            && epoch >= wanted.epoch
            && self.missing(&wanted, &mapped)?.is_empty()
        {
            self.note(wanted.target, key, mapped, epoch);
            return Ok(());
        }
        // Another process may make the index between the look and the making, and a node may learn of it a little later.
        for attempt in 0..LOOKS {
            if attempt > 1 {
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
            match look(client, wanted.target).await? {
                Found::Nothing => {
                    if let Some(fields) = self.create(client, product, &wanted).await? {
                        self.look_at_marks(client, wanted.target).await?;
                        self.note(wanted.target, key, fields, wanted.epoch);
                        return Ok(());
                    }
                }
                Found::Alias { index, fields, mappings, forgets } => {
                    if forgets {
                        displace::heal(client, wanted.plan, wanted.target).await?;
                    }
                    return self.take(client, wanted, &index, fields, &mappings).await;
                }
                Found::Plain => return Err(plain_index(client.name(), wanted.target)),
                Found::NoWriteIndex => return Err(no_write_index(client.name(), wanted.target)),
            }
        }
        Err(lost_alias(client.name(), wanted.target))
    }

    /// An index that is there: it gets the fields and the epoch that it lacks.
    async fn take(
        &self,
        client: &Client,
        wanted: Wanted<'_>,
        index: &str,
        mut fields: HashSet<String>,
        mappings: &Value,
    ) -> Result<()> {
        fields.extend(self.extend(client, &wanted, index, &fields).await?);
        let epoch = self.raise_epoch(client, &wanted, index, mappings).await?;
        if !self.shown.contains(index) {
            self.look_at_marks(client, wanted.target).await?;
        }
        self.note(wanted.target, (wanted.plan.id, wanted.schema.id), fields, epoch);
        Ok(())
    }

    /// The epoch stands in the index before the first document that has it; what is there is kept.
    async fn raise_epoch(
        &self,
        client: &Client,
        wanted: &Wanted<'_>,
        index: &str,
        mappings: &Value,
    ) -> Result<u16> {
        if let Some(epoch) = marks::epoch(mappings, &self.pipeline).filter(|epoch| *epoch >= wanted.epoch) {
            return Ok(epoch);
        }
        let meta = marks::meta(mappings.get("_meta"), &self.pipeline, wanted.epoch);
        let path = format!("/{}/_mapping", in_path(index));
        let body = Payload::Json(json!({ "_meta": meta }).to_string());
        let reply = client.send(Method::PUT, &path, body).await?;
        if reply.status == 200 {
            return Ok(wanted.epoch);
        }
        let failure = Failure::of(&reply);
        if failure.class() == Class::Denied {
            tracing::warn!(
                index,
                "the role may not change its mapping: if it is deleted, nobody notices ({failure})"
            );
            return Ok(wanted.epoch);
        }
        Err(refused(client.name(), wanted.target, &failure))
    }

    async fn look_at_marks(&self, client: &Client, target: &Arc<str>) -> Result<()> {
        let names = BTreeSet::from([target.to_string()]);
        let mut looks = 1;
        let found = loop {
            match marks::read(client, &self.pipeline, &names).await {
                // The shards of an index that somebody else is making are not there yet.
                Err(error) if error.code() == Code::Overloaded && looks < LOOKS => looks += 1,
                found => break found?,
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        };
        self.shown.answered(found);
        Ok(())
    }

    /// Names of mapped fields, and the epoch.
    fn mapped(&self, target: &str) -> Option<(HashSet<String>, u16)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(target).map(|k| (k.fields.clone(), k.epoch))
    }

    fn note(&self, target: &Arc<str>, key: (u32, u64), fields: HashSet<String>, epoch: u16) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KNOWN && !known.contains_key(target) {
            known.clear();
        }
        let entry = known.entry(target.clone()).or_default();
        if entry.ready.len() >= MOST_READY {
            entry.ready.clear();
        }
        entry.ready.insert(key);
        entry.fields = fields;
        entry.epoch = epoch;
    }

    fn properties(&self, wanted: &Wanted<'_>) -> Result<Map<String, Value>> {
        let unsigned_long = !self.no_unsigned_long.load(Ordering::Relaxed);
        mapping::properties(&wanted.plan.route, &wanted.plan.spec, wanted.schema, unsigned_long)
    }

    fn missing(&self, wanted: &Wanted<'_>, mapped: &HashSet<String>) -> Result<Map<String, Value>> {
        Ok(self.properties(wanted)?.into_iter().filter(|(name, _)| !mapped.contains(name)).collect())
    }

    /// The fields of the index that was made; `None` if somebody else made it first.
    async fn create(
        &self,
        client: &Client,
        product: Option<Product>,
        wanted: &Wanted<'_>,
    ) -> Result<Option<HashSet<String>>> {
        let first = || format!("{}{FIRST_INDEX}", wanted.target);
        let path = format!("/{}", in_path(&wanted.plan.spec.first_index.clone().unwrap_or_else(first)));
        let meta = marks::meta(None, &self.pipeline, wanted.epoch);
        let make = |properties: &Map<String, Value>| {
            json!({
                "settings": mapping::settings(&wanted.plan.spec, product),
                "mappings": {"dynamic": false, "_meta": meta, "properties": properties},
                "aliases": {&**wanted.target: {"is_write_index": true}},
            })
        };
        let (properties, reply) = self.put(client, &path, wanted, &HashSet::new(), make).await?;
        if reply.status == 200 {
            tracing::info!(index = &**wanted.target, connection = client.name(), "index made");
            return Ok(Some(names(&properties)));
        }
        let failure = Failure::of(&reply);
        match failure.kind.as_str() {
            "resource_already_exists_exception" => Ok(None),
            "invalid_alias_name_exception" => Err(plain_index(client.name(), wanted.target)),
            _ => Err(refused(client.name(), wanted.target, &failure)),
        }
    }

    /// Adds the fields that the index lacks; answers their names.
    async fn extend(
        &self,
        client: &Client,
        wanted: &Wanted<'_>,
        index: &str,
        mapped: &HashSet<String>,
    ) -> Result<HashSet<String>> {
        if self.missing(wanted, mapped)?.is_empty() {
            return Ok(HashSet::new());
        }
        let path = format!("/{}/_mapping", in_path(index));
        let make = |properties: &Map<String, Value>| json!({"properties": properties});
        let (properties, reply) = self.put(client, &path, wanted, mapped, make).await?;
        if reply.status != 200 {
            return Err(refused(client.name(), wanted.target, &Failure::of(&reply)));
        }
        Ok(names(&properties))
    }

    /// Sends the fields that are not mapped; once more without `unsigned_long` where the server lacks that type.
    async fn put(
        &self,
        client: &Client,
        path: &str,
        wanted: &Wanted<'_>,
        mapped: &HashSet<String>,
        make: impl Fn(&Map<String, Value>) -> Value,
    ) -> Result<(Map<String, Value>, Reply)> {
        loop {
            let properties = self.missing(wanted, mapped)?;
            let body = Payload::Json(make(&properties).to_string());
            let reply = client.send(Method::PUT, path, body).await?;
            let lacks_type = reply.status == 400 && Failure::of(&reply).reason.contains("[unsigned_long]");
            if !lacks_type || self.no_unsigned_long.swap(true, Ordering::Relaxed) {
                return Ok((properties, reply));
            }
        }
    }
}

fn names(properties: &Map<String, Value>) -> HashSet<String> {
    properties.keys().cloned().collect()
}

fn refused(connection: &str, target: &str, failure: &Failure) -> Error {
    let error =
        failure.error(format!("{connection}: index {target} cannot be made or extended"), Code::SearchIndex);
    if failure.class() == Class::Bad && failure.reason.contains("analyzer [") {
        return Error::new(Code::SearchAnalyzer, format!("{connection}: index {target} needs an analyzer"))
            .cause(failure);
    }
    if failure.reason.contains("Limit of total fields") {
        return error.fix(
            "raise it for this target: `settings: {mapping.total_fields.limit: 2000}`, or keep fewer \
                          fields with `only:`",
        );
    }
    error
}

pub(super) fn plain_index(connection: &str, target: &str) -> Error {
    let what =
        format!("{connection}: {target} is an index, where an alias of {target}{FIRST_INDEX} is needed");
    Error::new(Code::SearchIndex, what).fix(format!(
        "write another name after `index:`, or delete the index so that it is made again (DELETE /{target}), or move \
         its documents first (POST /_reindex from {target} to {target}{FIRST_INDEX}, then delete {target} and add the \
         alias {target} to {target}{FIRST_INDEX})"
    ))
}

pub(super) fn no_write_index(connection: &str, target: &str) -> Error {
    let what =
        format!("{connection}: the alias {target} names several indices, and none of them takes writes");
    Error::new(Code::SearchIndex, what).fix(format!(
        "set `is_write_index: true` for one of them: POST /_aliases with an `add` of alias {target}"
    ))
}

fn lost_alias(connection: &str, target: &str) -> Error {
    let index = format!("{target}{FIRST_INDEX}");
    let what = format!("{connection}: the index {index} exists, but the alias {target} does not");
    Error::new(Code::SearchIndex, what).fix(format!(
        "delete the index if it is a leftover (DELETE /{index}), or give it its alias back (PUT /{index}/_alias/{target})"
    ))
}
