//! What `check` and `probe` find: on real servers, and by the fake one for set-ups that tests must not give a server
//! which others use.

use reqwest::Method;
use serde_json::json;
use syncline_engine::error::{Code, Error, Kind};
use syncline_engine::route::{PipelineSpec, TransformAction, TransformSpec};
use syncline_engine::sink::Sink;

use super::fake::Fake;
use super::{Bench, connection, on_each};
use crate::search::SearchSink;
use crate::testing;

/// A pipeline with one target, changed by the test.
fn pipeline(bench: &Bench, change: impl FnOnce(&mut PipelineSpec)) -> PipelineSpec {
    let mut pipeline = testing::pipeline("shop", vec![(*bench.plan.route).clone()]);
    change(&mut pipeline);
    pipeline
}

async fn findings(url: &str, pipeline: &PipelineSpec) -> Vec<Error> {
    SearchSink::new(&connection(url), pipeline).unwrap().check().await.unwrap()
}

fn codes(findings: &[Error]) -> Vec<Code> {
    findings.iter().map(Error::code).collect()
}

#[tokio::test]
async fn nothing_is_found_where_all_is_well_and_nothing_is_changed() {
    on_each(async |bench: Bench| {
        let all = pipeline(&bench, |_| ());
        assert_eq!(codes(&findings(&bench.url, &all).await), []);
        assert_eq!(
            bench.ask(Method::GET, "/{}*", serde_json::Value::Null).await.1,
            json!({}),
            "check made something"
        );
        bench.apply(&[bench.put("a", 1, "{}")]).await;
        assert_eq!(codes(&findings(&bench.url, &all).await), []);
        bench.ask(Method::POST, "/{}/_refresh", serde_json::Value::Null).await;
        assert_eq!(bench.ask(Method::GET, "/{}/_count", serde_json::Value::Null).await.1["count"], json!(1));
    })
    .await;
}

#[tokio::test]
async fn every_finding_is_told_at_once() {
    on_each(async |bench: Bench| {
        bench.ask(Method::PUT, "/{}", json!({})).await;
        let bad = pipeline(&bench, |pipeline| {
            let route = &mut pipeline.routes[0];
            let action = TransformAction::Text { analyzer: Some("klingon".into()) };
            route.transforms.push(TransformSpec { field: "title".into(), action });
            let mut named = route.targets[0].clone();
            named.template = "Upper_{YYYY}".into();
            let mut elsewhere = named.clone();
            elsewhere.connection = "other".into();
            route.targets.extend([named, elsewhere]);
        });
        let found = findings(&bench.url, &bad).await;
        assert_eq!(codes(&found), [Code::SearchAnalyzer, Code::SearchIndex, Code::SearchName], "{found:?}");
        assert!(found[0].message().contains("klingon") && found[1].fix_text().contains("DELETE /"));
    })
    .await;
}

#[tokio::test]
async fn a_blocked_index_is_found() {
    on_each(async |bench: Bench| {
        bench.apply(&[bench.put("a", 1, "{}")]).await;
        bench.ask(Method::PUT, "/{}/_settings", json!({"index.blocks.write": true})).await;
        let found = findings(&bench.url, &pipeline(&bench, |_| ())).await;
        assert_eq!(codes(&found), [Code::SearchBlocked], "{found:?}");
        assert!(found[0].to_string().contains("index write (api)"), "{}", found[0]);
    })
    .await;
}

#[tokio::test]
async fn servers_that_nobody_reaches_are_one_finding() {
    let bench = Bench::new("opensearch://127.0.0.1:1");
    assert_eq!(codes(&findings(&bench.url, &pipeline(&bench, |_| ())).await), [Code::Unreachable]);
}

#[tokio::test]
async fn fake_servers_of_other_kinds_are_told_apart() {
    let cases = [
        (r#"{"version":{"number":"7.9.3"}}"#, Some(Code::SearchVersion)),
        (r#"{"version":{"number":"6.8.0"}}"#, Some(Code::SearchVersion)),
        (r#"{"version":{"number":"banana"}}"#, Some(Code::SearchVersion)),
        ("<html>It works!</html>", Some(Code::SearchVersion)),
        (
            r#"{"error":{"type":"security_exception","reason":"missing authentication"}}"#,
            Some(Code::SearchDenied),
        ),
        (r#"{"version":{"number":"7.10.2"}}"#, None),
        (r#"{"version":{"number":"9.2.1-SNAPSHOT"}}"#, None),
        (r#"{"version":{"number":"1.0.0","distribution":"opensearch"}}"#, None),
    ];
    for (root, expected) in cases {
        let fake = Fake::pages(vec![("GET / ", root)]).await;
        let bench = Bench::new(&fake.url);
        let probed = bench.sink.probe().await.err().map(|e| e.code());
        assert_eq!(probed, expected, "{root}");
        assert_eq!(
            codes(&findings(&fake.url, &pipeline(&bench, |_| ())).await),
            Vec::from_iter(expected),
            "{root}"
        );
    }
}

#[tokio::test]
async fn fake_blocks_of_a_cluster_and_lacking_privileges_are_found() {
    let fake = Fake::pages(vec![
        ("GET /_cluster/settings", r#"{"persistent":{"cluster.blocks.read_only_allow_delete":"true"},"transient":{}}"#),
        (
            "POST /_security/user/_has_privileges",
            r#"{"has_all_requested":false,"index":{"x":{"create_index":false,"index":true},"x-000001":{"delete":false}}}"#,
        ),
    ])
    .await;
    let bench = Bench::new(&fake.url);
    let found = findings(&fake.url, &pipeline(&bench, |_| ())).await;
    assert_eq!(codes(&found), [Code::SearchBlocked, Code::SearchDenied], "{found:?}");
    assert!(found[0].fix_text().contains("read_only_allow_delete"), "{}", found[0].fix_text());
    assert!(found[1].message().ends_with("create_index, delete"), "{}", found[1].message());
}

/// Elasticsearch runs with security, and a user `limited` there may write into `allowed*` only.
#[tokio::test]
async fn users_and_privileges_are_told_from_other_failures() {
    let url = testing::server("ELASTICSEARCH").replacen("http://", "opensearch://", 1);
    let url = url.replacen("everything:every-password@", "limited:limited-password@", 1);
    let with = |url: &str, index: &str| {
        let mut spec = testing::target(syncline_engine::route::TargetKind::Search, "search", index);
        spec.settings.insert("number_of_replicas".into(), json!(0));
        let mut bench = Bench::new(url);
        bench.plan = testing::plan(spec);
        bench.index = index.into();
        bench
    };
    let allowed = with(&url, &testing::unique("allowed-"));
    allowed.sink.probe().await.unwrap();
    assert_eq!(codes(&findings(&url, &pipeline(&allowed, |_| ())).await), []);
    assert_eq!(super::words(&allowed.apply(&[allowed.put("a", 1, "{}")]).await), ["applied"]);
    let denied = with(&url, "forbidden");
    let error = denied.sink.apply(&[denied.put("a", 1, "{}")]).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::SearchDenied, Kind::Retry), "{error}");
    assert!(codes(&findings(&url, &pipeline(&denied, |_| ())).await).contains(&Code::SearchDenied));
    let wrong = url.replace('@', "wrong@");
    let error = with(&wrong, "forbidden").sink.probe().await.unwrap_err();
    assert_eq!(error.code(), Code::SearchDenied, "{error}");
    assert!(!error.to_string().contains("wrong"));
    assert_eq!(allowed.ask(Method::DELETE, "/{}-000001", serde_json::Value::Null).await.0, 200);
}
