//! Walking what the servers hold: patterns, both forms of documents, what is not a document of ours, pages, slots that
//! move meanwhile. On the shared servers below names of their own, on a server of the test's own for what is everywhere.

use syncline_engine::error::{Code, Kind};
use syncline_engine::route::Scope;
use syncline_engine::sink::{Address, Delivery, Held, Look};
use tokio::sync::mpsc;

use super::super::{scan::glob, slots};
use super::*;
use crate::testing::{
    self, absent, document, read_whole, scanned, server, take_one_page, told, told_whole, unique,
};

fn scope(template: &str) -> Scope {
    testing::scope(target(TargetKind::Cache, "hot", template))
}

async fn applied(sink: &RedisSink, deliveries: &[Delivery]) {
    let outcomes = sink.apply(deliveries).await.unwrap();
    assert!(outcomes.iter().all(|o| matches!(o, Outcome::Applied)), "{outcomes:?}");
}

#[test]
fn only_the_placeholders_are_patterns() {
    assert_eq!(glob("a:*:b"), "a:*:b");
    assert_eq!(glob(r"a?[b]^\*"), r"a\?\[b\]\^\\*");
    assert_eq!(scope("a:{id}:*").ids(), None);
}

#[tokio::test]
async fn many_documents_come_in_pages_from_every_master() {
    for name in ["REDIS", "REDIS_CLUSTER", "REDIS_SENTINEL"] {
        let (url, run) = (server(name), unique("scan:"));
        let (sink, plan) = (sink(&url, &run), key_plan(|_| ()));
        let key = |n: u64| format!("{run}:{n:04}");
        let all: Vec<Delivery> =
            (0..2700).map(|n| document(&plan, "", &key(n), version(1 + n % 9), "{\"a\":1}")).collect();
        applied(&sink, &all).await;
        // Short-lived, because the server is shared.
        let brief = key_plan(|spec| spec.tombstone_ttl = Some(Duration::from_secs(1)));
        let gone = |key: &str, n| absent(&brief, "", key, version(n));
        applied(&sink, &(0..30).map(|n| gone(&key(n), 20)).collect::<Vec<_>>()).await;
        // Neither a neighbour nor another route's is told.
        let near = [format!("{run}:x:1"), format!("{run}x:1")];
        applied(&sink, &near.each_ref().map(|key| document(&plan, "", key, version(1), "{}"))).await;
        let template = format!("{run}:{{id}}");
        let pages = scanned(&sink, &scope(&template), Version::MAX).await.unwrap();
        assert!(pages.len() >= 3, "{}", pages.len());
        let expected: Vec<String> = (30..2700).map(|n| format!("|{}|{}", key(n), 1 + n % 9)).collect();
        assert_eq!(told(&sink, &scope(&template), version(10)).await, expected);
        let below: Vec<String> = expected.into_iter().filter(|word| word.ends_with("|1")).collect();
        assert_eq!(told(&sink, &scope(&template), version(2)).await, below);
        take_one_page(&sink, &scope(&template), version(10)).await;
        let left: Vec<String> = (30..2700).map(key).chain(near).collect();
        applied(&sink, &left.iter().map(|key| gone(key, 30)).collect::<Vec<_>>()).await;
        assert_eq!(told(&sink, &scope(&template), Version::MAX).await, [""; 0]);
    }
}

#[tokio::test]
async fn characters_of_patterns_stand_for_themselves_and_tags_are_kept() {
    for name in ["REDIS", "REDIS_CLUSTER"] {
        let (url, run) = (server(name), unique("scan:"));
        let (sink, plan) = (sink(&url, &run), key_plan(|_| ()));
        for template in [
            format!(r"{run}?[a-z]^\:{{id}}"),
            format!("{{{run}:{{id}}}}"),
            format!("{run}:{{x:{{title}}}}:{{id}}"),
            format!("{run}:*:{{id}}"),
        ] {
            let key = |id: &str| template.replace("{id}", id).replace("{title}", "t");
            let put =
                [document(&plan, "", &key("1"), version(1), "{}"), absent(&plan, "", &key("2"), version(1))];
            applied(&sink, &put).await;
            let expected = [format!("|{}|1", key("1"))];
            assert_eq!(told(&sink, &scope(&template), version(2)).await, expected, "{template}");
        }
    }
}

