//! Takes documents away whose versions nobody can write above. The servers have no write that lowers a version, and remember
//! that of a delete for `index.gc_deletes`: so that memory is switched off for the moment of the delete. Deletes of ours that
//! are forgotten with it are remembered by `deletes.rs`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::route::TargetPlan;
use syncline_engine::sink::Held;

use super::client::{Client, Payload};
use super::look::NO_TIME;
use super::mapping;
use super::names::in_path;
use super::query::refresh;
use super::reply::Failure;

/// The servers look at their clock for this only so often.
const REST: Duration = Duration::from_millis(250);
/// How long it may take until a delete is forgotten.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct Answer {
    items: Vec<BTreeMap<String, Item>>,
}

#[derive(Deserialize)]
struct Item {
    status: u16,
}

/// See [`syncline_engine::sink::Sink::displace`].
pub(super) async fn displace(client: &Client, plan: &TargetPlan, held: &[Held]) -> Result<Vec<bool>> {
    let mut displaced = vec![false; held.len()];
    let mut by_target: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, held) in held.iter().enumerate() {
        by_target.entry(&held.address.target).or_default().push(place);
    }
    let usual = usual(plan);
    for (target, places) in by_target {
        remember(client, target, &json!(NO_TIME)).await?;
        let some: Vec<&Held> = places.iter().map(|place| &held[*place]).collect();
        let done = forgotten(client, target, &some).await;
        // Whatever became of it.
        remember(client, target, &usual).await?;
        for (place, done) in places.iter().zip(done?) {
            displaced[*place] = done;
        }
    }
    Ok(displaced)
}

fn usual(plan: &TargetPlan) -> Value {
    mapping::settings(&plan.spec, None).remove("gc_deletes").unwrap_or(Value::Null)
}

/// An index that a displacement was killed at remembers deletes again, as long as its settings say.
pub(super) async fn heal(client: &Client, plan: &TargetPlan, target: &str) -> Result<()> {
    let usual = usual(plan);
    if usual == json!(NO_TIME) {
        return Ok(());
    }
    tracing::warn!(index = target, "a displacement broke off there: it remembers deletes again");
    remember(client, target, &usual).await
}

/// How long the index remembers deletes.
async fn remember(client: &Client, target: &str, gc_deletes: &Value) -> Result<()> {
    let path = format!("/{}/_settings", in_path(target));
    let body = json!({ "index": { "gc_deletes": gc_deletes } });
    let reply = client.send(Method::PUT, &path, Payload::Json(body.to_string())).await?;
    if reply.status == 200 {
        return Ok(());
    }
    let what = format!("{}: index.gc_deletes of {target} cannot be set", client.name());
    Err(Failure::of(&reply).error(what, Code::SearchQuery))
}

/// Deletes them, and waits until the server remembers none of these deletes.
async fn forgotten(client: &Client, target: &str, held: &[&Held]) -> Result<Vec<bool>> {
    let what = || format!("{}: documents of {target} cannot be taken away", client.name());
    let deleted = |held: &&Held, version: u64| {
        let action = json!({ "delete": {
            "_id": &*held.address.id, "version": version, "version_type": "external_gte"
        } });
        format!("{action}\n")
    };
    let send = async |lines: String| {
        let path = format!("/{}/_bulk", in_path(target));
        let reply = client.send(Method::POST, &path, Payload::Lines(lines.into())).await?;
        if reply.status != 200 {
            return Err(Failure::of(&reply).error(what(), Code::SearchQuery));
        }
        let answer: Answer = serde_json::from_slice(&reply.body)
            .map_err(|error| Error::new(Code::Interrupted, what()).cause(error))?;
        Ok(answer
            .items
            .into_iter()
            .map(|item| item.into_values().map(|item| item.status).max())
            .collect::<Vec<_>>())
    };
    // Only what has no higher version than the one that was seen.
    let first = send(held.iter().map(|held| deleted(held, held.version.get())).collect()).await?;
    let done: Vec<bool> = first.iter().map(|status| matches!(status, Some(200))).collect();
    let began = Instant::now();
    loop {
        tokio::time::sleep(REST).await;
        refresh(client, &in_path(target)).await;
        // A delete at the lowest version is refused for as long as a higher one is remembered.
        let gone = held.iter().zip(&done).filter(|(_, done)| **done);
        let lines: String = gone.map(|(held, _)| deleted(held, 1)).collect();
        if lines.is_empty() || send(lines).await?.iter().all(|status| *status != Some(409)) {
            return Ok(done);
        }
        if began.elapsed() > PATIENCE {
            return Err(Error::new(Code::Overloaded, what()).cause("the server still remembers them"));
        }
    }
}
