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
use super::index::{Found, look, no_write_index, plain_index};
use super::mapping;
use super::names::{FIRST_INDEX, in_path, valid_index_template};
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

/// Everything that is wrong with the targets of this connection.
pub(super) async fn findings(client: &Client, pipeline: &PipelineSpec) -> Result<Vec<Error>> {
    let mut found = Vec::new();
    if let Err(error) = Server::ask(client).await {
        return Ok(vec![error]);
    }
    found.extend(cluster_blocks(client).await?);
    for route in &pipeline.routes {
        let ours = |t: &&TargetSpec| t.kind == TargetKind::Search && t.connection == client.name();
        for target in route.targets.iter().filter(ours) {
            found.extend(target_findings(client, route, target).await?);
        }
    }
    Ok(found)
}

async fn target_findings(client: &Client, route: &RouteSpec, target: &TargetSpec) -> Result<Vec<Error>> {
    let mut found = Vec::new();
    if let Err(error) = valid_index_template(&target.template) {
        return Ok(vec![error]);
    }
    for analyzer in mapping::analyzers(route, target) {
        found.extend(analyzer_missing(client, &analyzer).await?);
    }
    if target.template.contains('{') {
        return Ok(found);
    }
    let name = target.template.as_str();
    match look(client, name).await? {
        Found::Plain => found.push(plain_index(client.name(), name)),
        Found::NoWriteIndex => found.push(no_write_index(client.name(), name)),
        Found::Nothing => {
            found.extend(lacking_privileges(client, name, &["create_index", "index", "delete"]).await?)
        }
        Found::Alias { .. } => {
            found.extend(refusals(client, &[name.into()]).await?);
            found
                .extend(lacking_privileges(client, name, &["index", "delete", "view_index_metadata"]).await?);
        }
    }
    Ok(found)
}

async fn analyzer_missing(client: &Client, analyzer: &str) -> Result<Option<Error>> {
    let body = json!({"analyzer": analyzer, "text": "a"}).to_string();
    let reply = client.send(Method::POST, "/_analyze", Payload::Json(body)).await?;
    let failure = Failure::of(&reply);
    let missing = reply.status == 400 && failure.reason.contains("analyzer");
    Ok(missing.then(|| {
        Error::new(
            Code::SearchAnalyzer,
            format!("{}: the server has no analyzer {analyzer:?}", client.name()),
        )
        .cause(failure)
    }))
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
async fn lacking_privileges(client: &Client, name: &str, wanted: &[&str]) -> Result<Option<Error>> {
    let names = [name.to_owned(), format!("{name}{FIRST_INDEX}")];
    let body = json!({"index": [{"names": names, "privileges": wanted}]}).to_string();
    let reply = client.send(Method::POST, "/_security/user/_has_privileges", Payload::Json(body)).await?;
    let Ok(answer) = serde_json::from_slice::<Value>(&reply.body) else { return Ok(None) };
    if reply.status != 200 || answer.get("has_all_requested") != Some(&json!(false)) {
        return Ok(None);
    }
    let mut lacking: Vec<&str> = Vec::new();
    for privileges in answer.get("index").and_then(Value::as_object).into_iter().flat_map(|o| o.values()) {
        let privileges = privileges.as_object().into_iter().flatten();
        lacking.extend(privileges.filter(|(_, has)| **has == json!(false)).map(|(name, _)| name.as_str()));
    }
    lacking.sort_unstable();
    lacking.dedup();
    let what = format!("{}: the user lacks privileges on {name}: {}", client.name(), lacking.join(", "));
    Ok(Some(Error::new(Code::SearchDenied, what).fix(format!(
        "give its role these privileges on {} and {}*",
        in_path(name),
        in_path(name)
    ))))
}
