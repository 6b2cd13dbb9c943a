//! What stands behind a name at the server: nothing, an index, or an alias of one. Nothing is changed here.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::{Map, Value};
use syncline_engine::error::{Code, Error, Result};

use super::client::{Client, Payload};
use super::names::in_path;
use super::reply::Failure;

/// How long an index remembers deletes while documents are displaced.
pub(super) const NO_TIME: &str = "0ms";

/// What stands behind a name.
pub(super) enum Found {
    Nothing,
    /// An index that is not reached through an alias.
    Plain,
    /// The alias, the index that takes writes and the names of its mapped fields.
    Alias {
        index: String,
        fields: HashSet<String>,
        mappings: Value,
        /// It remembers no delete, as in the moment of a displacement.
        forgets: bool,
    },
    /// An alias of several indices, none of which takes writes.
    NoWriteIndex,
}

/// What stands behind a name now.
pub(super) async fn look(client: &Client, target: &str) -> Result<Found> {
    let filter = "*.aliases,*.mappings.properties,*.mappings._meta,*.settings.index.gc_deletes";
    let path = format!("/{}?filter_path={filter}", in_path(target));
    let reply = client.send(Method::GET, &path, Payload::None).await?;
    if reply.status == 404 {
        return Ok(Found::Nothing);
    }
    let what = || format!("{}: index {target} cannot be looked at", client.name());
    if reply.status != 200 {
        return Err(Failure::of(&reply).error(what(), Code::SearchIndex));
    }
    let indices: Map<String, Value> =
        serde_json::from_slice(&reply.body).map_err(|e| Error::new(Code::Interrupted, what()).cause(e))?;
    if indices.contains_key(target) {
        return Ok(Found::Plain);
    }
    let writes = |index: &Value| {
        index.pointer("/aliases").and_then(|a| a.get(target)?.get("is_write_index")?.as_bool())
    };
    let chosen = match indices.len() {
        0 => return Ok(Found::Nothing),
        1 => indices.iter().next().filter(|(_, index)| writes(index) != Some(false)),
        _ => indices.iter().find(|(_, index)| writes(index) == Some(true)),
    };
    Ok(chosen.map_or(Found::NoWriteIndex, |(name, index)| {
        let (fields, mappings) = mapped(index);
        let kept = index.pointer("/settings/index/gc_deletes").and_then(Value::as_str);
        Found::Alias { index: name.clone(), fields, mappings, forgets: kept == Some(NO_TIME) }
    }))
}

/// The names of an index's fields, and its mappings.
fn mapped(index: &Value) -> (HashSet<String>, Value) {
    let mut fields = HashSet::new();
    if let Some(properties) = index.pointer("/mappings/properties").and_then(Value::as_object) {
        mapped_names("", properties, &mut fields);
    }
    (fields, index.get("mappings").cloned().unwrap_or_default())
}

/// Names as documents have them: a field `a.b` is mapped as `b` inside `a`.
fn mapped_names(prefix: &str, properties: &Map<String, Value>, out: &mut HashSet<String>) {
    for (name, mapping) in properties {
        let name = format!("{prefix}{name}");
        if let Some(inside) = mapping.get("properties").and_then(Value::as_object) {
            mapped_names(&format!("{name}."), inside, out);
        }
        out.insert(name);
    }
}
