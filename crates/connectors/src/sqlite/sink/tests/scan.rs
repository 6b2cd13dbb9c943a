//! Walking what a file holds: the three roles, names with placeholders, tombstones, lifetimes, rows of somebody else.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use syncline_engine::error::{Code, Kind};
use syncline_engine::route::{Scope, TargetKind, TargetSpec};
use syncline_engine::sink::{Address, Delivery, Held, Sink};
use syncline_engine::version::Version;

use super::{SqliteSink, at, ready, sink};
use crate::testing::{self, absent, document, read_whole, scanned, take_one_page, told, told_whole};

const KINDS: [TargetKind; 3] = [TargetKind::Search, TargetKind::Cache, TargetKind::Document];

fn scope(kind: TargetKind, template: &str) -> Scope {
    testing::scope(testing::target(kind, "target", template))
}

async fn applied(sink: &SqliteSink, deliveries: &[Delivery]) {
    let outcomes = super::apply(sink, deliveries).await;
    assert!(outcomes.iter().all(|outcome| outcome == "applied"), "{outcomes:?}");
}

fn change(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test]
async fn documents_of_the_target_are_told_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let sink = ready(&path).await;
    for kind in [TargetKind::Search, TargetKind::Document] {
        let plan = testing::plan(testing::target(kind, "target", "t"));
        let put = |target: &str, id: &str, n| document(&plan, target, id, at(n), "{}");
        let gone = absent(&plan, "o_1", "gone", at(1));
        let all = [
            put("o_1", "a", 1),
            put("o_1", "b", 5),
            put("o_2", "a", 2),
            put("o?[1]", "a", 3),
            put("o*", "a", 4),
            gone,
        ];
        applied(&sink, &all).await;
        for (template, expected) in [
            ("o_1", &["o_1|a|1"][..]),
            ("o_{id}", &["o_1|a|1", "o_2|a|2"]),
            ("o?[{id}]", &["o?[1]|a|3"]),
            ("x{id}", &[]),
        ] {
            assert_eq!(told(&sink, &scope(kind, template), at(5)).await, expected, "{kind:?} {template}");
        }
        let all = told(&sink, &scope(kind, "o*"), Version::MAX).await;
        assert!(all.contains(&"o*|a|4".to_owned()), "a name that looks like a pattern: {all:?}");
    }
}

#[tokio::test]
async fn entries_of_a_cache_are_told_while_they_live() {
    let folder = tempfile::tempdir().unwrap();
    let sink = ready(&folder.path().join("t.db")).await;
    let lasting = testing::target(TargetKind::Cache, "target", "order:{id}");
    let brief = TargetSpec { ttl: Some(Duration::from_millis(1)), ..lasting.clone() };
    let hour = TargetSpec { ttl: Some(Duration::from_secs(3600)), ..lasting.clone() };
    let [lasting, brief, hour] = [lasting, brief, hour].map(testing::plan);
    let all = [
        document(&lasting, "", "order:1", at(1), "{}"),
        document(&hour, "", "order:2", at(2), "{}"),
        document(&brief, "", "order:3", at(3), "{}"),
        document(&lasting, "", "order:4", at(9), "{}"),
        document(&lasting, "", "orders:5", at(1), "{}"),
        absent(&lasting, "", "order:6", at(1)),
    ];
    applied(&sink, &all).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let found = told(&sink, &scope(TargetKind::Cache, "order:{id}"), at(9)).await;
    assert_eq!(found, ["|order:1|1", "|order:2|2"]);
}

#[tokio::test]
async fn many_documents_come_in_pages() {
    let folder = tempfile::tempdir().unwrap();
    let sink = ready(&folder.path().join("t.db")).await;
    for kind in KINDS {
        let (name, target) = match kind {
            TargetKind::Cache => ("{key}", ""),
            _ => ("t", "t"),
        };
        let plan = testing::plan(testing::target(kind, "target", name));
        let put = |n: u64| document(&plan, target, &format!("{n:04}"), at(1 + n % 9), "{}");
        let gone = |n: u64| absent(&plan, target, &format!("{n:04}"), at(20));
        applied(&sink, &(0..2700).map(put).collect::<Vec<_>>()).await;
        applied(&sink, &(0..1500).map(gone).collect::<Vec<_>>()).await;
        let more = |n: u64| document(&plan, target, &format!("{n:04}"), at(1 + n % 9), "{}");
        applied(&sink, &(2700..4200).map(more).collect::<Vec<_>>()).await;
        let scope = scope(kind, name);
        let pages = scanned(&sink, &scope, Version::MAX).await.unwrap();
        assert!(pages.len() >= 3, "{}", pages.len());
        let expected: Vec<String> =
            (1500..4200_u64).map(|n| format!("{target}|{n:04}|{}", 1 + n % 9)).collect();
        assert_eq!(told(&sink, &scope, at(10)).await, expected);
        let below: Vec<String> = expected.into_iter().filter(|word| word.ends_with("|1")).collect();
        assert_eq!(told(&sink, &scope, at(2)).await, below);
        take_one_page(&sink, &scope, at(10)).await;
    }
}