#[tokio::test]
async fn only_documents_of_ours_are_told() {
    let own = Server::start(&[]);
    let (sink, plan) = (sink(&own.url(), "shop"), key_plan(|_| ()));
    let hash = key_plan(|spec| spec.hash = true);
    let tagged = "a{tag}b";
    applied(
        &sink,
        &[
            document(&plan, "", "text", version(3), "{\"a\":1}"),
            document(&plan, "", "empty", version(4), "{}"),
            document(&hash, "", "hash", version(5), "{\"a\":1,\"b\":{}}"),
            document(&plan, "", tagged, version(6), "{}"),
            absent(&plan, "", "gone", version(7)),
            absent(&plan, "", "{gone}too", version(7)),
        ],
    )
    .await;
    for words in [
        &["SET", "plain", "hello"][..],
        &["SET", "json", "{\"a\":1}"],
        &["SET", "digits", "0000000000000000001"],
        &["SET", "short", "{\"_version\":\"1\"}"],
        &["SET", "cut", "{\"_version\":\"0000000000000000001"],
        &["SET", "letters", "{\"_version\":\"000000000000000000x\"}"],
        &["SET", "huge", "{\"_version\":\"9999999999999999999\"}"],
        &["SET", "signed", "{\"_version\":\"+000000000000000001\"}"],
        &["HSET", "fields", "a", "1"],
        &["HSET", "odd", "_version", "1"],
        &["RPUSH", "list", "0000000000000000001"],
        &["ZADD", "sorted", "1", "_version"],
        &["XADD", "stream", "*", "_version", "0000000000000000001"],
    ] {
        own.look::<redis::Value>(words);
    }
    let mut link = redis::Client::open(own.url()).unwrap().get_connection().unwrap();
    redis::cmd("SET")
        .arg(&b"\xff\xfe"[..])
        .arg("{\"_version\":\"0000000000000000001\"}")
        .exec(&mut link)
        .unwrap();
    let everything = ["|a{tag}b|6", "|empty|4", "|hash|5", "|text|3"];
    assert_eq!(told(&sink, &scope("{key}"), Version::MAX).await, everything);
    let mut spec = target(TargetKind::Cache, "hot", "{key}");
    spec.hash = true;
    assert_eq!(
        told(&sink, &testing::scope(spec), Version::MAX).await,
        everything,
        "whatever form it has now"
    );
    assert_eq!(told(&sink, &scope("{title}"), version(5)).await, ["|empty|4", "|text|3"]);
    own.look::<i64>(&["PEXPIRE", "text", "1"]);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(told(&sink, &scope("{title}"), version(5)).await, ["|empty|4"]);
    assert_eq!(own.look::<String>(&["INFO", "commandstats"]).matches("cmdstat_keys").count(), 0);
}

#[tokio::test]
async fn a_server_that_is_away_is_asked_again() {
    let mut own = Server::start(&[]);
    let (sink, plan) = (sink(&own.url(), "shop"), key_plan(|_| ()));
    applied(&sink, &[document(&plan, "", "order:1", version(1), "{}")]).await;
    own.kill();
    for _ in 0..2 {
        let error = scanned(&sink, &scope("order:{id}"), version(9)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Retry, "{error}");
    }
    let _again = Server::start_at(own.port, &[]);
    assert_eq!(told(&sink, &scope("order:{id}"), version(9)).await, [""; 0]);
}

#[tokio::test]
async fn what_moves_between_masters_meanwhile_is_not_passed_over() {
    let servers = super::cluster::own_cluster();
    let (sink, plan) =
        (sink(&format!("redis-cluster://127.0.0.1:{}", servers[0].port), "shop"), key_plan(|_| ()));
    let put = |n: u64| document(&plan, "", &format!("order:{n}"), version(1), "{}");
    applied(&sink, &(0..5000).map(put).collect::<Vec<_>>()).await;
    let scope = scope("order:{id}");
    let slot = slots::slot("order:1");
    let [from, to] = if slot < 8192 { [&servers[0], &servers[1]] } else { [&servers[1], &servers[0]] };
    let slot = slot.to_string();
    let id = |server: &Server| server.look::<String>(&["CLUSTER", "MYID"]);
    let failed = |scanned: Result<(), syncline_engine::error::Error>| {
        let error = scanned.unwrap_err();
        assert_eq!((error.code(), error.kind()), (Code::Overloaded, Kind::Retry), "{error}");
    };

    let (pages, mut taken) = mpsc::channel(1);
    let scan = async {
        let pages = pages;
        sink.scan(&scope, Look::Below(version(9)), &pages).await
    };
    let take = async {
        // The scan waits with the first pages; the slot moves as a whole.
        tokio::time::sleep(Duration::from_millis(300)).await;
        to.look::<String>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
        from.look::<String>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
        let keys: Vec<String> = from.look(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
        for key in &keys {
            from.look::<String>(&["MIGRATE", "127.0.0.1", &to.port.to_string(), key, "0", "5000"]);
        }
        failed(scanned(&sink, &scope, version(9)).await.map(drop));
        for server in [to, from] {
            server.look::<String>(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]);
        }
        while taken.recv().await.is_some() {}
    };
    failed(tokio::join!(scan, take).0);
    assert_eq!(told(&sink, &scope, version(9)).await.len(), 5000);
}

