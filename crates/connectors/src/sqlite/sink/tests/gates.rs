//! The gate in the file: whatever comes in whatever order and however often, the newest version stands at the end.

use std::time::Duration;

use proptest::prelude::*;
use syncline_engine::error::{Code, Kind};
use syncline_engine::route::TargetKind;
use syncline_engine::sink::{Body, Sink};
use syncline_engine::version::Version;

use super::{apply, at, delivery, look, plan, read, ready};

const KINDS: [TargetKind; 3] = [TargetKind::Search, TargetKind::Cache, TargetKind::Document];

#[tokio::test]
async fn older_writes_are_refused_and_deletes_leave_a_tombstone() {
    let folder = tempfile::tempdir().unwrap();
    let sink = ready(&folder.path().join("t.db")).await;
    for kind in KINDS {
        let plan = plan(kind, None);
        let one =
            async |version, document| apply(&sink, &[delivery(&plan, "1", at(version), document)]).await;
        assert_eq!(one(5, Some(r#"{"a":5}"#)).await, ["applied"]);
        assert_eq!(one(4, Some(r#"{"a":4}"#)).await, ["superseded"]);
        assert_eq!(one(5, Some(r#"{"a":"5 again"}"#)).await, ["applied"], "the same version is taken again");
        assert_eq!(read(&sink, &plan, "1").await.unwrap(), r#"{"a":"5 again"}"#);
        assert_eq!(one(7, None).await, ["applied"]);
        assert_eq!(read(&sink, &plan, "1").await, None);
        assert_eq!(one(6, Some(r#"{"a":6}"#)).await, ["superseded"], "a tombstone refuses older writes");
        assert_eq!(one(6, None).await, ["superseded"]);
        assert_eq!(one(8, Some(r#"{"a":8}"#)).await, ["applied"]);
        assert_eq!(read(&sink, &plan, "1").await.unwrap(), r#"{"a":8}"#);
        assert_eq!(read(&sink, &plan, "2").await, None);
    }
}

#[tokio::test]
async fn a_higher_epoch_in_the_target_halts() {
    let folder = tempfile::tempdir().unwrap();
    let sink = ready(&folder.path().join("t.db")).await;
    for kind in KINDS {
        let plan = plan(kind, None);
        let foreign = delivery(&plan, "x", Version::from_number(2, 1), Some("{}"));
        assert_eq!(apply(&sink, &[foreign]).await, ["applied"]);
        let before = delivery(&plan, "before", at(900), Some("{}"));
        let ours = delivery(&plan, "x", at(900), Some("{}"));
        let error = sink.apply(&[before, ours]).await.unwrap_err();
        assert_eq!((error.code(), error.kind()), (Code::SqliteSinkForeign, Kind::HaltPipeline));
        assert_eq!(read(&sink, &plan, "before").await, None, "the call is one transaction");
    }
}

#[tokio::test]
async fn a_bad_item_harms_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let sink = ready(&folder.path().join("t.db")).await;
    let search = plan(TargetKind::Search, None);
    let good = |id: &str| delivery(&search, id, at(1), Some(r#"{"a":"fine"}"#));
    let broken = delivery(&search, "b", at(1), Some(r#"{"a":"#));
    let mut line = good("c");
    line.body = Body::Line(bytes::Bytes::from_static(b"{}"));
    let outcomes = apply(&sink, &[good("a"), broken, line, good("d")]).await;
    assert_eq!(outcomes, ["applied", "refused SYN-1901", "refused SYN-1901", "applied"]);
    let mut raw = delivery(&plan(TargetKind::Document, None), "e", at(1), Some(""));
    raw.body = Body::Document(bytes::Bytes::from_static(&[b'"', 0xff, b'"']));
    assert_eq!(apply(&sink, &[raw]).await, ["refused SYN-1901"]);
}

#[tokio::test]
async fn entries_with_a_lifetime_end_and_a_replay_does_not_lengthen_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let sink = ready(&path).await;
    let brief = plan(TargetKind::Cache, Some(Duration::from_millis(300)));
    let write = async |version| {
        assert_eq!(
            apply(&sink, &[delivery(&brief, "k", at(version), Some(r#"{"v":1}"#))]).await,
            ["applied"]
        );
    };
    let expires = || -> i64 {
        look(&path).query_row("SELECT expires_at FROM cache WHERE key = 'k'", [], |r| r.get(0)).unwrap()
    };
    write(1).await;
    let first = expires();
    assert!(read(&sink, &brief, "k").await.is_some());
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(read(&sink, &brief, "k").await, None, "its time is over");
    write(1).await;
    assert_eq!(expires(), first, "the same version again is no new life");
    assert_eq!(read(&sink, &brief, "k").await, None);
    write(2).await;
    assert!(expires() > first);
    assert!(read(&sink, &brief, "k").await.is_some());
}

#[tokio::test]
async fn what_expired_long_ago_is_removed_and_tombstones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let sink = ready(&path).await;
    let lasting = plan(TargetKind::Cache, None);
    let brief = plan(TargetKind::Cache, Some(Duration::from_millis(1)));
    apply(&sink, &[delivery(&brief, "old", at(1), Some("{}")), delivery(&lasting, "gone", at(1), None)])
        .await;
    apply(
        &sink,
        &[delivery(&brief, "new", at(1), Some("{}")), delivery(&lasting, "stays", at(1), Some("{}"))],
    )
    .await;
    sink.close().await.unwrap();
    let c = rusqlite::Connection::open(&path).unwrap();
    c.execute_batch("UPDATE cache SET expires_at = 1000 WHERE key = 'old'").unwrap();
    drop(c);
    let again = ready(&path).await;
    apply(&again, &[delivery(&lasting, "other", at(1), Some("{}"))]).await;
    let c = look(&path);
    let mut keys = c.prepare("SELECT key FROM cache ORDER BY key").unwrap();
    let keys: Vec<String> = keys.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(keys, ["gone", "new", "other", "stays"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_order_of_duplicates_ends_with_the_newest(
        writes in prop::collection::vec((0u8..4, 1u64..30, any::<bool>()), 1..60),
        kind in 0usize..3,
        calls in 1usize..6,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let sink = ready(&folder.path().join("t.db")).await;
            let plan = plan(KINDS[kind], None);
            // A version says what is written: the same at every replay.
            let body = |version: u64| (!version.is_multiple_of(3)).then(|| format!(r#"{{"text":"v{version}"}}"#));
            for call in writes.chunks(writes.len().div_ceil(calls)) {
                let one = |(id, version, _): &(u8, u64, bool)| {
                    delivery(&plan, &id.to_string(), at(*version), body(*version).as_deref())
                };
                let deliveries: Vec<_> = call.iter().map(one).collect();
                apply(&sink, &deliveries).await;
                if call[0].2 {
                    apply(&sink, &deliveries).await;
                }
            }
            for id in 0..4 {
                let newest = writes.iter().filter(|w| w.0 == id).map(|w| w.1).max();
                let expected = newest.and_then(body);
                assert_eq!(read(&sink, &plan, &id.to_string()).await, expected);
                if plan.spec.kind == TargetKind::Search && let Some(newest) = newest {
                    let found = sink.search("t", &format!("v{newest}"), 10).await.unwrap();
                    let found = found.iter().any(|hit| hit.id == id.to_string());
                    assert_eq!(found, newest % 3 > 0, "the text index goes with the document");
                }
            }
        });
    }
}