#[tokio::test]
async fn rows_of_somebody_else_have_no_version_or_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let sink = ready(&path).await;
    let sql = "INSERT INTO collections VALUES ('t', 'text', 'none', '{}'), ('t', 'negative', -1, '{}'),
                   ('t', 'half', 1.5, '{}'), ('t', x'ff00', 1, '{}'), ('t', 'ours', 9007199254740993, '{}')";
    change(&path, sql);
    let found = told(&sink, &scope(TargetKind::Document, "t"), at(2)).await;
    assert_eq!(found, ["t|half|0", "t|negative|0", "t|ours|1", "t|text|0"]);
}

#[tokio::test]
async fn a_file_or_table_that_is_not_there_holds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    for kind in KINDS {
        assert_eq!(told(&sink(&path), &scope(kind, "{key}"), at(9)).await, [""; 0]);
    }
    assert!(!path.exists(), "looking makes no file");
    change(&path, "CREATE TABLE cache (mine)");
    assert_eq!(told(&sink(&path), &scope(TargetKind::Document, "t"), at(9)).await, [""; 0]);
    let error = scanned(&sink(&path), &scope(TargetKind::Cache, "{key}"), at(9)).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::SqliteSinkLayout, Kind::Config), "{error}");
    std::fs::write(&path, "some text that is no database at all".repeat(100)).unwrap();
    let error = scanned(&sink(&path), &scope(TargetKind::Search, "t"), at(9)).await.unwrap_err();
    assert_eq!(error.code(), Code::SqliteSinkLayout, "{error}");
}

#[tokio::test]
async fn documents_are_told_whoever_wrote_them_and_can_be_displaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let sink = ready(&path).await;
    for (kind, table, columns) in [
        (TargetKind::Search, "documents", "(index_name, id, version, document) VALUES ('t', "),
        (TargetKind::Document, "collections", "(collection, id, version, document) VALUES ('t', "),
        (TargetKind::Cache, "cache", "(key, version, value) VALUES ("),
    ] {
        let (name, target) = if kind == TargetKind::Cache { ("{key}", "") } else { ("t", "t") };
        let plan = testing::plan(testing::target(kind, "target", name));
        applied(&sink, &[document(&plan, target, "a", at(7), r#"{"n":1.0}"#)]).await;
        applied(&sink, &[absent(&plan, target, "gone", at(4))]).await;
        change(&path, &format!("INSERT INTO {table} {columns} 'high', {}, '{{\"x\":1}}')", i64::MAX));
        change(&path, &format!("INSERT INTO {table} {columns} 'stray', -1, 'no object')"));
        let expected = [
            format!(r#"{target}|a|{}|{{"n":1.0}}"#, at(7).get()),
            format!(r#"{target}|high|{}|{{"x":1}}"#, i64::MAX),
            format!("{target}|stray|0|no object"),
        ];
        assert_eq!(told_whole(&sink, &scope(kind, name)).await, expected, "{kind:?}");
        let address = |id: &str| Address { target: target.into(), id: id.into() };
        let mut read = expected.to_vec();
        read.extend(["-", "-"].map(str::to_owned));
        let addresses = ["a", "high", "stray", "gone", "never"].map(address);
        assert_eq!(read_whole(&sink, &plan, &addresses).await, read, "{kind:?}");

        let held = |id: &str, version| Held { address: address(id), version, document: None };
        let some = [held("a", at(6)), held("high", Version::MAX), held("never", at(1))];
        assert_eq!(sink.displace(&plan, &some).await.unwrap(), [false, true, false], "{kind:?}");
        applied(&sink, &[document(&plan, target, "high", at(1), "{}")]).await;
        let found = read_whole(&sink, &plan, &[address("high")]).await;
        assert_eq!(found, [format!("{target}|high|{}|{{}}", at(1).get())], "{kind:?}");

        change(&path, &format!("UPDATE {table} SET version = {} WHERE version = {}", i64::MAX, at(4).get()));
        let addresses = ["a", "gone", "never"].map(address);
        let tombstones = sink.tombstones(&plan, &addresses).await.unwrap();
        assert_eq!(tombstones, [None, Some(Version::MAX), None], "{kind:?}");
        let some = [held("gone", at(4)), held("gone", Version::MAX)];
        assert_eq!(sink.displace(&plan, &some).await.unwrap(), [false, true], "{kind:?}");
        applied(&sink, &[document(&plan, target, "gone", at(2), "{}")]).await;
    }
}
