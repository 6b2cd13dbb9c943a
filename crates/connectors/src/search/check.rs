//! What `check` and `probe` find out: whether the targets may be written, and what in the set-up is wrong, each with the
//! observed value and the cure. Nothing is changed.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::route::{PipelineSpec, RouteSpec, TargetKind, TargetSpec};

use super::bulk::bulk_path;
use super::client::{Client, Payload};
use super::encode::Encoder;
use super::index::{no_write_index, plain_index};
use super::look::{Found, look};
use super::mapping;
use super::names::{FIRST_INDEX, valid_index_template};
use super::reply::{Class, Failure, bulk_items};
use super::server::Server;

/// Of many rendered names the first ones stand for all: they live in the same cluster.
const PROBED: usize = 8;

/// Whether documents may be written into these targets now: an update that cannot write anything is sent to each.
pub(super) async fn writable(client: &Client, targets: &[Arc<str>]) -> Result<()> {
    match refusals(client, &targets[..targets.len().min(PROBED)]).await?.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

async fn refusals(client: &Client, targets: &[Arc<str>]) -> Result<Vec<Error>> {
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let body = Encoder::guard(targets);
    let reply = client.send(Method::POST, &bulk_path(None), Payload::Lines(body)).await?;
    if reply.status != 200 {
        let what = format!("{}: the server takes no bulk", client.name());
        return Err(Failure::of(&reply).error(what, Code::SearchIndex));
    }
    let answers = bulk_items(&reply.body, targets.len())?;
    let refusal = |(target, failure): (&Arc<str>, Failure)| {
        let what = format!("{}: nothing can be written into {target}", client.name());
        match failure.class() {
            // There is no such document, or no such index yet.
            Class::NoIndex | Class::Bad | Class::Conflict | Class::TooLarge => None,
            Class::Denied | Class::Blocked | Class::Busy | Class::Down | Class::Misused => {
                Some(failure.error(what, Code::SearchIndex))
            }
        }
    };
    let failed = targets.iter().zip(answers).filter_map(|(target, answer)| Some((target, answer?)));
    Ok(failed.filter_map(refusal).collect())
}

/// Everything that is wrong with the targets of this connection. What cannot be asked is a finding too.
pub(super) async fn findings(client: &Client, pipeline: &PipelineSpec) -> Vec<Error> {
    if let Err(error) = Server::ask(client).await {
        return vec![error];
    }
    let mut found = Vec::new();
    gather(&mut found, cluster_blocks(client).await);
    for route in &pipeline.routes {
        let ours = |t: &&TargetSpec| t.kind == TargetKind::Search && t.connection == client.name();
        for target in route.targets.iter().filter(ours) {
            target_findings(client, route, target, &mut found).await;
        }
    }
    found
}

fn gather(found: &mut Vec<Error>, result: Result<Vec<Error>>) {
    match result {
        Ok(more) => found.extend(more),
        Err(error) => found.push(error),
    }
}

async fn target_findings(client: &Client, route: &RouteSpec, target: &TargetSpec, found: &mut Vec<Error>) {
    if let Err(error) = valid_index_template(&target.template) {
        found.push(error);
        return;
    }
    for analyzer in mapping::analyzers(route, target) {
        gather(found, analyzer_missing(client, &analyzer).await);
    }
    // What rows will fill in cannot be looked at.
    if target.template.contains('{') {
        return;
    }
    let name = target.template.as_str();
    let wanted = match look(client, name).await {
        Err(error) => return found.push(error),
        Ok(Found::Plain) => return found.push(plain_index(client.name(), name)),
        Ok(Found::NoWriteIndex) => return found.push(no_write_index(client.name(), name)),
        Ok(Found::Nothing) => ["create_index", "index", "delete"],
        Ok(Found::Alias { .. }) => {
            gather(found, refusals(client, &[name.into()]).await);
            ["index", "delete", "view_index_metadata"]
        }
    };
    gather(found, lacking_privileges(client, name, &wanted).await);
}

async fn analyzer_missing(client: &Client, analyzer: &str) -> Result<Vec<Error>> {
    let body = json!({"analyzer": analyzer, "text": "a"}).to_string();
    let reply = client.send(Method::POST, "/_analyze", Payload::Json(body)).await?;
    let failure = Failure::of(&reply);
    let missing = reply.status == 400 && failure.reason.contains("analyzer");
    let what = format!("{}: the server has no analyzer {analyzer:?}", client.name());
    Ok(missing.then(|| Error::new(Code::SearchAnalyzer, what).cause(failure)).into_iter().collect())
}

/// Blocks on the whole cluster; those of one index show when it is written to.
async fn cluster_blocks(client: &Client) -> Result<Vec<Error>> {
    let path = "/_cluster/settings?flat_settings=true&filter_path=*.cluster.blocks.*";
    let reply = client.send(Method::GET, path, Payload::None).await?;
    let Ok(settings) = serde_json::from_slice::<Value>(&reply.body) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for kind in ["persistent", "transient"] {
        let Some(set) = settings.get(kind).and_then(Value::as_object) else { continue };
        for (name, value) in set.iter().filter(|(_, v)| **v == json!("true") || **v == json!(true)) {
            let what = format!("{}: the cluster has {name} set to {value}", client.name());
            found.push(Error::new(Code::SearchBlocked, what).fix(format!(
                "free disk space, or PUT /_cluster/settings {{\"{kind}\": {{\"{name}\": null}}}}"
            )));
        }
    }
    Ok(found)
}

/// Asks Elasticsearch's security what this user may do; servers without it have nothing to ask.
async fn lacking_privileges(client: &Client, name: &str, wanted: &[&str]) -> Result<Vec<Error>> {
    let names = [name.to_owned(), format!("{name}{FIRST_INDEX}")];
    let body = json!({"index": [{"names": names, "privileges": wanted}]}).to_string();
    let reply = client.send(Method::POST, "/_security/user/_has_privileges", Payload::Json(body)).await?;
    let Ok(answer) = serde_json::from_slice::<Value>(&reply.body) else { return Ok(Vec::new()) };
    if reply.status != 200 || answer.get("has_all_requested") != Some(&json!(false)) {
        return Ok(Vec::new());
    }
    let mut lacking: Vec<&str> = Vec::new();
    for privileges in answer.get("index").and_then(Value::as_object).into_iter().flat_map(|o| o.values()) {
        let privileges = privileges.as_object().into_iter().flatten();
        lacking.extend(privileges.filter(|(_, has)| **has == json!(false)).map(|(name, _)| name.as_str()));
    }
    lacking.sort_unstable();
    lacking.dedup();
    let what = format!("{}: the user lacks privileges on {name}: {}", client.name(), lacking.join(", "));
    let cure = format!("give its role these privileges on {} and {}", names[0], names[1]);
    Ok(vec![Error::new(Code::SearchDenied, what).fix(cure)])
}
