//! Walking what the indices of a target hold: the aliases that a scope's names stand for, each read to its end by a
//! scroll. Nothing is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::route::Scope;
use syncline_engine::sink::{Address, Held, Look};
use syncline_engine::version::Version;
use tokio::sync::mpsc;

use super::client::{Client, Payload, Reply};
use super::names::{in_path, pattern_in_path, valid_index_name};
use super::reply::{Class, Failure};

/// Ids of one page.
const PAGE: usize = 1000;
/// Documents of one page: each may be large.
const DOCUMENTS: usize = 500;
/// How long the server keeps its place while nobody takes pages, and after a process that was killed.
const KEEP: &str = "10m";
/// What is read of an answer of ids. Documents are not filtered: that would print their numbers anew.
const FILTER: &str =
    "&filter_path=_scroll_id,timed_out,_shards.failed,hits.hits._index,hits.hits._id,hits.hits._version";
/// Digits behind the alias in an index's name, as rollovers make them too.
const DIGITS: usize = 6;

/// One alias being walked.
struct Walk<'a> {
    client: &'a Client,
    /// The alias: the name that deliveries use.
    target: Arc<str>,
    /// The index behind it that takes writes.
    index: String,
    look: Look,
    pages: &'a mpsc::Sender<Vec<Held>>,
}

/// See [`syncline_engine::sink::Sink::scan`].
pub(super) async fn scan(
    client: &Client,
    scope: &Scope,
    look: Look,
    pages: &mpsc::Sender<Vec<Held>>,
) -> Result<()> {
    // What is no name of an index holds nothing, and in a path it could mean something else (`-a*`, `_all`).
    let valid = |names: &String| valid_index_name(&names.replace('*', "x")).is_ok();
    let Some(names) = scope.names().filter(valid) else { return Ok(()) };
    for (target, index) in aliases(client, &names).await? {
        if pages.is_closed() {
            break;
        }
        Walk { client, target: target.into(), index, look, pages }.run().await?;
    }
    Ok(())
}

/// The aliases that fit the names, each with the index that takes its writes.
async fn aliases(client: &Client, names: &str) -> Result<Vec<(String, String)>> {
    #[derive(Deserialize)]
    struct Index {
        #[serde(default)]
        aliases: Map<String, Value>,
    }
    let path = format!("/_alias/{}", pattern_in_path(names));
    let reply = client.send(Method::GET, &path, Payload::None).await?;
    let what = || format!("{}: the aliases {names} cannot be looked at", client.name());
    if reply.status == 404 {
        return Ok(Vec::new());
    }
    if reply.status != 200 {
        return Err(Failure::of(&reply).error(what(), Code::SearchQuery));
    }
    let indices: BTreeMap<String, Index> =
        serde_json::from_slice(&reply.body).map_err(|e| Error::new(Code::Interrupted, what()).cause(e))?;
    let mut behind: BTreeMap<String, Vec<(String, Option<bool>)>> = BTreeMap::new();
    for (index, Index { aliases }) in indices {
        for (alias, how) in aliases {
            let writes = how.get("is_write_index").and_then(Value::as_bool);
            behind.entry(alias).or_default().push((index.clone(), writes));
        }
    }
    let any = names.contains('*');
    let written = behind.into_iter().filter_map(|(alias, indices)| Some((write_index(indices)?, alias)));
    // People make aliases as well: one that fits the wildcard by chance must not tell another target's documents.
    let ours = written.filter(|(index, alias)| !any || is_numbered(index, alias));
    Ok(ours.map(|(index, alias)| (alias, index)).collect())
}

/// The one that deliveries to an alias of these indices go to.
fn write_index(indices: Vec<(String, Option<bool>)>) -> Option<String> {
    let alone = indices.len() == 1;
    let takes = |writes: Option<bool>| writes.unwrap_or(alone);
    indices.into_iter().find(|(_, writes)| takes(*writes)).map(|(index, _)| index)
}

/// Whether the index is `ALIAS-000001` or one of its successors.
fn is_numbered(index: &str, alias: &str) -> bool {
    let number = index.strip_prefix(alias).and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|number| number.len() >= DIGITS && number.bytes().all(|b| b.is_ascii_digit()))
}

#[derive(Deserialize)]
struct Page {
    #[serde(rename = "_scroll_id")]
    scroll: Option<String>,
    #[serde(default)]
    timed_out: bool,
    #[serde(rename = "_shards", default)]
    shards: Shards,
    #[serde(default)]
    hits: Hits,
}

#[derive(Default, Deserialize)]
struct Shards {
    failed: u64,
}

#[derive(Default, Deserialize)]
struct Hits {
    #[serde(default)]
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_index")]
    index: String,
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_version")]
    version: Option<u64>,
    #[serde(rename = "_source")]
    source: Option<Box<RawValue>>,
}

