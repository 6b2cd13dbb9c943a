//! Reading: documents and versions by id, and the query of the `search` command. Nothing is written here.

use bytes::Bytes;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::version::Version;

use super::client::{Client, Payload};
use super::names::{in_path, pattern_in_path};
use super::reply::{Class, Failure};
use crate::registry::Hit;

#[derive(Deserialize)]
struct Many {
    docs: Vec<Doc>,
}

#[derive(Deserialize)]
struct Doc {
    #[serde(rename = "_version")]
    version: Option<u64>,
    #[serde(rename = "_source")]
    source: Option<Box<RawValue>>,
    error: Option<serde_json::Value>,
}

/// Version and document.
type Stored = (Version, Option<Bytes>);

/// What is at these ids as it was written, in their order, whether or not it can be searched yet.
///
/// By `_mget`, because ids such as `..` do not survive in a URL's path; without a filter, because that would print
/// numbers anew.
pub(super) async fn documents(client: &Client, target: &str, ids: &[&str]) -> Result<Vec<Option<Stored>>> {
    let docs = ids.iter().map(|id| json!({"_id": id})).collect();
    let mut found = get(client, target, docs).await?;
    found.resize_with(ids.len(), || None);
    let stored = |doc: Doc| {
        let version = doc.version?;
        let document = doc.source.map(|source| Bytes::from(String::from(Box::<str>::from(source))));
        Some((Version::from_raw(version).unwrap_or(Version::MAX), document))
    };
    Ok(found.into_iter().map(|doc| doc.and_then(stored)).collect())
}

/// The version of the document with this id; `None` if it does not exist or was deleted.
pub(super) async fn version(client: &Client, target: &str, id: &str) -> Result<Option<u64>> {
    let found = get(client, target, vec![json!({"_id": id, "_source": false})]).await?;
    Ok(found.into_iter().next().flatten().and_then(|doc| doc.version))
}

/// One answer a document, or none at all if there is no such index.
async fn get(client: &Client, target: &str, docs: Vec<serde_json::Value>) -> Result<Vec<Option<Doc>>> {
    let path = format!("/{}/_mget", in_path(target));
    let reply = client.send(Method::POST, &path, Payload::Json(json!({"docs": docs}).to_string())).await?;
    let what = || format!("{}: a document of {target} cannot be read", client.name());
    if reply.status != 200 {
        let failure = Failure::of(&reply);
        return match failure.class() {
            Class::NoIndex => Ok(Vec::new()),
            _ => Err(failure.error(what(), Code::SearchQuery)),
        };
    }
    let many: Many =
        serde_json::from_slice(&reply.body).map_err(|e| Error::new(Code::Interrupted, what()).cause(e))?;
    let one = |doc: Doc| match &doc.error {
        Some(error) if error.get("type").is_some_and(|t| t == "index_not_found_exception") => Ok(None),
        Some(error) => Err(Error::new(Code::Interrupted, what()).cause(error)),
        None => Ok(Some(doc)),
    };
    many.docs.into_iter().map(one).collect()
}

/// The best `size` documents for a query in the servers' own query string syntax. `index` may hold wildcards.
pub(super) async fn search(client: &Client, index: &str, query: &str, size: usize) -> Result<Vec<Hit>> {
    #[derive(Deserialize)]
    struct Answer {
        hits: Hits,
    }
    #[derive(Deserialize)]
    struct Hits {
        hits: Vec<RawHit>,
    }
    #[derive(Deserialize)]
    struct RawHit {
        #[serde(rename = "_id")]
        id: String,
        #[serde(rename = "_score")]
        score: Option<f64>,
        #[serde(rename = "_source")]
        source: Option<Box<RawValue>>,
    }
    refresh(client, &pattern_in_path(index)).await;
    let path = format!("/{}/_search", pattern_in_path(index));
    let body = json!({"query": {"query_string": {"query": query, "lenient": true}}, "size": size});
    let reply = client.send(Method::POST, &path, Payload::Json(body.to_string())).await?;
    let what = || format!("{}: the query cannot be answered", client.name());
    if reply.status != 200 {
        let failure = Failure::of(&reply);
        return Err(match failure.class() {
            Class::NoIndex => {
                Error::new(Code::Unknown, format!("{}: there is no index {index}", client.name()))
            }
            _ => failure.error(what(), Code::SearchQuery),
        });
    }
    let answer: Answer =
        serde_json::from_slice(&reply.body).map_err(|e| Error::new(Code::Interrupted, what()).cause(e))?;
    let hit = |hit: RawHit| Some(Hit { id: hit.id, score: hit.score, document: hit.source? });
    Ok(answer.hits.hits.into_iter().filter_map(hit).collect())
}

/// Makes what was written visible to queries. Only a wish: whoever may read need not be allowed to, and the servers do
/// it by themselves within a second.
pub(super) async fn refresh(client: &Client, in_path: &str) {
    match client.send(Method::POST, &format!("/{in_path}/_refresh"), Payload::None).await {
        Ok(reply) if reply.status < 300 => {}
        Ok(reply) => tracing::debug!(failure = %Failure::of(&reply), "no refresh"),
        Err(error) => tracing::debug!(%error, "no refresh"),
    }
}
