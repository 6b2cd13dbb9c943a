//! The search: FTS5's own syntax over all text of the documents, best first, per index.

use syncline_engine::error::{Code, Kind};
use syncline_engine::route::TargetKind;
use syncline_engine::sink::{Delivery, Sink};

use super::{SqliteSink, apply, at, delivery, look, plan, ready, sink};

async fn filled(path: &std::path::Path) -> SqliteSink {
    let sink = ready(path).await;
    let plan = plan(TargetKind::Search, None);
    let put = |index: &str, id: &str, document: &str| Delivery {
        address: syncline_engine::sink::Address { target: index.into(), id: id.into() },
        ..delivery(&plan, id, at(1), Some(document))
    };
    let documents = [
        put("cases-2026-01", "1", r#"{"id":1,"title":"A red bicycle","photo":"cmVk","n":7}"#),
        put(
            "cases-2026-02",
            "2",
            r#"{"id":2,"title":"red red red","tags":["Café",{"deep":"nested word"}],"x":null}"#,
        ),
        put("other", "3", r#"{"id":3,"title":"red elsewhere","big":123456789012345678901234567890}"#),
        put("cases-2026-02", "4", r#"{"id":4,"title":"nothing here"}"#),
    ];
    assert_eq!(apply(&sink, &documents).await, ["applied"; 4]);
    sink
}

async fn ids(sink: &SqliteSink, index: &str, query: &str) -> Vec<String> {
    sink.search(index, query, 10).await.unwrap().into_iter().map(|hit| hit.id).collect()
}

#[tokio::test]
async fn queries_find_words_phrases_and_prefixes_best_first() {
    let folder = tempfile::tempdir().unwrap();
    let sink = filled(&folder.path().join("t.db")).await;
    assert_eq!(ids(&sink, "cases-*", "red").await, ["2", "1"]);
    assert_eq!(ids(&sink, "cases-2026-01", "red").await, ["1"]);
    assert_eq!(ids(&sink, "cases-*", "bic* OR cafe").await.len(), 2, "prefixes, and accents do not matter");
    assert_eq!(ids(&sink, "cases-*", "\"nested word\"").await, ["2"]);
    assert_eq!(ids(&sink, "cases-*", "red NOT bicycle").await, ["2"]);
    for nothing in ["cmVk", "title", "deep", "7", "123456789012345678901234567890"] {
        assert!(ids(&sink, "*", nothing).await.is_empty(), "{nothing}: bytes, names and numbers are no text");
    }
    let best = sink.search("cases-*", "red", 1).await.unwrap();
    assert_eq!(best.len(), 1);
    assert!(best[0].score > 0.0);
    assert!(best[0].document.get().contains(r#""title":"red red red""#));
}

#[tokio::test]
async fn changed_and_deleted_documents_are_found_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let sink = filled(&folder.path().join("t.db")).await;
    let plan = plan(TargetKind::Search, None);
    let put = |document: Option<&str>, version| Delivery {
        address: syncline_engine::sink::Address { target: "other".into(), id: "3".into() },
        ..delivery(&plan, "3", at(version), document)
    };
    apply(&sink, &[put(Some(r#"{"title":"green"}"#), 2)]).await;
    assert!(ids(&sink, "other", "red").await.is_empty());
    assert_eq!(ids(&sink, "other", "green").await, ["3"]);
    apply(&sink, &[put(None, 3)]).await;
    assert!(ids(&sink, "other", "green").await.is_empty());
}

#[tokio::test]
async fn a_bad_query_and_an_unknown_index_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let empty = sink(&path).search("t", "x", 1).await.err().unwrap();
    assert_eq!(empty.code(), Code::Unknown);
    assert!(!path.exists(), "a search makes no file");
    let sink = filled(&path).await;
    let error = sink.search("other", "\"open", 1).await.err().unwrap();
    assert_eq!((error.code(), error.kind()), (Code::SearchQuery, Kind::Command), "{error}");
    assert_eq!(sink.search("cases-[0-9]*", "red", 1).await.err().unwrap().code(), Code::Unknown);
    assert_eq!(ids(&sink, "other", "red").await, ["3"], "a bad query harms nothing");
}

#[tokio::test]
async fn the_file_is_laid_out_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let sink = filled(&path).await;
    for (kind, id) in [(TargetKind::Cache, "user:1"), (TargetKind::Document, "9")] {
        apply(&sink, &[delivery(&plan(kind, None), id, at(77), Some(r#"{"a":1}"#))]).await;
    }
    sink.close().await.unwrap();
    let c = look(&path);
    let row = |sql: &str| -> String { c.query_row(sql, [], |r| r.get(0)).unwrap() };
    assert_eq!(
        row("SELECT index_name || ' ' || version || ' ' || document FROM documents WHERE id = '4'"),
        format!("cases-2026-02 {} {}", at(1).get(), r#"{"id":4,"title":"nothing here"}"#)
    );
    let cached = format!("user:1 {{\"a\":1}} {}", at(77).get());
    assert_eq!(row("SELECT key || ' ' || value || ' ' || version FROM cache"), cached);
    let kept = format!("t 9 {{\"a\":1}} {}", at(77).get());
    assert_eq!(
        row("SELECT collection || ' ' || id || ' ' || document || ' ' || version FROM collections"),
        kept
    );
    assert_eq!(row("PRAGMA journal_mode"), "wal");
}
