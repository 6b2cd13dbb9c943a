//! Trouble on the way: busy servers, bodies that are too large, lost replies, dead hosts. By the fake server where its
//! name is in the test, by real ones everywhere else.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use syncline_engine::error::{Code, Kind};
use syncline_engine::sink::{Delivery, Outcome, Sink};

use super::fake::{Answer, Fake, losing_replies};
use super::{Bench, code, connection, on_each, sink, urls, words};
use crate::search::SearchSink;
use crate::testing;

fn say(status: u16, body: Value) -> Answer {
    Answer::Say(status, body.to_string())
}

fn error(status: u16, kind: &str) -> Value {
    json!({"status": status, "error": {"type": kind, "reason": "because"}})
}

fn many(bench: &Bench, n: usize) -> Vec<Delivery> {
    (0..n).map(|n| bench.put(&n.to_string(), 1, r#"{"a":"some text"}"#)).collect()
}

#[tokio::test]
async fn fake_busy_items_are_retried_and_bulks_get_smaller_for_a_while() {
    let item = |status: u16, kind: &str| match kind {
        "" => json!({"index": {"status": status}}),
        kind => json!({"index": error(status, kind)}),
    };
    let mut items = vec![item(201, ""); 400];
    items[1] = item(429, "es_rejected_execution_exception");
    items[2] = item(503, "unavailable_shards_exception");
    items[3] = item(500, "node_not_connected_exception");
    items[4] = item(403, "security_exception");
    items[5] = item(429, "cluster_block_exception");
    items[6] = item(500, "null_pointer_exception");
    let fake = Fake::start([say(200, json!({"errors": true, "items": items}))], usize::MAX).await;
    let bench = Bench::new(&fake.url);
    let outcomes = bench.apply(&many(&bench, 400)).await;
    assert_eq!(
        words(&outcomes[..8]),
        ["applied", "retry", "retry", "retry", "retry", "retry", "refused", "applied"]
    );
    let codes: Vec<Code> = outcomes[1..7].iter().map(code).collect();
    let busy = Code::Overloaded;
    let expected =
        [busy, busy, Code::Interrupted, Code::SearchDenied, Code::SearchBlocked, Code::SearchRefused];
    assert_eq!(codes, expected);
    bench.apply(&many(&bench, 400)).await;
    assert_eq!(fake.bulks(), [400, 200, 200], "halved, and growing again by an eighth");
    for _ in 0..20 {
        bench.apply(&many(&bench, 400)).await;
    }
    assert_eq!(fake.bulks().last(), Some(&400));
}

#[tokio::test]
async fn fake_failures_of_a_whole_bulk_are_errors_of_the_call() {
    let cases = [
        (429, "circuit_breaking_exception", Code::Overloaded, Kind::Retry),
        (503, "", Code::Overloaded, Kind::Retry),
        (502, "", Code::Interrupted, Kind::Retry),
        (504, "", Code::Interrupted, Kind::Retry),
        (500, "whatever_exception", Code::Interrupted, Kind::Retry),
        (401, "security_exception", Code::SearchDenied, Kind::Retry),
        (403, "security_exception", Code::SearchDenied, Kind::Retry),
        (403, "cluster_block_exception", Code::SearchBlocked, Kind::Retry),
        (404, "", Code::SearchIndex, Kind::HaltPipeline),
    ];
    for (status, kind, code, leads_to) in cases {
        let fake = Fake::start([say(status, error(status, kind))], usize::MAX).await;
        let bench = Bench::new(&fake.url);
        let failed = bench.sink.apply(&many(&bench, 3)).await.unwrap_err();
        assert_eq!((failed.code(), failed.kind()), (code, leads_to), "{status} {kind}: {failed}");
        assert_eq!(words(&bench.apply(&many(&bench, 3)).await), ["applied"; 3]);
    }
}

#[tokio::test]
async fn fake_answers_that_make_no_sense_are_never_taken_for_success() {
    let short = json!({"errors": true, "items": [{"index": {"status": 201}}]});
    let partial = r#"{"errors":true,"items":[{"index":{"status":201}},"#.to_owned();
    let html = "<html>welcome to the hotel</html>".to_owned();
    for answer in [say(200, short), Answer::Say(200, partial), Answer::Say(200, html), Answer::Hang] {
        let fake = Fake::start([answer], usize::MAX).await;
        let bench = Bench::new(&fake.url);
        let failed = bench.sink.apply(&many(&bench, 3)).await.unwrap_err();
        assert_eq!((failed.code(), failed.kind()), (Code::Interrupted, Kind::Retry), "{failed}");
    }
}

#[tokio::test]
async fn fake_bodies_that_are_too_large_are_split_down_to_the_item() {
    let fake = Fake::start([], 100_000).await;
    let bench = Bench::new(&fake.url);
    let mut all = many(&bench, 3000);
    all[1500] = bench.put("large", 1, &format!("{{\"a\":\"{}\"}}", "x".repeat(150_000)));
    let outcomes = bench.apply(&all).await;
    let refused: Vec<usize> = (0..all.len()).filter(|n| words(&outcomes[*n..=*n]) != ["applied"]).collect();
    assert_eq!((refused, code(&outcomes[1500])), (vec![1500], Code::SearchTooLarge));
    let before = fake.bulks().len();
    bench.apply(&many(&bench, 3000)).await;
    let after = fake.bulks()[before..].to_vec();
    assert_eq!(
        after.iter().sum::<usize>(),
        3000,
        "nothing is tried in vain once the limit is known: {after:?}"
    );
}

#[tokio::test]
async fn fake_bad_lines_that_were_not_foreseen_are_found_by_halving() {
    let bad = || say(400, error(400, "action_request_validation_exception"));
    // All eight, the first four, the first two: then the first is alone, and everything else goes through.
    let fake = Fake::start([bad(), bad(), bad(), bad()], usize::MAX).await;
    let bench = Bench::new(&fake.url);
    let outcomes = bench.apply(&many(&bench, 8)).await;
    assert_eq!(fake.bulks(), [8, 4, 2, 1, 1, 2, 4]);
    assert_eq!(words(&outcomes[..2]), ["refused", "applied"]);
    let parameter = json!({"status": 400, "error": {"type": "illegal_argument_exception",
        "reason": "request [/_bulk] contains unrecognized parameter: [require_alias]"}});
    let fake = Fake::start([say(400, parameter)], usize::MAX).await;
    let bench = Bench::new(&fake.url);
    let failed = bench.sink.apply(&many(&bench, 8)).await.unwrap_err();
    assert_eq!((failed.kind(), fake.bulks().len()), (Kind::HaltPipeline, 1), "{failed}");
}

#[tokio::test]
async fn a_lost_reply_makes_the_retry_a_no_op() {
    for upstream in urls() {
        let direct = Bench::new(&upstream);
        let through = losing_replies(&upstream, &[0, 2]).await;
        let bench = Bench { sink: sink(&through, &direct.plan), ..direct };
        let first = [bench.put("a", 5, r#"{"n":5}"#), bench.del("b", 5)];
        let lost = bench.sink.apply(&first).await.unwrap_err();
        assert_eq!((lost.code(), lost.kind()), (Code::Interrupted, Kind::Retry), "{lost}");
        assert_eq!(bench.stored("a").await.as_deref(), Some(r#"{"n":5}"#), "it happened all the same");
        assert_eq!(words(&bench.apply(&first).await), ["applied", "applied"]);
        let second = [bench.del("a", 6), bench.put("b", 6, r#"{"n":6}"#)];
        bench.sink.apply(&second).await.unwrap_err();
        assert_eq!(words(&bench.apply(&second).await), ["applied", "applied"]);
        assert_eq!(words(&bench.apply(&first).await), ["superseded", "superseded"]);
        let (_, found) = bench.ask(Method::GET, "/{}/_doc/b", Value::Null).await;
        assert_eq!((found["_version"].as_u64(), bench.stored("a").await), (Some(6), None));
        bench.ask(Method::DELETE, "/{}-000001", Value::Null).await;
    }
}

#[tokio::test]
async fn a_request_over_the_servers_limit_is_refused_before_and_by_the_server() {
    on_each(async |bench: Bench| {
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(101 << 20));
        let all = [bench.put("large", 1, &large), bench.put("small", 1, "{}")];
        bench.sink.probe().await.unwrap();
        let outcomes = bench.apply(&all).await;
        assert_eq!(
            (words(&outcomes), code(&outcomes[0])),
            (vec!["refused", "applied"], Code::SearchTooLarge)
        );
        // As if its limit were not known: the server's own answer.
        let payload = super::Payload::Lines(format!("{{\"index\":{{}}}}\n{large}\n").into());
        let reply = bench.client.send(Method::POST, &format!("/{}/_bulk", bench.index), payload).await;
        assert_eq!(reply.map(|r| r.status).map_err(|e| e.to_string()), Ok(413));
    })
    .await;
}

#[tokio::test]
async fn dead_hosts_are_passed_over_and_none_is_unreachable() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in urls() {
        let (user, alive) = super::authority(&url);
        let bench = Bench::new(&format!("opensearch://{user}{closed},{alive}"));
        assert_eq!(words(&bench.apply(&[bench.put("a", 1, "{}")]).await), ["applied"]);
        bench.ask(Method::DELETE, "/{}-000001", Value::Null).await;
    }
    let nobody = Bench::new(&format!("opensearch://{closed}"));
    for error in [
        nobody.sink.probe().await.unwrap_err(),
        nobody.sink.ping().await.unwrap_err(),
        nobody.sink.apply(&many(&nobody, 1)).await.unwrap_err(),
    ] {
        assert_eq!((error.code(), error.kind()), (Code::Unreachable, Kind::Retry), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_on() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut connection = connection(&format!("opensearch://{}", silent.local_addr().unwrap()));
    connection.options.request_timeout = Duration::from_millis(300);
    let pipeline = testing::pipeline("shop", vec![]);
    let sink = SearchSink::new(&connection, &pipeline).unwrap();
    let error = tokio::time::timeout(Duration::from_secs(5), sink.probe()).await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::Interrupted, Kind::Retry), "{error}");
}

#[tokio::test]
async fn tls_to_a_server_without_it_is_the_configurations_fault() {
    let plain = urls()[0].clone();
    let pipeline = testing::pipeline("shop", vec![]);
    let sink = SearchSink::new(&connection(&format!("{plain}?tls=true")), &pipeline).unwrap();
    let error = sink.probe().await.unwrap_err();
    assert_eq!(error.code(), Code::Tls, "{error}");
}

#[tokio::test]
async fn compressed_bodies_are_understood() {
    for url in urls() {
        let direct = Bench::new(&url);
        let bench = Bench { sink: sink(&format!("{url}?compress=true"), &direct.plan), ..direct };
        let outcomes = bench.apply(&many(&bench, 500)).await;
        assert!(outcomes.iter().all(|o| matches!(o, Outcome::Applied)));
        assert!(bench.stored("499").await.is_some());
        bench.ask(Method::DELETE, "/{}-000001", Value::Null).await;
    }
}