#[tokio::test]
async fn documents_are_told_whoever_wrote_them_and_can_be_displaced() {
    let (url, run) = (server("REDIS"), unique("whole:"));
    let (sink, plan) = (sink(&url, &run), key_plan(|_| ()));
    let hash = key_plan(|spec| spec.hash = true);
    let key = |n: u64| format!("{run}:{n}");
    applied(&sink, &[document(&plan, "", &key(1), version(7), r#"{"a":1.0}"#)]).await;
    applied(&sink, &[document(&hash, "", &key(2), version(8), r#"{"b":"x"}"#)]).await;
    let set = |n: u64, words: &[&str]| {
        let key = key(n);
        let words: Vec<&str> = [&words[..1], &[&*key], &words[1..]].concat();
        look::<redis::Value>(&url, &words);
    };
    set(3, &["SET", r#"{"mine":true}"#]);
    set(4, &["SET", "no object"]);
    set(5, &["SET", r#"{"_version":"9223372036854775807","c":1}"#]);
    set(6, &["SET", r#"{"_version":"9999999999999999999"}"#]);
    set(7, &["SADD", "a set"]);
    set(8, &["HSET", "mine", "1"]);
    let scope = scope(&format!("{run}:{{id}}"));
    let expected = [
        format!("|{}|7|{{\"a\":1.0}}", key(1)),
        format!("|{}|8|{{\"b\":\"x\"}}", key(2)),
        format!("|{}|0|{{\"mine\":true}}", key(3)),
        format!("|{}|0|no object", key(4)),
        format!("|{}|{}|{{\"c\":1}}", key(5), Version::MAX.get()),
        format!("|{}|{}|{{}}", key(6), Version::MAX.get()),
        format!("|{}|0|?", key(7)),
        format!("|{}|0|?", key(8)),
    ];
    assert_eq!(told_whole(&sink, &scope).await, expected);
    let address = |n: u64| Address { target: "".into(), id: key(n).as_str().into() };
    let addresses: Vec<Address> = (1..=9).map(address).collect();
    let mut read = expected.to_vec();
    read.push("-".to_owned());
    assert_eq!(read_whole(&sink, &plan, &addresses).await, read);

    let held = |n: u64, version| Held { address: address(n), version, document: None };
    let some = [held(1, version(6)), held(5, Version::MAX), held(6, Version::MAX), held(9, version(1))];
    assert_eq!(sink.displace(&plan, &some).await.unwrap(), [false, true, true, false]);
    let again =
        [document(&plan, "", &key(5), version(1), "{}"), document(&plan, "", &key(6), version(1), "{}")];
    applied(&sink, &again).await;
    let ours = [address(1), address(5), address(6)];
    let found = read_whole(&sink, &plan, &ours).await;
    assert_eq!(found, [expected[0].clone(), format!("|{}|1|{{}}", key(5)), format!("|{}|1|{{}}", key(6))]);

    let tombstone = |n: u64| slots::tombstone(&key(n));
    applied(&sink, &[absent(&plan, "", &key(2), version(9))]).await;
    look::<redis::Value>(&url, &["SET", &tombstone(1), "9999999999999999999"]);
    look::<redis::Value>(&url, &["SET", &tombstone(3), "no version"]);
    let four = [address(1), address(2), address(3), address(9)];
    let tombstones = sink.tombstones(&plan, &four).await.unwrap();
    assert_eq!(tombstones, [Some(Version::MAX), Some(version(9)), None, None]);
    let some = [held(1, Version::MAX), held(2, version(8)), held(2, version(9))];
    assert_eq!(sink.displace(&plan, &some).await.unwrap(), [true, false, true]);
    // What stood beside the tombstone stays.
    assert_eq!(read_whole(&sink, &plan, &[address(1)]).await, [expected[0].clone()]);
    applied(&sink, &[document(&plan, "", &key(2), version(1), "{}")]).await;
    (1..=8).for_each(|n| _ = look::<redis::Value>(&url, &["DEL", &key(n), &tombstone(n)]));
}
