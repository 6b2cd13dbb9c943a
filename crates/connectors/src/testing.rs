//! Deliveries made by hand, for the tests of sinks, and the addresses of the test servers.
//! No sink's own logic lives here, and nothing of it is in the program.

#![allow(dead_code)] // which parts are used depends on the features that are built

use std::sync::Arc;

use bytes::Bytes;
use syncline_engine::change::{CaptureBatch, Change, Operation, Origin};
use syncline_engine::error::Error;
use syncline_engine::position::Position;
use syncline_engine::route::{
    PipelineSpec, RouteSpec, Scope, SourceSpec, TargetKind, TargetPlan, TargetSpec,
};
use syncline_engine::row::{RowFormat, RowImage, RowVisitor};
use syncline_engine::schema::{Column, ColumnKind, TableSchema};
use syncline_engine::sink::{Address, Body, Counted, Delivery, Held, Look, Sink};
use syncline_engine::version::Version;
use tokio::sync::mpsc;

use crate::connection::{ConnectionOptions, ConnectionSpec};

/// The address of a test server, from `SYNCLINE_TEST_<name>`.
pub fn server(name: &str) -> String {
    let variable = format!("SYNCLINE_TEST_{name}");
    std::env::var(&variable).unwrap_or_else(|_| {
        panic!(
            "{variable} is not set: start the servers with tests/services/services.sh start all, \
             then eval \"$(tests/services/services.sh env)\""
        )
    })
}

/// Differs between any two calls, in any test process: for keys, indices and folders of one test.
pub fn unique(prefix: &str) -> String {
    use std::hash::{BuildHasher, Hasher};
    format!("{prefix}{:016x}", std::hash::RandomState::new().build_hasher().finish())
}

/// A connection with default options.
pub fn connection(name: &str, url: &str) -> ConnectionSpec {
    ConnectionSpec { name: name.into(), url: url.into(), options: ConnectionOptions::default() }
}

/// A target with nothing but the word it was given.
pub fn target(kind: TargetKind, connection: &str, template: &str) -> TargetSpec {
    TargetSpec::new(connection, kind, template)
}

/// A route of `shop.orders` to these targets.
pub fn route(targets: Vec<TargetSpec>) -> RouteSpec {
    RouteSpec::new("shop.orders", targets)
}

/// A pipeline with these routes.
pub fn pipeline(name: &str, routes: Vec<RouteSpec>) -> PipelineSpec {
    PipelineSpec::new(name, SourceSpec::new("shop", &["shop.*"]), routes)
}

/// The plan of a target that is alone in its route.
pub fn plan(spec: TargetSpec) -> Arc<TargetPlan> {
    let route = Arc::new(route(vec![spec.clone()]));
    Arc::new(TargetPlan { id: 0, label: spec.connection.clone(), route, spec })
}

/// A table with the key `id` and a text column.
pub fn schema(name: &str) -> TableSchema {
    let (database, table) = name.split_once('.').expect("a name is database.table");
    let column = |name: &str, kind, nullable| Column { name: name.into(), kind, nullable };
    let columns = vec![
        column("id", ColumnKind::Integer { bits: 64, unsigned: false }, false),
        column("title", ColumnKind::Text { length: None }, true),
    ];
    TableSchema::new(database, table, columns, vec![0])
}

/// The addresses that `shop.orders` can have at a target.
pub fn scope(target: TargetSpec) -> Scope {
    Scope::new(&plan(target), "shop.orders").expect("the templates can be read")
}

/// The pages that a sink tells of a scope, none of them too large.
pub async fn scanned(sink: &dyn Sink, scope: &Scope, below: Version) -> Result<Vec<Vec<Held>>, Error> {
    let (pages, mut taken) = mpsc::channel::<Vec<Held>>(1);
    let scan = async move { sink.scan(scope, Look::Below(below), &pages).await };
    let take = async {
        let mut all = Vec::new();
        while let Some(page) = taken.recv().await {
            assert!(!page.is_empty() && page.len() <= 1000, "a page of {}", page.len());
            assert!(page.iter().all(|held| held.version < below));
            all.push(page);
        }
        all
    };
    let (scanned, all) = tokio::join!(scan, take);
    scanned.map(|()| all)
}

