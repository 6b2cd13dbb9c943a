//! Indices, aliases and mappings, on real servers.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use syncline_engine::error::{Code, Kind};
use syncline_engine::mark::Marks;
use syncline_engine::schema::{Column, ColumnKind, TableSchema};
use syncline_engine::sink::Sink;

use super::{Bench, on_each, with_schema, words};
use crate::testing;

fn schema(columns: &[(&str, ColumnKind)]) -> Arc<TableSchema> {
    let column = |(name, kind): &(&str, ColumnKind)| Column {
        name: (*name).into(),
        kind: kind.clone(),
        nullable: true,
    };
    Arc::new(TableSchema::new("shop", "orders", columns.iter().map(column).collect(), vec![0]))
}

const INT: ColumnKind = ColumnKind::Integer { bits: 32, unsigned: false };

#[tokio::test]
async fn an_index_is_an_alias_from_the_first_day() {
    on_each(async |bench: Bench| {
        bench.sink.probe().await.unwrap();
        bench.sink.prepare(&bench.plan, &schema(&[("id", INT)])).await.unwrap();
        let (status, found) = bench.ask(Method::GET, "/{}/_alias", Value::Null).await;
        assert_eq!(status, 200);
        let backing = format!("{}-000001", bench.index);
        assert_eq!(found, json!({&backing: {"aliases": {&bench.index: {"is_write_index": true}}}}));
        let mapping = bench.mapping().await;
        assert_eq!(mapping["dynamic"], json!("false"));
        assert_eq!(mapping["_meta"], json!({"syncline": {"epochs": {"shop": 0}}}));
        assert_eq!(words(&bench.apply(&[bench.put("1", 1, r#"{"id":1}"#)]).await), ["applied"]);
    })
    .await;
}

#[tokio::test]
async fn the_epoch_stands_in_the_index_before_its_first_document() {
    on_each(async |bench: Bench| {
        for epoch in [3, 3, 5] {
            let version = syncline_engine::version::Version::new(epoch, 1, 1);
            bench.apply(&[testing::document(&bench.plan, &bench.index, "1", version, "{}")]).await;
            assert_eq!(bench.mapping().await["_meta"], json!({"syncline": {"epochs": {"shop": epoch}}}));
        }
        let body = json!({"_meta": {"owner": "us", "syncline": {"epochs": {"other": 9, "shop": 5}}}});
        bench.ask(Method::PUT, "/{}/_mapping", body).await;
        let version = syncline_engine::version::Version::new(6, 1, 1);
        let later = bench.restarted();
        later.apply(&[testing::document(&bench.plan, &bench.index, "1", version, "{}")]).await.unwrap();
        let both = json!({"owner": "us", "syncline": {"epochs": {"other": 9, "shop": 6}}});
        assert_eq!(bench.mapping().await["_meta"], both);
    })
    .await;
}

#[tokio::test]
async fn an_index_that_was_made_again_has_another_mark() {
    on_each(async |bench: Bench| {
        let none = Marks::default();
        assert_eq!(bench.sink.marks(&none).await.unwrap(), none, "nothing is written yet");
        bench.apply(&[bench.put("1", 1, r#"{"id":1}"#)]).await;
        let shown = bench.sink.acknowledged();
        let index = format!("{}-000001", bench.index);
        assert_eq!(shown.0[&index].target.as_ref(), Some(&bench.index));
        let first = bench.restarted().marks(&none).await.unwrap();
        assert_eq!(first, shown, "the write has shown what is there");
        bench.apply(&[bench.put("2", 2, r#"{"id":2}"#)]).await;
        assert_eq!(bench.sink.marks(&first).await.unwrap(), first, "writes change nothing");
        bench.ask(Method::DELETE, "/{}-000001", Value::Null).await;
        assert_eq!(bench.sink.marks(&first).await.unwrap(), none);
        // Made again by the write that finds it gone, which knows it at once.
        assert_eq!(words(&bench.apply(&[bench.put("3", 3, r#"{"id":3}"#)]).await), ["applied"]);
        let again = bench.sink.acknowledged();
        assert_eq!(first.lost(&again).map(|(name, _)| name).collect::<Vec<_>>(), [index]);
        assert_eq!(bench.sink.marks(&again).await.unwrap(), again);
    })
    .await;
}

#[tokio::test]
async fn a_new_column_extends_the_mapping_and_leaves_the_rest() {
    on_each(async |bench: Bench| {
        let old = schema(&[("id", INT), ("a", INT)]);
        bench.sink.prepare(&bench.plan, &old).await.unwrap();
        bench.apply(&[with_schema(bench.put("1", 1, r#"{"id":1,"a":2}"#), &old)]).await;
        let new = schema(&[("id", INT), ("a", ColumnKind::Text { length: None }), ("b.c", ColumnKind::Date)]);
        bench.sink.prepare(&bench.plan, &new).await.unwrap();
        let mapping = bench.mapping().await;
        assert_eq!(mapping["properties"]["a"]["type"], json!("long"), "a mapped field keeps its mapping");
        assert_eq!(mapping["properties"]["b"]["properties"]["c"]["type"], json!("date"));
        let outcome =
            bench.apply(&[with_schema(bench.put("1", 2, r#"{"id":1,"a":"x","b.c":null}"#), &new)]).await;
        assert_eq!(words(&outcome), ["applied"], "text in a field mapped as number is kept");
        // Also by a process that finds the index made.
        let newest = schema(&[("id", INT), ("b.c", ColumnKind::Date), ("d", ColumnKind::Time { digits: 0 })]);
        let delivery = with_schema(bench.put("1", 3, r#"{"id":1,"d":"00:00:00"}"#), &newest);
        assert_eq!(words(&bench.restarted().apply(&[delivery]).await.unwrap()), ["applied"]);
        assert_eq!(bench.mapping().await["properties"]["d"]["type"], json!("keyword"));
    })
    .await;
}

#[tokio::test]
async fn a_plain_index_of_that_name_is_told_with_the_cure() {
    on_each(async |bench: Bench| {
        bench.ask(Method::PUT, "/{}", json!({})).await;
        for error in [
            bench.sink.prepare(&bench.plan, &schema(&[("id", INT)])).await.unwrap_err(),
            bench.sink.apply(&[bench.put("1", 1, "{}")]).await.unwrap_err(),
        ] {
            assert_eq!((error.code(), error.kind()), (Code::SearchIndex, Kind::HaltPipeline));
            assert!(error.fix_text().contains("DELETE /"), "{}", error.fix_text());
        }
        let (_, counted) = bench.ask(Method::GET, "/{}/_count", Value::Null).await;
        assert_eq!(counted["count"], json!(0));
    })
    .await;
}

#[tokio::test]
async fn an_index_that_lost_its_alias_is_told_with_the_cure() {
    on_each(async |bench: Bench| {
        bench.apply(&[bench.put("1", 1, "{}")]).await;
        bench.ask(Method::DELETE, "/{}-000001/_alias/{}", Value::Null).await;
        let error = bench.sink.apply(&[bench.put("1", 2, "{}")]).await.unwrap_err();
        assert_eq!(error.code(), Code::SearchIndex, "{error}");
        assert!(error.fix_text().contains("/_alias/"), "{}", error.fix_text());
        // Not even by a delete, which would make a plain index of the alias's name.
        bench.restarted().apply(&[bench.del("1", 2)]).await.unwrap_err();
        assert_eq!(bench.ask(Method::GET, "/{}", Value::Null).await.0, 404);
    })
    .await;
}

#[tokio::test]
async fn an_index_deleted_behind_us_is_made_again_as_ours() {
    on_each(async |bench: Bench| {
        bench.apply(&[bench.put("1", 1, "{}")]).await;
        for delivery in [bench.put("1", 2, r#"{"n":2}"#), bench.del("1", 3)] {
            bench.ask(Method::DELETE, "/{}-000001", Value::Null).await;
            assert_eq!(words(&bench.apply(&[delivery]).await), ["applied"]);
            let mapping = bench.mapping().await;
            assert_eq!(mapping["dynamic"], json!("false"), "made by us, not by the server: {mapping}");
        }
    })
    .await;
}

#[tokio::test]
async fn many_at_once_make_one_index() {
    on_each(async |bench: Bench| {
        let sinks: Vec<_> = (0..6).map(|_| bench.restarted()).collect();
        let deliveries: Vec<_> = (0..6).map(|n| [bench.put(&n.to_string(), 1, "{}")]).collect();
        let calls = sinks.iter().zip(&deliveries).map(|(sink, delivery)| sink.apply(delivery));
        for outcomes in futures_util::future::join_all(calls).await {
            assert_eq!(words(&outcomes.unwrap()), ["applied"]);
        }
        let (_, found) = bench.ask(Method::GET, "/{}*", Value::Null).await;
        assert_eq!(found.as_object().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_alias_moved_to_the_next_index_is_followed() {
    on_each(async |bench: Bench| {
        bench.apply(&[bench.put("1", 1, "{}")]).await;
        let next = format!("{}-000002", bench.index);
        bench.ask(Method::PUT, &format!("/{next}"), json!({"mappings": {"dynamic": false}})).await;
        let swap = json!({"actions": [
            {"remove": {"index": format!("{}-000001", bench.index), "alias": bench.index}},
            {"add": {"index": next, "alias": bench.index, "is_write_index": true}},
        ]});
        assert_eq!(bench.ask(Method::POST, "/_aliases", swap).await.0, 200);
        assert_eq!(words(&bench.apply(&[bench.put("2", 1, "{}")]).await), ["applied"]);
        assert_eq!((bench.stored("1").await, bench.stored("2").await), (None, Some("{}".into())));
        let both = json!({"actions": [
            {"add": {"index": format!("{}-000001", bench.index), "alias": bench.index, "is_write_index": false}},
            {"add": {"index": next, "alias": bench.index, "is_write_index": false}},
        ]});
        assert_eq!(bench.ask(Method::POST, "/_aliases", both).await.0, 200);
        let error = bench.sink.apply(&[bench.put("3", 1, "{}")]).await.unwrap_err();
        assert_eq!((error.code(), error.kind()), (Code::SearchIndex, Kind::HaltPipeline), "{error}");
        bench.ask(Method::DELETE, &format!("/{next}"), Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn the_users_settings_and_mappings_win() {
    on_each(async |bench: Bench| {
        let mut spec = bench.plan.spec.clone();
        spec.settings.insert("index".into(), json!({"gc_deletes": "2h", "refresh_interval": "7s"}));
        spec.settings.insert("index.number_of_shards".into(), json!(2));
        spec.settings.insert(
            "analysis".into(),
            json!({"analyzer": {"mine": {"type": "standard", "stopwords": ["x"]}}}),
        );
        spec.mapping.insert("title".into(), json!({"type": "text", "analyzer": "mine"}));
        let bench = Bench { plan: testing::plan(spec), ..bench };
        bench.apply(&[bench.put("1", 1, r#"{"title":"x y"}"#)]).await;
        let (_, settings) = bench.ask(Method::GET, "/{}/_settings?flat_settings=true", Value::Null).await;
        let settings = &settings[format!("{}-000001", bench.index)]["settings"];
        assert_eq!(settings["index.gc_deletes"], json!("2h"));
        assert_eq!(settings["index.refresh_interval"], json!("7s"));
        assert_eq!(settings["index.number_of_shards"], json!("2"));
        assert_eq!(bench.mapping().await["properties"]["title"], json!({"type": "text", "analyzer": "mine"}));
        let found = async |query| bench.sink.search(&bench.index, query, 5).await.unwrap().len();
        assert_eq!((found("title:x").await, found("title:y").await), (0, 1));
    })
    .await;
}

#[tokio::test]
async fn what_the_server_refuses_to_make_halts_with_its_words() {
    on_each(async |bench: Bench| {
        let refused = async |change: fn(&mut syncline_engine::route::TargetSpec)| {
            let mut spec = bench.plan.spec.clone();
            change(&mut spec);
            bench.sink.prepare(&testing::plan(spec), &schema(&[("id", INT)])).await.unwrap_err()
        };
        let error = refused(|spec| drop(spec.settings.insert("bogus".into(), json!(1)))).await;
        assert_eq!(error.code(), Code::SearchIndex);
        assert!(error.to_string().contains("index.bogus"), "{error}");
        let analyzer = |spec: &mut syncline_engine::route::TargetSpec| {
            spec.mapping.insert("a".into(), json!({"type": "text", "analyzer": "nope"}));
        };
        assert_eq!(refused(analyzer).await.code(), Code::SearchAnalyzer);
        let names: Vec<String> = (0..1001).map(|n| format!("c{n}")).collect();
        let many: Vec<_> = names.iter().map(|n| (n.as_str(), INT)).collect();
        let error = bench.sink.prepare(&bench.plan, &schema(&many)).await.unwrap_err();
        assert!(error.fix_text().contains("mapping.total_fields.limit"), "{error}");
    })
    .await;
}
