//! Tables that were emptied or could not be captured for a while, through a whole pipeline: in the end their targets hold
//! exactly the rows that the server has, and the tables beside them are untouched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use syncline_connectors::connection::{ConnectionOptions, ConnectionSpec};
use syncline_connectors::registry;
use syncline_engine::ledger::TableState;
use syncline_engine::pipeline::{BackfillRequest, Phases, PipelineHandle, PipelineParts, spawn};
use syncline_engine::route::{RouteTable, Scope, TargetKind, TargetSpec};
use syncline_engine::sink::{Address, Look, Sink};
use syncline_engine::version::Version;
use tokio::sync::mpsc;

use crate::support::{ALL, Shop};

const DOCUMENTS: &str = "documents";
const LAKE: &str = "lake";
/// No test has a row beyond.
const IDS: std::ops::Range<u64> = 0..200;

/// A shop whose tables go to a SQLite file, a search server, a cache and an archive with a folder a row.
struct Mirror {
    shop: Shop,
    connections: BTreeMap<&'static str, (ConnectionSpec, TargetKind)>,
    _folder: tempfile::TempDir,
}

impl Mirror {
    async fn open(flavour: &'static str) -> Mirror {
        let mut shop = Shop::open(flavour).await;
        let folder = tempfile::tempdir().unwrap();
        let server = |name: &str| std::env::var(format!("SYNCLINE_TEST_{name}")).unwrap();
        let file = format!("sqlite:{}", folder.path().join("documents.db").display());
        let search = server("OPENSEARCH").replace("http://", "opensearch://");
        let all = [
            (DOCUMENTS, file, TargetKind::Document, "{table}"),
            ("search", search, TargetKind::Search, "{database}_{table}"),
            ("hot", server("REDIS"), TargetKind::Cache, "{database}:{table}:{id}"),
            (
                LAKE,
                format!("file:{}", folder.path().join("lake").display()),
                TargetKind::Archive,
                "{table}/{id}",
            ),
        ];
        let mut connections = BTreeMap::new();
        for (name, url, kind, template) in all {
            let options = ConnectionOptions::default();
            connections.insert(name, (ConnectionSpec { name: name.into(), url, options }, kind));
            shop.spec.routes[0].targets.push(TargetSpec::new(name, kind, template));
        }
        Mirror { shop, connections, _folder: folder }
    }

    fn sinks(&self) -> BTreeMap<String, Arc<dyn Sink>> {
        let sink = |(name, (connection, kind)): (&&str, &(ConnectionSpec, TargetKind))| {
            (name.to_string(), registry::sink(connection, &self.shop.spec, &[*kind]).unwrap())
        };
        self.connections.iter().map(sink).collect()
    }

    async fn start(&self) -> PipelineHandle {
        let parts = PipelineParts {
            spec: self.shop.spec.clone(),
            source: self.shop.source(),
            sinks: self.sinks(),
            ledger: Arc::clone(&self.shop.ledger),
            phases: Phases::default(),
        };
        spawn(parts).await.unwrap()
    }

    /// Every target holds the rows of the table, and nothing else of it.
    async fn require_equal(&mut self, table: &str) {
        let keys: Vec<u64> = self.shop.writer.query(format!("SELECT id FROM {table}")).await.unwrap();
        self.require(table, &keys).await;
    }

    /// Every target holds these rows of the table, and nothing else of it.
    async fn require(&self, table: &str, keys: &[u64]) {
        let flavour = self.shop.flavour;
        let keys: BTreeSet<String> = keys.iter().map(u64::to_string).collect();
        let full = format!("{}.{table}", self.shop.database);
        let names: Vec<String> = self.connections.keys().map(|name| name.to_string()).collect();
        let routes = RouteTable::new(&self.shop.spec, &names).unwrap();
        for (name, sink) in self.sinks() {
            let (_, plan) = routes.targets_of(&full).find(|(at, _)| names[*at] == name).unwrap();
            let mut found = BTreeSet::new();
            if name == LAKE {
                for id in IDS.map(|id| id.to_string()) {
                    let address = Address { target: format!("{table}/{id}").into(), id: id.as_str().into() };
                    let held = sink.read(plan, &[address]).await.unwrap();
                    found.extend(held[0].is_some().then_some(id));
                }
                assert_eq!(found, keys, "{flavour}: {full} at {name}");
                continue;
            }
            let scope = Scope::new(plan, &full).unwrap();
            let (pages, mut held) = mpsc::channel(100);
            sink.scan(&scope, Look::Below(Version::MAX), &pages).await.unwrap();
            drop(pages);
            while let Some(page) = held.recv().await {
                let own = page.into_iter().filter(|held| scope.holds(&held.address));
                found.extend(own.map(|held| held.address.id.rsplit(':').next().unwrap().to_owned()));
            }
            assert_eq!(found, keys, "{flavour}: {full} at {name}");
        }
    }

