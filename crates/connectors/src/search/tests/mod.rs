//! Tests of the search sink. Those of pure parts stand in `parts.rs`; the others run on real servers (OpenSearch 3 and
//! Elasticsearch 8, and OpenSearch 2 and Elasticsearch 7 where their variables are set), and on a fake HTTP server
//! only for answers that a real one cannot be made to give.

mod checks;
mod fake;
mod faults;
mod kinds;
mod manage;
mod order;
mod outcomes;
mod parts;
mod scan;
mod throughput;

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use syncline_engine::error::Code;
use syncline_engine::route::{TargetKind, TargetPlan};
use syncline_engine::schema::TableSchema;
use syncline_engine::sink::{Address, Delivery, Outcome, Sink};
use syncline_engine::version::Version;

use super::client::{Client, Payload};
use super::config::Config;
use super::names::in_path;
use super::sink::SearchSink;
use crate::connection::ConnectionSpec;
use crate::testing;
use crate::testing::stored;

/// One server, with a sink of a pipeline whose only target is an index of its own.
pub(super) struct Bench {
    pub url: String,
    pub client: Client,
    pub sink: SearchSink,
    pub plan: Arc<TargetPlan>,
    pub index: String,
}

/// The test servers' addresses as connections have them.
pub(super) fn urls() -> Vec<String> {
    let mut urls = vec![testing::server("OPENSEARCH"), testing::server("ELASTICSEARCH")];
    let others = ["OPENSEARCH2", "ELASTICSEARCH7"];
    urls.extend(others.iter().filter_map(|name| std::env::var(format!("SYNCLINE_TEST_{name}")).ok()));
    urls.iter().map(|url| url.replacen("http://", "opensearch://", 1)).collect()
}

/// `USER:PASSWORD@` (or nothing) and `HOST:PORT` of a server's address.
pub(super) fn authority(url: &str) -> (&str, &str) {
    let authority = url.rsplit('/').next().unwrap();
    authority.split_at(authority.find('@').map_or(0, |at| at + 1))
}

/// Runs a test on every server, each with a fresh index, which is deleted again if the test passes.
pub(super) async fn on_each(test: impl AsyncFn(Bench)) {
    for url in urls() {
        let bench = Bench::new(&url);
        let (index, client) = (bench.index.clone(), Client::new(&config(&url)).unwrap());
        eprintln!("on {url}, index {index}");
        test(bench).await;
        for name in [format!("{index}-000001"), index] {
            client.send(Method::DELETE, &format!("/{name}"), Payload::None).await.unwrap();
        }
    }
}

pub(super) fn config(url: &str) -> Config {
    Config::new(&connection(url)).unwrap()
}

pub(super) fn connection(url: &str) -> ConnectionSpec {
    testing::connection("search", url)
}

impl Bench {
    pub fn new(url: &str) -> Bench {
        let index = testing::unique("sl-test-");
        let mut target = testing::target(TargetKind::Search, "search", &index);
        target.settings.insert("number_of_replicas".into(), json!(0));
        let plan = testing::plan(target);
        let sink = sink(url, &plan);
        Bench { url: url.into(), client: Client::new(&config(url)).unwrap(), sink, plan, index }
    }

    /// Another sink of the same pipeline, as after a restart.
    pub fn restarted(&self) -> SearchSink {
        sink(&self.url, &self.plan)
    }

    pub fn put(&self, id: &str, version: u64, json: &str) -> Delivery {
        testing::document(&self.plan, &self.index, id, at(version), json)
    }

    pub fn del(&self, id: &str, version: u64) -> Delivery {
        testing::absent(&self.plan, &self.index, id, at(version))
    }

    pub async fn apply(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        let outcomes = self.sink.apply(deliveries).await.unwrap();
        assert_eq!(outcomes.len(), deliveries.len());
        outcomes
    }

    pub async fn stored(&self, id: &str) -> Option<String> {
        let address = Address { target: self.index.as_str().into(), id: id.into() };
        let bytes = stored(&self.sink, &self.plan, &address).await;
        bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// A plain request; the path may hold `{}` for the index.
    pub async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let payload = if body.is_null() { Payload::None } else { Payload::Json(body.to_string()) };
        let path = path.replace("{}", &in_path(&self.index));
        let reply = self.client.send(method, &path, payload).await.unwrap();
        (reply.status, serde_json::from_slice(&reply.body).unwrap_or(Value::Null))
    }

    pub async fn mapping(&self) -> Value {
        let (status, body) = self.ask(Method::GET, "/{}/_mapping", Value::Null).await;
        assert_eq!(status, 200, "{body}");
        body[format!("{}-000001", self.index)]["mappings"].clone()
    }
}

pub(super) fn sink(url: &str, plan: &TargetPlan) -> SearchSink {
    let pipeline = testing::pipeline("shop", vec![(*plan.route).clone()]);
    SearchSink::new(&connection(url), &pipeline).unwrap()
}

/// A version of epoch 0.
pub(super) fn at(number: u64) -> Version {
    Version::from_number(0, number)
}

/// Puts another schema under a delivery.
pub(super) fn with_schema(mut delivery: Delivery, schema: &Arc<TableSchema>) -> Delivery {
    Arc::get_mut(&mut delivery.batch).unwrap().changes[0].schema = schema.clone();
    delivery
}

/// Words for outcomes, so that tests compare lists.
pub(super) fn words(outcomes: &[Outcome]) -> Vec<&'static str> {
    outcomes.iter().map(word).collect()
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Applied => "applied",
        Outcome::Superseded => "superseded",
        Outcome::Retry(_) => "retry",
        Outcome::Refused(_) => "refused",
    }
}

pub(super) fn code(outcome: &Outcome) -> Code {
    match outcome {
        Outcome::Retry(error) | Outcome::Refused(error) => error.code(),
        other => panic!("{other:?} has no error"),
    }
}

/// The words of the error of an outcome.
pub(super) fn cause(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Retry(error) | Outcome::Refused(error) => error.to_string(),
        other => panic!("{other:?} has no error"),
    }
}
