//! Walking what the servers hold: which indices belong to a target, versions, pages, scrolls that are left behind.
//! On real servers, but for answers of which the test's name says that they are a fake's.

use reqwest::Method;
use serde_json::{Value, json};
use syncline_engine::error::{Code, Kind};
use syncline_engine::route::{Scope, TargetKind, TargetSpec};
use syncline_engine::sink::{Address, Delivery, Held, Look, Sink};
use syncline_engine::version::Version;
use tokio::sync::mpsc;

use super::fake::Fake;
use super::{Bench, at, on_each, sink, words};
use crate::testing::{self, read_whole, scanned, take_one_page, told, told_whole};

/// An index target whose documents become visible by our own refresh only.
fn target(template: &str) -> TargetSpec {
    let mut target = testing::target(TargetKind::Search, "search", template);
    target.settings.insert("index".into(), json!({"number_of_replicas": 0, "refresh_interval": -1}));
    target
}

fn scope(template: &str) -> Scope {
    testing::scope(target(template))
}

async fn applied(bench: &Bench, deliveries: &[Delivery]) {
    assert!(words(&bench.apply(deliveries).await).iter().all(|word| *word == "applied"));
}

/// Open scrolls of an index.
async fn scrolls(bench: &Bench, index: &str) -> Value {
    let (_, stats) = bench.ask(Method::GET, &format!("/{index}/_stats/search"), Value::Null).await;
    stats["_all"]["total"]["search"]["scroll_current"].clone()
}

#[tokio::test]
async fn a_template_stands_for_the_aliases_that_were_made_for_it_and_no_others() {
    on_each(async |bench: Bench| {
        let prefix = bench.index.clone();
        let name = |end: &str| format!("{prefix}_{end}");
        let plan = testing::plan(target(&name("{title}")));
        let put = |end: &str, id: &str, n| testing::document(&plan, &name(end), id, at(n), "{}");
        let gone = testing::absent(&plan, &name("a"), "gone", at(2));
        let all = [put("a", "1", 1), put("a", "2", 2), put("b", "..", 1), put("b", "new", 9), gone];
        applied(&bench, &all).await;
        // Somebody else's: an index without an alias, an alias of another index, an alias of ours.
        let make = async |path: String, body: Value| {
            let (status, answer) = bench.ask(Method::PUT, &path, body).await;
            assert!(status < 300, "{answer}");
        };
        make(format!("/{}/_doc/1?refresh=true", name("plain-000001")), json!({})).await;
        make(format!("/{}/_doc/1?refresh=true", name("custom")), json!({})).await;
        make(format!("/{}/_alias/{}", name("custom"), name("other")), Value::Null).await;
        make(format!("/{}/_alias/{}", name("a-000001"), name("current")), Value::Null).await;
        let both = format!("/{},{}/_alias/{}", name("a-000001"), name("b-000001"), name("all"));
        make(both, Value::Null).await;
        // A document that never had a version of ours has the server's own.
        make(format!("/{}/_doc/foreign", name("a")), json!({})).await;

        let expected = ["a|1|1", "a|2|2", "a|foreign|1", "b|..|1"].map(name);
        assert_eq!(told(&bench.sink, &scope(&name("{title}")), at(9)).await, expected);
        assert_eq!(told(&bench.sink, &scope(&name("{title}")), Version::MAX).await.len(), 5);
        let second = told(&bench.sink, &scope(&name("a")), at(2)).await;
        assert_eq!(second, ["a|1|1", "a|foreign|1"].map(name));
        for missing in ["{title}_none", "none", "plain-000001", "custom"] {
            assert_eq!(told(&bench.sink, &scope(&name(missing)), at(9)).await, [""; 0], "{missing}");
        }
        // Who names an alias means whatever stands behind it.
        assert_eq!(told(&bench.sink, &scope(&name("other")), at(9)).await, [name("other|1|1")]);
        for end in ["a-000001", "b-000001", "plain-000001", "custom"] {
            bench.ask(Method::DELETE, &format!("/{}", name(end)), Value::Null).await;
        }
    })
    .await;
}

