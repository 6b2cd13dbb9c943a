//! What the indices of a connection remember of the pipeline: that it wrote there and in which epoch (`_meta` of the
//! mapping, raised before the first document of an epoch), and which index and which history of its shards it is. The
//! servers draw new ones when an index is made again, restored, or goes on from a copy that lacks acknowledged writes.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::mark::{Mark, Marks};
use syncline_engine::route::{PipelineSpec, TargetKind};

use super::client::{Client, Payload};
use super::names::{pattern_in_path, valid_index_name};
use super::reply::{Class, Failure};

/// Names of one request, so that its path stays short.
const AT_ONCE: usize = 15;

/// An index as it is asked for.
#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    aliases: Map<String, Value>,
    #[serde(default)]
    mappings: Value,
    settings: Settings,
}

#[derive(Deserialize)]
struct Settings {
    index: Identity,
}

#[derive(Deserialize)]
struct Identity {
    uuid: String,
    number_of_shards: String,
}

#[derive(Deserialize)]
struct Histories {
    #[serde(default)]
    indices: BTreeMap<String, Shards>,
}

#[derive(Deserialize)]
struct Shards {
    #[serde(default)]
    shards: BTreeMap<String, Vec<Value>>,
}

/// The pipeline's epoch in a mapping's `_meta`; `None` if it has not written there.
pub(super) fn epoch(mappings: &Value, pipeline: &str) -> Option<u16> {
    let epochs = mappings.pointer("/_meta/syncline/epochs")?;
    epochs.get(pipeline)?.as_u64().and_then(|epoch| u16::try_from(epoch).ok())
}

/// `_meta` with the pipeline's epoch, and all that stands there already.
pub(super) fn meta(before: Option<&Value>, pipeline: &str, epoch: u16) -> Value {
    let object = |value: Option<&Value>| value.and_then(Value::as_object).cloned().unwrap_or_default();
    let mut meta = object(before);
    let mut ours = object(meta.get("syncline"));
    let mut epochs = object(ours.get("epochs"));
    epochs.insert(pipeline.to_owned(), json!(epoch));
    ours.insert("epochs".to_owned(), Value::Object(epochs));
    meta.insert("syncline".to_owned(), Value::Object(ours));
    Value::Object(meta)
}

/// The index names of the pipeline's targets at a connection, with `*` where a row fills something in; or only those that
/// are the same for all rows.
pub(super) fn patterns(pipeline: &PipelineSpec, connection: &str, all: bool) -> BTreeSet<String> {
    let targets = pipeline.routes.iter().flat_map(|route| &route.targets);
    let ours = targets.filter(|target| target.kind == TargetKind::Search && target.connection == connection);
    let patterns = ours.map(|target| wildcard(&target.template)).filter(|names| all || !names.contains('*'));
    patterns.filter(|names| valid_index_name(&names.replace('*', "x")).is_ok()).collect()
}

fn wildcard(template: &str) -> String {
    let mut names = String::new();
    let mut rest = template;
    while let Some((before, inside)) = rest.split_once('{') {
        let Some((_, after)) = inside.split_once('}') else { break };
        names.push_str(before);
        if !names.ends_with('*') {
            names.push('*');
        }
        rest = after;
    }
    names + rest
}

/// The marks of all indices behind these names that the pipeline has written to.
pub(super) async fn read(client: &Client, pipeline: &str, names: &BTreeSet<String>) -> Result<Marks> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut marks = Marks::default();
    for some in names.chunks(AT_ONCE) {
        marks.0.extend(read_some(client, pipeline, &pattern_in_path(&some.join(","))).await?.0);
    }
    Ok(marks)
}

async fn read_some(client: &Client, pipeline: &str, names: &str) -> Result<Marks> {
    let filter = "*.aliases,*.mappings._meta,*.settings.index.uuid,*.settings.index.number_of_shards";
    let path = format!("/{names}?ignore_unavailable=true&filter_path={filter}");
    let indices: BTreeMap<String, Index> = ask(client, &path).await?.unwrap_or_default();
    let written: Vec<(String, Index, u16)> = indices
        .into_iter()
        .filter_map(|(name, index)| epoch(&index.mappings, pipeline).map(|epoch| (name, index, epoch)))
        .collect();
    if written.is_empty() {
        return Ok(Marks::default());
    }
    let filter = "indices.*.shards.*.routing.primary,indices.*.shards.*.commit.user_data.history_uuid";
    let path = format!("/{names}/_stats/docs?level=shards&ignore_unavailable=true&filter_path={filter}");
    let histories: Option<Histories> = match ask(client, &path).await {
        // A role that may not look at statistics learns from the index alone.
        Err(error) if error.code() == Code::SearchDenied => None,
        found => Some(found?.unwrap_or(Histories { indices: BTreeMap::new() })),
    };
    let mut marks = BTreeMap::new();
    for (name, index, epoch) in written {
        let Some(target) = index.aliases.keys().next().cloned() else { continue };
        let Identity { uuid, number_of_shards } = index.settings.index;
        let token = match &histories {
            None => uuid,
            Some(found) => {
                let found = history(found, &name, &number_of_shards);
                found.map(|history| format!("{uuid} {history}")).ok_or_else(|| {
                    let what = format!("{}: not every shard of {name} has a primary", client.name());
                    Error::new(Code::Overloaded, what)
                })?
            }
        };
        marks.insert(name, Mark { token, count: 0, epoch, target: Some(target) });
    }
    Ok(Marks(marks))
}

/// The histories of all primaries in the order of their shards; `None` if one is missing.
fn history(histories: &Histories, index: &str, shards: &str) -> Option<String> {
    let found = &histories.indices.get(index)?.shards;
    let primary = |copies: &Vec<Value>| {
        let primary =
            copies.iter().find(|copy| copy.pointer("/routing/primary") == Some(&Value::Bool(true)))?;
        Some(primary.pointer("/commit/user_data/history_uuid")?.as_str()?.to_owned())
    };
    let found: Option<Vec<String>> = found.values().map(primary).collect();
    let found = found?;
    (found.len().to_string() == shards).then(|| found.join(" "))
}

async fn ask<T: serde::de::DeserializeOwned>(client: &Client, path: &str) -> Result<Option<T>> {
    let reply = client.send(Method::GET, path, Payload::None).await?;
    let what = || format!("{}: the indices cannot be looked at", client.name());
    match reply.status {
        404 => Ok(None),
        200 => serde_json::from_slice(&reply.body)
            .map(Some)
            .map_err(|e| Error::new(Code::Interrupted, what()).cause(e)),
        _ => {
            let failure = Failure::of(&reply);
            let code = if failure.class() == Class::Denied { Code::SearchDenied } else { Code::SearchIndex };
            Err(failure.error(what(), code))
        }
    }
}