impl Walk<'_> {
    async fn run(self) -> Result<()> {
        if !self.refresh().await? {
            return Ok(());
        }
        let mut scroll = None;
        let walked = self.walk(&mut scroll).await;
        if let Some(scroll) = scroll {
            self.give_up(&scroll).await;
        }
        walked
    }

    /// Makes all that was acknowledged visible; false if there is no such index any more.
    async fn refresh(&self) -> Result<bool> {
        #[derive(Deserialize)]
        struct Refreshed {
            #[serde(rename = "_shards")]
            shards: Shards,
        }
        let path = format!("/{}/_refresh", in_path(&self.target));
        let reply = self.client.send(Method::POST, &path, Payload::None).await?;
        if reply.status != 200 {
            return self.refused(&reply).map(|()| false);
        }
        match serde_json::from_slice::<Refreshed>(&reply.body) {
            Ok(Refreshed { shards: Shards { failed: 0 } }) => Ok(true),
            Ok(_) => Err(self.partial()),
            Err(error) => Err(self.unread(Code::Interrupted).cause(error)),
        }
    }

    async fn walk(&self, scroll: &mut Option<String>) -> Result<()> {
        let documents = self.look.documents();
        let (size, filter) = if documents { (DOCUMENTS, "") } else { (PAGE, FILTER) };
        let search = json!({"size": size, "sort": ["_doc"], "_source": documents, "version": true});
        // Without this a shard that is away would count as an empty one.
        let whole = "allow_partial_search_results=false";
        let path = format!("/{}/_search?scroll={KEEP}&{whole}{filter}", in_path(&self.target));
        let mut reply = self.client.send(Method::POST, &path, Payload::Json(search.to_string())).await?;
        loop {
            if reply.status != 200 {
                return self.refused(&reply);
            }
            let page: Page =
                serde_json::from_slice(&reply.body).map_err(|e| self.unread(Code::Interrupted).cause(e))?;
            *scroll = page.scroll.or_else(|| scroll.take());
            if page.timed_out || page.shards.failed > 0 {
                return Err(self.partial());
            }
            let Some(place) = scroll.as_ref().filter(|_| !page.hits.hits.is_empty()) else { return Ok(()) };
            if !self.hand_over(page.hits.hits).await {
                return Ok(());
            }
            let next = json!({"scroll": KEEP, "scroll_id": place});
            let path = format!("/_search/scroll?{}", filter.trim_start_matches('&'));
            reply = self.client.send(Method::POST, &path, Payload::Json(next.to_string())).await?;
        }
    }

    /// False once nobody takes pages any more.
    async fn hand_over(&self, hits: Vec<Hit>) -> bool {
        let held = |hit: Hit| {
            let version = hit.version.and_then(Version::from_raw).unwrap_or(Version::ZERO);
            let address = Address { target: self.target.clone(), id: hit.id.into() };
            let document = hit.source.map(|source| Bytes::from(String::from(Box::<str>::from(source))));
            let told = hit.index == self.index && self.look.tells(version);
            told.then_some(Held { address, version, document })
        };
        let page: Vec<Held> = hits.into_iter().filter_map(held).collect();
        if page.is_empty() { !self.pages.is_closed() } else { self.pages.send(page).await.is_ok() }
    }

    /// Only a wish: what stays behind ends by itself.
    async fn give_up(&self, scroll: &str) {
        let body = Payload::Json(json!({"scroll_id": [scroll]}).to_string());
        match self.client.send(Method::DELETE, "/_search/scroll", body).await {
            Ok(reply) if reply.status < 300 || reply.status == 404 => {}
            Ok(reply) => tracing::debug!(failure = %Failure::of(&reply), "a scroll stays open"),
            Err(error) => tracing::debug!(%error, "a scroll stays open"),
        }
    }

    /// An index that is gone holds nothing; everything else is an error.
    fn refused(&self, reply: &Reply) -> Result<()> {
        let failure = Failure::of(reply);
        match failure.class() {
            Class::NoIndex => Ok(()),
            // The server has lost the place in the scroll: it restarted, or nobody took pages for too long.
            Class::Bad if failure.status == 404 => Err(self.unread(Code::Interrupted).cause(failure)),
            _ => Err(failure.error(self.what(), Code::SearchQuery)),
        }
    }

    fn what(&self) -> String {
        format!("{}: the documents of {} cannot be walked", self.client.name(), self.target)
    }

    fn unread(&self, code: Code) -> Error {
        Error::new(code, self.what())
    }

    fn partial(&self) -> Error {
        self.unread(Code::Interrupted).cause("not all shards answered")
    }
}