    fn state(&self, handle: &PipelineHandle, table: &str) -> Option<TableState> {
        let full = format!("{}.{table}", self.shop.database);
        handle.status().tables.iter().find(|status| status.table == full).map(|status| status.state)
    }

    async fn until(&self, handle: &PipelineHandle, table: &str, state: TableState) {
        while self.state(handle, table) != Some(state) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn close(self, handle: PipelineHandle) {
        handle.stop();
        handle.ended().await;
        // A search server takes the longer to start the more indices are left behind.
        let url = std::env::var("SYNCLINE_TEST_OPENSEARCH").unwrap();
        let indices = format!("{url}/{}_*?expand_wildcards=all", self.shop.database);
        reqwest::Client::new().delete(indices).send().await.unwrap().error_for_status().unwrap();
        self.shop.close().await;
    }
}

async fn fill(mirror: &mut Mirror) {
    mirror
        .shop
        .run(&[
            "CREATE TABLE t (id INT PRIMARY KEY, n INT)",
            "CREATE TABLE u (id INT PRIMARY KEY, n INT)",
            "INSERT INTO t VALUES (1,1),(2,2),(3,3),(4,4),(5,5),(6,6),(7,7),(8,8)",
            "INSERT INTO u SELECT * FROM t",
        ])
        .await;
}

async fn stop(handle: PipelineHandle) {
    handle.stop();
    handle.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_table_is_emptied_in_its_targets_and_goes_on() {
    for flavour in ALL {
        let mut mirror = Mirror::open(flavour).await;
        fill(&mut mirror).await;
        let handle = mirror.start().await;
        handle.until_current().await.unwrap();
        mirror.shop.run(&["TRUNCATE TABLE t", "INSERT INTO t VALUES (3,33),(9,9)"]).await;
        handle.until_current().await.unwrap();
        mirror.require_equal("t").await;
        mirror.require_equal("u").await;
        // And the same while nobody looks.
        stop(handle).await;
        mirror
            .shop
            .run(&["INSERT INTO t VALUES (10,10)", "TRUNCATE TABLE t", "INSERT INTO t VALUES (11,1)"])
            .await;
        mirror.shop.run(&["TRUNCATE TABLE u"]).await;
        let handle = mirror.start().await;
        handle.until_current().await.unwrap();
        mirror.require_equal("t").await;
        mirror.require_equal("u").await;
        mirror.close(handle).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halted_table_is_equal_after_a_backfill() {
    for flavour in ALL {
        let mut mirror = Mirror::open(flavour).await;
        fill(&mut mirror).await;
        let handle = mirror.start().await;
        handle.until_current().await.unwrap();
        mirror
            .shop
            .run(&[
                "SET SESSION binlog_format = STATEMENT",
                "DELETE FROM t WHERE id < 3",
                "SET SESSION binlog_format = ROW",
                "DELETE FROM t WHERE id = 3",
                "UPDATE t SET id = id + 100 WHERE id > 6",
                "INSERT INTO u VALUES (9,9)",
            ])
            .await;
        mirror.until(&handle, "t", TableState::Halted).await;
        let table = format!("{}.t", mirror.shop.database);
        let request = BackfillRequest { tables: vec![table], sinks: Vec::new() };
        handle.backfill(&request).await.unwrap();
        mirror.shop.run(&["INSERT INTO t VALUES (50,5)", "DELETE FROM t WHERE id = 4"]).await;
        handle.until_current().await.unwrap();
        assert_ne!(mirror.state(&handle, "t"), Some(TableState::Halted), "{flavour}");
        mirror.require_equal("t").await;
        mirror.require_equal("u").await;
        mirror.close(handle).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_table_keeps_or_empties_its_targets_and_begins_anew() {
    for (flavour, delete) in ALL.iter().zip([false, true].into_iter().cycle()) {
        let mut mirror = Mirror::open(flavour).await;
        mirror.shop.spec.routes[0].on_drop_delete = delete;
        fill(&mut mirror).await;
        let handle = mirror.start().await;
        handle.until_current().await.unwrap();
        mirror.shop.run(&["DROP TABLE t", "DELETE FROM u WHERE id > 6"]).await;
        mirror.until(&handle, "t", TableState::Dropped).await;
        handle.until_current().await.unwrap();
        mirror.require("t", if delete { &[] } else { &[1, 2, 3, 4, 5, 6, 7, 8] }).await;
        mirror.require_equal("u").await;
        mirror
            .shop
            .run(&["CREATE TABLE t (id INT PRIMARY KEY, n INT)", "INSERT INTO t VALUES (2,0),(70,0)"])
            .await;
        mirror.until(&handle, "t", TableState::Ok).await;
        handle.until_current().await.unwrap();
        mirror.require("t", &[2, 70]).await;
        mirror.require_equal("u").await;
        mirror.close(handle).await;
    }
}
