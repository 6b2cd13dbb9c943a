//! What each item's answer becomes, on real servers.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use syncline_engine::error::{Code, Kind};
use syncline_engine::sink::{Body, Sink};
use syncline_engine::version::Version;

use super::{Bench, at, cause, code, on_each, words};
use crate::testing;
use crate::testing::stored;

#[tokio::test]
async fn versions_decide_and_replays_are_taken_again() {
    on_each(async |bench: Bench| {
        let first = [bench.put("a", 5, r#"{"n":1}"#), bench.put("b", 5, r#"{"n":1}"#), bench.del("never", 5)];
        assert_eq!(words(&bench.apply(&first).await), ["applied", "applied", "applied"]);
        assert_eq!(words(&bench.apply(&first).await), ["applied", "applied", "applied"], "a replay");
        let older = [bench.put("a", 4, r#"{"n":0}"#), bench.del("b", 4), bench.put("never", 4, "{}")];
        assert_eq!(words(&bench.apply(&older).await), ["superseded", "superseded", "superseded"]);
        let newer = [bench.put("a", 6, r#"{"n":2}"#), bench.del("b", 6), bench.put("never", 6, r#"{"n":3}"#)];
        assert_eq!(words(&bench.apply(&newer).await), ["applied", "applied", "applied"]);
        assert_eq!(bench.stored("a").await.as_deref(), Some(r#"{"n":2}"#));
        assert_eq!(bench.stored("b").await, None);
        assert_eq!(bench.stored("never").await.as_deref(), Some(r#"{"n":3}"#));
    })
    .await;
}

#[tokio::test]
async fn versions_are_exact_up_to_the_highest() {
    on_each(async |bench: Bench| {
        let highest = Version::new(1023, (1 << 21) - 1, u64::MAX);
        let second = Version::new(1023, (1 << 21) - 1, (1 << 32) - 2);
        let put = |id: &str, version| testing::document(&bench.plan, &bench.index, id, version, r#"{"v":1}"#);
        assert_eq!(highest, Version::MAX);
        let outcomes =
            bench.apply(&[put("max", highest), put("two", second), put("zero", Version::ZERO)]).await;
        assert_eq!(words(&outcomes), ["applied"; 3]);
        assert_eq!(
            words(&bench.apply(&[put("max", second), put("two", highest)]).await),
            ["superseded", "applied"]
        );
        let (_, found) = bench.ask(Method::GET, "/{}/_doc/max", Value::Null).await;
        assert_eq!(found["_version"], json!(i64::MAX));
    })
    .await;
}

#[tokio::test]
async fn one_bad_among_thousands_harms_only_itself() {
    on_each(async |bench: Bench| {
        let mut plan = bench.plan.spec.clone();
        plan.mapping.insert("strict".into(), json!({"type": "long"}));
        let bench = Bench { plan: testing::plan(plan), ..bench };
        let mut all: Vec<_> = (0..3000).map(|n| bench.put(&format!("r{n}"), 7, r#"{"strict":1}"#)).collect();
        all[1234] = bench.put("bad", 7, r#"{"strict":"no number"}"#);
        all[77] = bench.put("", 7, "{}");
        all[2000] = bench.put(&"x".repeat(513), 7, "{}");
        all[2001] = bench.put(&"é".repeat(256), 7, "{}");
        all[2500] = bench.put("two lines", 7, "{\n}");
        let outcomes = bench.apply(&all).await;
        let refused: Vec<usize> = (0..3000).filter(|n| words(&outcomes[*n..=*n]) != ["applied"]).collect();
        assert_eq!(refused, [77, 1234, 2000, 2500]);
        for at in refused {
            assert_eq!(code(&outcomes[at]), Code::SearchRefused);
        }
        assert!(cause(&outcomes[1234]).contains("[strict] of type [long]"), "{}", cause(&outcomes[1234]));
        bench.ask(Method::POST, "/{}/_refresh", Value::Null).await;
        let (_, counted) = bench.ask(Method::GET, "/{}/_count", Value::Null).await;
        assert_eq!(counted["count"], json!(2996));
    })
    .await;
}

#[tokio::test]
async fn documents_that_no_server_parses_are_refused_alone() {
    on_each(async |bench: Bench| {
        let bad =
            [r#"{"a":1,"a":2}"#, r#"{"a":"#, "[1]", "hello", "", r#"{"a":NaN}"#, r#"{"_id":1}"#, r#"{"":1}"#];
        let mut all: Vec<_> = bad.iter().enumerate().map(|(n, d)| bench.put(&n.to_string(), 1, d)).collect();
        all.push(bench.put("good", 1, r#"{"a":1}"#));
        let outcomes = bench.apply(&all).await;
        assert_eq!(words(&outcomes[..bad.len()]), vec!["refused"; bad.len()]);
        assert_eq!(words(&outcomes[bad.len()..]), ["applied"]);
    })
    .await;
}

#[tokio::test]
async fn strange_ids_are_addresses_like_any_other() {
    on_each(async |bench: Bench| {
        let long = "é".repeat(256);
        let ids = [
            ".",
            "..",
            "a/b?c#d%",
            "\u{0}\u{1}\n\"\\",
            " ",
            "_id",
            "日本",
            "😀",
            &long,
            "syncline:guard",
            "*",
        ];
        let put: Vec<_> =
            ids.iter().enumerate().map(|(n, id)| bench.put(id, 1, &format!("{{\"n\":{n}}}"))).collect();
        assert_eq!(words(&bench.apply(&put).await), vec!["applied"; ids.len()]);
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(bench.stored(id).await, Some(format!("{{\"n\":{n}}}")), "{id:?}");
        }
        let gone: Vec<_> = ids.iter().map(|id| bench.del(id, 2)).collect();
        assert_eq!(words(&bench.apply(&gone).await), vec!["applied"; ids.len()]);
        for id in ids {
            assert_eq!(bench.stored(id).await, None, "{id:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_higher_epoch_in_the_target_halts() {
    on_each(async |bench: Bench| {
        let ours = |id: &str| testing::document(&bench.plan, &bench.index, id, Version::new(1, 9, 9), "{}");
        let theirs = testing::document(&bench.plan, &bench.index, "x", Version::new(2, 0, 1), "{}");
        let gone = testing::absent(&bench.plan, &bench.index, "deleted", Version::new(2, 0, 1));
        assert_eq!(words(&bench.restarted().apply(&[theirs, gone]).await.unwrap()), ["applied", "applied"]);
        for id in ["x", "deleted"] {
            let error = bench.sink.apply(&[ours("fine"), ours(id)]).await.unwrap_err();
            assert_eq!((error.code(), error.kind()), (Code::SearchForeign, Kind::HaltPipeline), "{error}");
        }
        let same_epoch = testing::document(&bench.plan, &bench.index, "fine", Version::new(1, 9, 8), "{}");
        assert_eq!(words(&bench.apply(&[same_epoch]).await), ["superseded"]);
    })
    .await;
}

#[tokio::test]
async fn blocks_are_retried_and_lift() {
    on_each(async |bench: Bench| {
        bench.apply(&[bench.put("a", 1, "{}")]).await;
        for block in ["write", "read_only_allow_delete"] {
            let name = format!("index.blocks.{block}");
            bench.ask(Method::PUT, "/{}/_settings", json!({&name: true})).await;
            let outcomes = bench.apply(&[bench.put("a", 2, "{}"), bench.del("b", 2)]).await;
            assert_eq!(words(&outcomes), ["retry", "retry"], "{block}");
            assert_eq!((code(&outcomes[0]), code(&outcomes[1])), (Code::SearchBlocked, Code::SearchBlocked));
            let probe = bench.sink.probe().await.unwrap_err();
            assert_eq!((probe.code(), probe.kind()), (Code::SearchBlocked, Kind::Retry), "{probe}");
            bench.ask(Method::PUT, "/{}/_settings", json!({&name: null})).await;
            bench.sink.probe().await.unwrap();
            assert_eq!(words(&bench.apply(&[bench.put("a", 2, "{}")]).await), ["applied"]);
        }
        bench.ask(Method::POST, "/{}/_close", Value::Null).await;
        let outcomes = bench.apply(&[bench.put("a", 3, "{}")]).await;
        assert_eq!((words(&outcomes), code(&outcomes[0])), (vec!["retry"], Code::SearchBlocked));
        bench.ask(Method::POST, "/{}/_open?wait_for_active_shards=1", Value::Null).await;
        assert_eq!(words(&bench.apply(&[bench.put("a", 3, "{}")]).await), ["applied"]);
    })
    .await;
}

#[tokio::test]
async fn an_old_write_after_a_forgotten_delete_stays_away() {
    on_each(async |bench: Bench| {
        let mut spec = bench.plan.spec.clone();
        spec.settings.insert("index".into(), json!({"gc_deletes": "0s"}));
        let bench = Bench { plan: testing::plan(spec), ..bench };
        bench.apply(&[bench.put("a", 5, "{}"), bench.put("b", 5, "{}")]).await;
        bench.apply(&[bench.del("a", 6), bench.del("b", 6)]).await;
        // The server prunes deletes when it refreshes and its clock has moved.
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        bench.ask(Method::POST, "/{}/_refresh", Value::Null).await;
        assert_eq!(words(&bench.apply(&[bench.put("a", 5, "{}")]).await), ["superseded"]);
        assert_eq!(bench.stored("a").await, None);
        assert_eq!(words(&bench.apply(&[bench.put("a", 7, r#"{"n":7}"#)]).await), ["applied"]);
        // The proof that the server itself had forgotten: a sink without memory brings the document back.
        assert_eq!(words(&bench.restarted().apply(&[bench.put("b", 5, "{}")]).await.unwrap()), ["applied"]);
    })
    .await;
}

#[tokio::test]
async fn deletes_are_remembered_for_an_hour_by_the_server_itself() {
    on_each(async |bench: Bench| {
        bench.apply(&[bench.del("a", 6)]).await;
        let (_, settings) = bench.ask(Method::GET, "/{}/_settings?flat_settings=true", Value::Null).await;
        let settings = &settings[format!("{}-000001", bench.index)]["settings"];
        assert_eq!(settings["index.gc_deletes"], json!("1h"));
        assert_eq!(
            words(&bench.restarted().apply(&[bench.put("a", 5, "{}")]).await.unwrap()),
            ["superseded"]
        );
    })
    .await;
}

#[tokio::test]
async fn documents_come_back_byte_for_byte() {
    on_each(async |bench: Bench| {
        let document = r#"{"b":1.10,"a":0.1000,"c":18446744073709551616,"d":1e5,"e":"é\/\u0001","f":1.0000000000000000000001,"n":null}"#;
        assert_eq!(words(&bench.apply(&[bench.put("a", 1, document)]).await), ["applied"]);
        assert_eq!(bench.stored("a").await.as_deref(), Some(document));
        bench.ask(Method::POST, "/{}/_flush", Value::Null).await;
        assert_eq!(bench.stored("a").await.as_deref(), Some(document), "from the segment");
        let hits = bench.sink.search(&bench.index, "*", 10).await.unwrap();
        assert_eq!((hits.len(), hits[0].id.as_str(), hits[0].document.get()), (1, "a", document));
        assert_eq!(bench.stored("b").await, None);
    })
    .await;
}

#[tokio::test]
async fn a_line_is_never_taken_for_a_delete() {
    on_each(async |bench: Bench| {
        bench.apply(&[bench.put("a", 1, "{}")]).await;
        let mut line = bench.del("a", 2);
        line.body = Body::Line("{}".into());
        assert_eq!(words(&bench.apply(&[line]).await), ["refused"]);
        assert_eq!(bench.stored("a").await.as_deref(), Some("{}"));
    })
    .await;
}

#[tokio::test]
async fn several_targets_share_a_bulk_and_bad_names_harm_only_their_items() {
    on_each(async |bench: Bench| {
        let other = format!("{}-other", bench.index);
        let put = |target: &str, id: &str| testing::document(&bench.plan, target, id, at(1), "{}");
        let all = [
            put(&bench.index, "a"),
            put("Upper", "b"),
            put(&other, "c"),
            testing::absent(&bench.plan, &other, "d", at(1)),
            put("a*", "e"),
            put(&bench.index, "f"),
        ];
        let outcomes = bench.apply(&all).await;
        assert_eq!(words(&outcomes), ["applied", "refused", "applied", "applied", "refused", "applied"]);
        let names: Vec<Arc<str>> = [bench.index.as_str(), &other].map(Arc::from).to_vec();
        for (target, id) in names.iter().zip(["f", "c"]) {
            let address = syncline_engine::sink::Address { target: target.clone(), id: id.into() };
            assert!(stored(&bench.sink, &bench.plan, &address).await.is_some());
        }
        bench.ask(Method::DELETE, &format!("/{other}-000001"), Value::Null).await;
    })
    .await;
}
