//! The generations of an index: `X-000001`, `X-000002` and so on, one of which the alias `X` stands for. Looks them up,
//! lets the alias stand for another one, deletes one. What is written into them is the sink's.

use std::collections::BTreeMap;

use async_trait::async_trait;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use syncline_engine::error::{Code, Error, Result};

use super::client::{Client, Payload, Reply};
use super::config::Config;
use super::names::{in_path, valid_index_name};
use super::query::refresh;
use super::reply::{Class, Failure};
use crate::connection::ConnectionSpec;
use crate::registry::{Generation, Generations};

/// Those of one connection.
pub(crate) struct SearchGenerations {
    client: Client,
}

/// An index as it is asked for.
#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    aliases: Map<String, Value>,
    #[serde(default)]
    mappings: Value,
}

impl SearchGenerations {
    /// Connects to nothing yet.
    pub fn new(connection: &ConnectionSpec) -> Result<SearchGenerations> {
        Ok(SearchGenerations { client: Client::new(&Config::new(connection)?)? })
    }

    async fn ask(&self, path: &str, alias: &str) -> Result<BTreeMap<String, Index>> {
        let reply = self.client.send(Method::GET, path, Payload::None).await?;
        match reply.status {
            404 => Ok(BTreeMap::new()),
            200 => serde_json::from_slice(&reply.body).map_err(|error| {
                let what = format!("{}: the indices of {alias} cannot be looked at", self.client.name());
                Error::new(Code::Interrupted, what).cause(error)
            }),
            _ => Err(self.refused(&reply, &format!("the indices of {alias} cannot be looked at"))),
        }
    }

    fn refused(&self, reply: &Reply, what: &str) -> Error {
        Failure::of(reply).error(format!("{}: {what}", self.client.name()), Code::SearchQuery)
    }

    async fn aliases(&self, actions: &Value, what: &str) -> Result<()> {
        let body = json!({ "actions": actions }).to_string();
        let reply = self.client.send(Method::POST, "/_aliases", Payload::Json(body)).await?;
        match reply.status {
            200 => Ok(()),
            404 => Err(Error::new(Code::ResyncOver, format!("{}: {what}", self.client.name()))
                .cause(Failure::of(&reply))),
            _ => Err(self.refused(&reply, what)),
        }
    }

    async fn behind(&self, alias: &str) -> Result<BTreeMap<String, Index>> {
        let path = format!("/{}?filter_path=*.aliases,*.mappings._meta", in_path(alias));
        self.ask(&path, alias).await
    }
}

#[async_trait]
impl Generations for SearchGenerations {
    async fn look(&self, alias: &str) -> Result<Generation> {
        valid_index_name(alias)?;
        let behind = self.behind(alias).await?;
        let mut found = behind.iter().filter(|(_, index)| index.aliases.contains_key(alias));
        let (live, others) = (found.next(), found.next());
        let Some((live, index)) = live.filter(|_| others.is_none()) else {
            let what = format!("{}: {alias} is not an alias of one index", self.client.name());
            return Err(Error::new(Code::ResyncTarget, what));
        };
        let path = format!("/{}-*?filter_path=*.aliases", in_path(alias));
        let named = self.ask(&path, alias).await?;
        let highest = named.keys().filter_map(|name| number(name, alias)).max().unwrap_or(1);
        let writers = index.mappings.pointer("/_meta/syncline/epochs").and_then(Value::as_object);
        let writers = writers.map(|epochs| epochs.keys().cloned().collect()).unwrap_or_default();
        let next = format!("{alias}-{:06}", highest + 1);
        valid_index_name(&next)?;
        Ok(Generation { live: live.clone(), next, writers })
    }

    async fn live(&self, alias: &str) -> Result<Option<String>> {
        let behind = self.behind(alias).await?;
        Ok(behind.into_iter().find(|(_, index)| index.aliases.contains_key(alias)).map(|(name, _)| name))
    }

    async fn swap(&self, alias: &str, to: &str) -> Result<()> {
        // What searches find from now on is all that was acknowledged.
        refresh(&self.client, &in_path(to)).await;
        let live = self.behind(alias).await?.into_iter().filter(|(name, _)| name != to);
        let mut actions = Vec::new();
        for (from, index) in live {
            // Other names that people gave to the live index go with it.
            for (name, how) in index.aliases {
                actions.push(json!({ "remove": { "index": &from, "alias": &name } }));
                let mut add = json!({ "index": to, "alias": &name });
                if let (Some(add), Some(how)) = (add.as_object_mut(), how.as_object()) {
                    add.extend(how.clone());
                }
                actions.push(json!({ "add": add }));
            }
        }
        if actions.is_empty() {
            return Ok(());
        }
        // The name by which it was filled.
        for filled in
            self.behind(to).await?.into_values().flat_map(|index| index.aliases).map(|(name, _)| name)
        {
            actions.push(json!({ "remove": { "index": to, "alias": filled } }));
        }
        self.aliases(&Value::Array(actions), &format!("the alias {alias} cannot be moved to {to}")).await
    }

    async fn delete(&self, alias: &str, index: &str) -> Result<()> {
        if number(index, alias).is_none() || self.live(alias).await?.as_deref() == Some(index) {
            let what = format!(
                "{}: {index} is what {alias} stands for, or none of its generations",
                self.client.name()
            );
            return Err(Error::new(Code::ResyncTarget, what));
        }
        let path = format!("/{}", in_path(index));
        let reply = self.client.send(Method::DELETE, &path, Payload::None).await?;
        match reply.status {
            200 => Ok(()),
            _ if Failure::of(&reply).class() == Class::NoIndex => Ok(()),
            _ => Err(self.refused(&reply, &format!("the index {index} cannot be deleted"))),
        }
    }

    async fn name(&self, index: &str, name: &str) -> Result<()> {
        valid_index_name(name)?;
        let add = json!([{ "add": { "index": index, "alias": name, "is_write_index": true } }]);
        self.aliases(&add, &format!("{index} cannot be written to as {name}")).await
    }

    async fn unname(&self, index: &str, name: &str) -> Result<()> {
        let remove = json!([{ "remove": { "index": index, "alias": name } }]);
        match self.aliases(&remove, &format!("{index} cannot lose the name {name}")).await {
            Err(error) if error.code() == Code::ResyncOver => Ok(()),
            removed => removed,
        }
    }
}

/// Which generation of the alias an index is.
fn number(index: &str, alias: &str) -> Option<u32> {
    let digits = index.strip_prefix(alias)?.strip_prefix('-')?;
    (digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_numbered_is_a_generation() {
        assert_eq!(number("cases-000001", "cases"), Some(1));
        assert_eq!(number("cases-1000000", "cases"), Some(1_000_000));
        for other in ["cases", "cases-1", "cases-00000x", "cases_v1-000001", "cases--00001"] {
            assert_eq!(number(other, "cases"), None, "{other}");
        }
    }
}