#[tokio::test]
async fn of_several_indices_behind_an_alias_the_one_that_takes_writes_is_walked() {
    on_each(async |bench: Bench| {
        applied(&bench, &[bench.put("old", 1, "{}"), bench.put("both", 1, "{}")]).await;
        let next = format!("{}-000002", bench.index);
        let (status, _) = bench.ask(Method::PUT, &format!("/{next}"), Value::Null).await;
        assert_eq!(status, 200);
        let add = |end: &str, writes: bool| {
            let (index, alias) = (format!("{}-00000{end}", bench.index), &bench.index);
            json!({"add": {"index": index, "alias": alias, "is_write_index": writes}})
        };
        let actions = json!({"actions": [add("1", false), add("2", true)]});
        assert_eq!(bench.ask(Method::POST, "/_aliases", actions).await.0, 200);
        applied(&bench, &[bench.put("both", 2, "{}"), bench.put("new", 2, "{}")]).await;
        let expected = ["both|2", "new|2"].map(|rest| format!("{}|{rest}", bench.index));
        assert_eq!(told(&bench.sink, &scope(&bench.index), at(9)).await, expected);
        let actions = json!({"actions": [add("1", false), add("2", false)]});
        assert_eq!(bench.ask(Method::POST, "/_aliases", actions).await.0, 200);
        assert_eq!(told(&bench.sink, &scope(&bench.index), at(9)).await, [""; 0], "nothing can be written");
        bench.ask(Method::DELETE, &format!("/{next}"), Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn many_documents_come_in_pages_and_no_scroll_stays() {
    on_each(async |bench: Bench| {
        let bench = Bench { plan: testing::plan(target(&bench.index)), ..bench };
        let all: Vec<Delivery> = (0..2700_u64)
            .map(|n| bench.put(&format!("{n:04}"), 1 + n % 9, "{}"))
            .chain([bench.del("0000", 20), bench.del("0001", 20)])
            .collect();
        applied(&bench, &all[..2700]).await;
        applied(&bench, &all[2700..]).await;
        let scope = scope(&bench.index);
        let pages = scanned(&bench.sink, &scope, Version::MAX).await.unwrap();
        assert!(pages.len() >= 3, "{}", pages.len());
        let expected: Vec<String> =
            (2..2700_u64).map(|n| format!("{}|{n:04}|{}", bench.index, 1 + n % 9)).collect();
        assert_eq!(told(&bench.sink, &scope, at(10)).await, expected);
        let below: Vec<String> = expected.into_iter().filter(|word| word.ends_with("|1")).collect();
        assert_eq!(told(&bench.sink, &scope, at(2)).await, below);
        assert_eq!(scrolls(&bench, &bench.index).await, json!(0));
        take_one_page(&bench.sink, &scope, at(10)).await;
        assert_eq!(
            scrolls(&bench, &bench.index).await,
            json!(0),
            "left behind by the one that was cut short"
        );
    })
    .await;
}

#[tokio::test]
async fn an_index_that_goes_away_meanwhile_is_asked_for_again() {
    on_each(async |bench: Bench| {
        let all: Vec<Delivery> = (0..5000).map(|n| bench.put(&n.to_string(), 1, "{}")).collect();
        applied(&bench, &all).await;
        let scope = scope(&bench.index);
        let (pages, mut taken) = mpsc::channel(1);
        let scan = async {
            let pages = pages;
            bench.sink.scan(&scope, Look::Below(at(9)), &pages).await
        };
        let take = async {
            taken.recv().await.unwrap();
            let index = format!("/{}-000001", bench.index);
            bench.client.send(Method::DELETE, &index, super::Payload::None).await.unwrap();
            while taken.recv().await.is_some() {}
        };
        let error = tokio::join!(scan, take).0.unwrap_err();
        assert_eq!((error.code(), error.kind()), (Code::Interrupted, Kind::Retry), "{error}");
        assert_eq!(told(&bench.sink, &scope, at(9)).await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_closed_index_is_waited_for() {
    on_each(async |bench: Bench| {
        applied(&bench, &[bench.put("a", 1, "{}")]).await;
        bench.ask(Method::POST, "/{}/_close", Value::Null).await;
        let error = scanned(&bench.sink, &scope(&bench.index), at(9)).await.unwrap_err();
        assert_eq!((error.code(), error.kind()), (Code::SearchBlocked, Kind::Retry), "{error}");
        bench.ask(Method::POST, "/{}/_open?wait_for_active_shards=1", Value::Null).await;
        assert_eq!(told(&bench.sink, &scope(&bench.index), at(9)).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_away_is_asked_again() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = sink(&format!("opensearch://{closed}"), &testing::plan(target("x")));
    let error = scanned(&away, &scope("x"), at(9)).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::Unreachable, Kind::Retry), "{error}");
    for impossible in ["*", "_all", "-x", "Upper", "a*b-{title}"] {
        assert_eq!(told(&away, &scope(impossible), at(9)).await, [""; 0], "no request for {impossible}");
    }
}

#[tokio::test]
async fn fake_answers_of_some_shards_are_never_taken_for_all() {
    let alias = ("GET /_alias/x", r#"{"x-000001":{"aliases":{"x":{"is_write_index":true}}}}"#);
    let fresh = ("POST /x/_refresh", r#"{"_shards":{"total":2,"successful":2,"failed":0}}"#);
    let page = r#"{"_scroll_id":"s","_shards":{"failed":0},"hits":{"hits":[{"_index":"x-000001","_id":"a","_version":1}]}}"#;
    let last = r#"{"_scroll_id":"s","_shards":{"failed":0}}"#;
    let partial = r#"{"_scroll_id":"s","_shards":{"failed":1}}"#;
    let denied = r#"{"error":{"type":"security_exception","reason":"no"}}"#;
    let cases = [
        (vec![("POST /x/_refresh", partial)], Err(Code::Interrupted)),
        (vec![("POST /x/_refresh", denied)], Err(Code::SearchDenied)),
        (vec![fresh, ("POST /x/_search?", partial)], Err(Code::Interrupted)),
        (vec![fresh, ("POST /x/_search?", "<html>hotel</html>")], Err(Code::Interrupted)),
        (vec![fresh, ("POST /x/_search?", page), ("POST /_search/scroll", partial)], Err(Code::Interrupted)),
        (vec![fresh, ("POST /x/_search?", page), ("POST /_search/scroll", denied)], Err(Code::SearchDenied)),
        (vec![fresh, ("POST /x/_search?", page), ("POST /_search/scroll", last)], Ok(1)),
    ];
    for (answers, expected) in cases {
        let fake = Fake::pages([vec![alias], answers].concat()).await;
        let bench = sink(&fake.url, &testing::plan(target("x")));
        let scanned = scanned(&bench, &scope("x"), at(9)).await;
        let found = scanned.map(|pages| pages.len()).map_err(|error| {
            assert_eq!(error.kind(), Kind::Retry);
            error.code()
        });
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn documents_are_told_whoever_wrote_them_and_can_be_displaced() {
    on_each(async |bench: Bench| {
        applied(&bench, &[bench.put("a", 7, r#"{"title":"x","n":1.0}"#), bench.put("gone", 3, "{}")]).await;
        applied(&bench, &[bench.del("gone", 4)]).await;
        let highest = Version::MAX.get();
        let put = async |id: &str, version: u64, document: Value| {
            let path = format!("/{{}}/_doc/{id}?version={version}&version_type=external_gte");
            bench.ask(Method::PUT, &path, document).await;
        };
        put("stray", 1, json!({"mine": true})).await;
        put("high", highest, json!({"title": "high"})).await;
        let index = &bench.index;
        let expected = [
            format!(r#"{index}|a|{}|{{"title":"x","n":1.0}}"#, at(7).get()),
            format!(r#"{index}|high|{highest}|{{"title":"high"}}"#),
            format!(r#"{index}|stray|1|{{"mine":true}}"#),
        ];
        let scope = scope(index);
        assert_eq!(told_whole(&bench.sink, &scope).await, expected);
        let address = |id: &str| Address { target: index.as_str().into(), id: id.into() };
        let addresses = ["a", "high", "stray", "gone", "never", ""].map(address);
        let mut read = expected.to_vec();
        read.extend(["-", "-", "-"].map(str::to_owned));
        assert_eq!(read_whole(&bench.sink, &bench.plan, &addresses).await, read);

        let held = |id: &str, version| Held { address: address(id), version, document: None };
        let some = [held("a", at(6)), held("high", Version::MAX), held("never", at(1))];
        assert_eq!(bench.sink.displace(&bench.plan, &some).await.unwrap(), [false, true, false]);
        applied(&bench, &[bench.put("high", 1, r#"{"title":"low"}"#)]).await;
        let found = read_whole(&bench.sink, &bench.plan, &[address("high"), address("a")]).await;
        assert_eq!(
            found,
            [format!(r#"{index}|high|{}|{{"title":"low"}}"#, at(1).get()), expected[0].clone()]
        );
        let (_, settings) = bench.ask(Method::GET, "/{}/_settings?flat_settings=true", Value::Null).await;
        let remembered = settings[format!("{index}-000001")]["settings"]["index.gc_deletes"].clone();
        assert_eq!(remembered, json!("1h"));
    })
    .await;
}

/// As a kill in the moment of a displacement leaves it.
#[tokio::test]
async fn an_index_that_forgets_deletes_remembers_them_again_before_the_first_write() {
    on_each(async |bench: Bench| {
        applied(&bench, &[bench.put("a", 7, "{}")]).await;
        let kept = async |bench: &Bench| {
            let (_, settings) = bench.ask(Method::GET, "/{}/_settings?flat_settings=true", Value::Null).await;
            settings[format!("{}-000001", bench.index)]["settings"]["index.gc_deletes"].clone()
        };
        bench.ask(Method::PUT, "/{}/_settings", json!({"index": {"gc_deletes": "0ms"}})).await;
        assert_eq!(kept(&bench).await, json!("0ms"));
        let sink = bench.restarted();
        let bench = Bench { sink, ..bench };
        applied(&bench, &[bench.put("b", 8, "{}")]).await;
        assert_eq!(kept(&bench).await, json!("1h"));
    })
    .await;
}