/// `target|id|version` of all that a sink tells, in order and each once.
pub async fn told(sink: &dyn Sink, scope: &Scope, below: Version) -> Vec<String> {
    let pages = scanned(sink, scope, below).await.unwrap();
    let word = |held: &Held| format!("{}|{}|{}", held.address.target, held.address.id, held.version.offset());
    let mut words: Vec<String> = pages.iter().flatten().map(word).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// Takes one page and no more: the scan must end by itself, without an error.
pub async fn take_one_page(sink: &dyn Sink, scope: &Scope, below: Version) {
    let (pages, mut taken) = mpsc::channel(1);
    let take = async {
        let page: Option<Vec<Held>> = taken.recv().await;
        assert!(page.is_some_and(|page| !page.is_empty()));
        drop(taken);
    };
    let both = async { tokio::join!(sink.scan(scope, Look::Below(below), &pages), take).0 };
    let ended = tokio::time::timeout(std::time::Duration::from_secs(30), both).await;
    ended.expect("the scan ends").unwrap();
}

/// `target|id|version|document` of all that is told with documents, in order and each once.
pub async fn told_whole(sink: &dyn Sink, scope: &Scope) -> Vec<String> {
    let (pages, mut taken) = mpsc::channel::<Vec<Held>>(100);
    sink.scan(scope, Look::Documents, &pages).await.unwrap();
    drop(pages);
    let mut words = Vec::new();
    while let Some(page) = taken.recv().await {
        words.extend(page.iter().map(word));
    }
    words.sort_unstable();
    words.dedup();
    words
}

/// The same of what is at these addresses; `-` where nothing is.
pub async fn read_whole(sink: &dyn Sink, plan: &TargetPlan, addresses: &[Address]) -> Vec<String> {
    let found = sink.read(plan, addresses).await.unwrap();
    found.iter().map(|held| held.as_ref().map_or("-".to_owned(), word)).collect()
}

fn word(held: &Held) -> String {
    let document = held.document.as_ref().map_or("?".into(), |document| String::from_utf8_lossy(document));
    format!("{}|{}|{}|{document}", held.address.target, held.address.id, held.version.get())
}

/// The document at an address, whoever wrote it.
pub async fn stored(sink: &dyn Sink, plan: &TargetPlan, address: &Address) -> Option<Bytes> {
    let found = sink.read(plan, std::slice::from_ref(address)).await.unwrap();
    assert_eq!(found.len(), 1);
    found.into_iter().flatten().next().and_then(|held| held.document)
}

/// `{json}` at the address.
pub fn document(plan: &Arc<TargetPlan>, target: &str, id: &str, version: Version, json: &str) -> Delivery {
    let body = Body::Document(Bytes::copy_from_slice(json.as_bytes()));
    delivery(plan, (target, id), body, "shop.orders", Operation::Update, version)
}

/// Nothing at the address.
pub fn absent(plan: &Arc<TargetPlan>, target: &str, id: &str, version: Version) -> Delivery {
    delivery(plan, (target, id), Body::Absent, "shop.orders", Operation::Delete, version)
}

/// A change line for targets that keep them all.
pub fn line(
    plan: &Arc<TargetPlan>,
    target: &str,
    operation: Operation,
    version: Version,
    json: &str,
) -> Delivery {
    let body = Body::Line(Bytes::copy_from_slice(json.as_bytes()));
    delivery(plan, (target, ""), body, "shop.orders", operation, version)
}

/// Any delivery of any table.
pub fn delivery(
    plan: &Arc<TargetPlan>,
    (target, id): (&str, &str),
    body: Body,
    table: &str,
    operation: Operation,
    version: Version,
) -> Delivery {
    Delivery {
        plan: plan.clone(),
        address: Address { target: target.into(), id: id.into() },
        body,
        version,
        batch: Arc::new(batch(table, operation, version)),
        index: 0,
        counted: Counted::Delivery,
        coerced: 0,
    }
}

fn batch(table: &str, operation: Operation, version: Version) -> CaptureBatch {
    let image = RowImage { bytes: Bytes::new(), format: Arc::new(NoColumns) };
    let change = Change {
        schema: Arc::new(schema(table)),
        operation,
        before: (operation == Operation::Delete).then(|| image.clone()),
        after: (operation != Operation::Delete).then_some(image),
        version,
        before_version: version,
        offset: version.offset(),
        ordinal: 0,
        origin: Arc::new(Origin { server_id: 1, file: "test".into(), gtid: None, committed_at: 0 }),
    };
    CaptureBatch::at(Position::nowhere(version), vec![change])
}

struct NoColumns;

impl RowFormat for NoColumns {
    fn visit(&self, _image: &[u8], _visitor: &mut dyn RowVisitor) -> Result<(), Error> {
        Ok(())
    }
}
