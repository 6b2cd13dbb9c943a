//! The gate on a real server: newest wins in whatever order, tombstones, lifetimes, foreign values.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use syncline_engine::error::{Code, Kind};
use syncline_engine::mark::Marks;
use syncline_engine::sink::{Address, Delivery, Outcome, Sink};
use syncline_engine::version::Version;

use super::*;
use crate::testing::{absent, document, server, unique};

/// A document of ours.
async fn read(sink: &RedisSink, plan: &TargetPlan, key: &str) -> Option<String> {
    let address = Address { target: "".into(), id: key.into() };
    let found = sink.read(plan, &[address]).await.unwrap();
    let ours = found.into_iter().flatten().find(|held| held.version > Version::ZERO);
    ours.and_then(|held| held.document).map(|json| String::from_utf8(json.to_vec()).unwrap())
}

#[tokio::test]
async fn a_document_is_written_replaced_deleted_and_written_again() {
    let (url, key) = (server("REDIS"), unique("gate:"));
    let (sink, tombstone) = (sink(&url, "gate"), format!("syncline:tombstone:{{{key}}}"));
    for hash in [false, true] {
        let plan = key_plan(|spec| spec.hash = hash);
        let base = u64::from(hash) * 10;
        let put = |n, json: &str| document(&plan, "", &key, version(base + n), json);
        assert!(matches!(apply_one(&sink, put(2, r#"{"a":1,"b":"x"}"#)).await, Outcome::Applied));
        assert!(matches!(apply_one(&sink, put(1, r#"{"a":0}"#)).await, Outcome::Superseded));
        assert_eq!(read(&sink, &plan, &key).await.unwrap(), r#"{"a":1,"b":"x"}"#);
        assert!(matches!(apply_one(&sink, put(3, r#"{"a":2}"#)).await, Outcome::Applied));
        assert_eq!(read(&sink, &plan, &key).await.unwrap(), r#"{"a":2}"#);
        if hash {
            let version: String = look(&url, &["HGET", &key, "_version"]);
            assert_eq!(version, "0000000000000000013");
        } else {
            let stored: String = look(&url, &["GET", &key]);
            assert_eq!(stored, r#"{"_version":"0000000000000000003","a":2}"#);
        }

        assert!(matches!(
            apply_one(&sink, absent(&plan, "", &key, version(base + 5))).await,
            Outcome::Applied
        ));
        assert_eq!(read(&sink, &plan, &key).await, None);
        assert_eq!(look::<String>(&url, &["GET", &tombstone]), version(base + 5).to_string());
        let life: i64 = look(&url, &["PTTL", &tombstone]);
        assert!((86_000_000..=86_400_000).contains(&life), "{life}");
        assert!(matches!(apply_one(&sink, put(4, "{}")).await, Outcome::Superseded));
        assert!(matches!(apply_one(&sink, put(6, "{}")).await, Outcome::Applied));
        assert_eq!(look::<i64>(&url, &["EXISTS", &tombstone]), 0);
    }
    assert!(look::<String>(&url, &["HGET", "syncline:mark:{gate}", "version"]) >= version(16).to_string());
    look::<i64>(&url, &["DEL", &key]);
}

#[tokio::test]
async fn the_mark_only_rises() {
    let (url, name) = (server("REDIS"), unique("mark"));
    let (sink, plan, key) = (sink(&url, &name), key_plan(|_| ()), unique("mark:"));
    let mark = format!("syncline:mark:{{{name}}}");
    for (number, expected) in [(7, 7), (3, 7), (9, 9)] {
        apply_one(&sink, document(&plan, "", &format!("{key}{number}"), version(number), "{}")).await;
        assert_eq!(look::<String>(&url, &["HGET", &mark, "version"]), version(expected).to_string());
        look::<i64>(&url, &["DEL", &format!("{key}{number}")]);
    }
    look::<i64>(&url, &["DEL", &mark]);
}

#[tokio::test]
async fn a_master_that_has_lost_writes_has_another_mark() {
    let (url, name) = (server("REDIS"), unique("mark"));
    let (sink, plan, key) = (sink(&url, &name), key_plan(|_| ()), unique("mark:"));
    let mark = format!("syncline:mark:{{{name}}}");
    let none = Marks::default();
    assert_eq!(sink.marks(&none).await.unwrap(), none);
    for n in 1..4 {
        apply_one(&sink, document(&plan, "", &key, version(n), "{}")).await;
    }
    let first = sink.acknowledged();
    assert_eq!(first.0[&mark].count, 3);
    assert_eq!(sink.marks(&first).await.unwrap(), first);
    let lost = |now: &Marks| first.lost(now).count();
    // As after a failover to a replica that lacks the last write: the next write notices, whatever count it comes to.
    look::<i64>(&url, &["HSET", &mark, "count", "2"]);
    apply_one(&sink, document(&plan, "", &key, version(4), "{}")).await;
    assert_eq!((sink.acknowledged().0[&mark].count, lost(&sink.acknowledged())), (3, 1));
    // Flushed, or with something else in its place.
    for command in [vec!["DEL", &mark], vec!["SET", &mark, "x"]] {
        let second = sink.marks(&none).await.unwrap();
        look::<redis::Value>(&url, &command);
        assert_eq!(sink.marks(&second).await.unwrap(), none);
        apply_one(&sink, document(&plan, "", &key, version(5), "{}")).await;
        assert_eq!(second.lost(&sink.acknowledged()).count(), 1);
    }
    look::<i64>(&url, &["DEL", &mark, &key]);
}

#[tokio::test]
async fn writing_the_same_version_again_does_not_lengthen_its_life() {
    let (url, key) = (server("REDIS"), unique("life:"));
    let sink = sink(&url, "life");
    for hash in [false, true] {
        let with = |ttl| key_plan(|spec| (spec.hash, spec.ttl) = (hash, ttl));
        let put = |n, ttl| document(&with(ttl), "", &key, version(n + u64::from(hash) * 10), r#"{"a":1}"#);
        let hour = Some(Duration::from_secs(3600));
        let life = || look::<i64>(&url, &["PTTL", &key]);
        apply_one(&sink, put(1, hour)).await;
        assert!((3_500_000..=3_600_000).contains(&life()));
        look::<i64>(&url, &["PEXPIRE", &key, "100000"]);
        assert!(matches!(apply_one(&sink, put(1, hour)).await, Outcome::Applied));
        assert!(life() <= 100_000);
        apply_one(&sink, put(1, None)).await;
        assert!(life() <= 100_000 && life() > 0);
        apply_one(&sink, put(2, hour)).await;
        assert!(life() > 3_500_000);
        apply_one(&sink, put(3, None)).await;
        assert_eq!(life(), -1);
    }
    look::<i64>(&url, &["DEL", &key]);
}

#[tokio::test]
async fn invalidation_deletes_whatever_is_there() {
    let (url, key) = (server("REDIS"), unique("inv:"));
    let sink = sink(&url, "inv");
    let plan = key_plan(|spec| {
        spec.invalidate = true;
        spec.tombstone_ttl = Some(Duration::from_secs(60));
    });
    let fill = || look::<String>(&url, &["SET", &key, r#"{"_version":"9999999999999999999"}"#]);
    let there = || look::<i64>(&url, &["EXISTS", &key]);
    fill();
    assert!(matches!(apply_one(&sink, document(&plan, "", &key, version(5), "{}")).await, Outcome::Applied));
    assert_eq!(there(), 0);
    let life: i64 = look(&url, &["PTTL", &format!("syncline:tombstone:{{{key}}}")]);
    assert!(life <= 60_000 && life > 50_000, "{life}");
    fill();
    assert!(matches!(apply_one(&sink, absent(&plan, "", &key, version(4))).await, Outcome::Superseded));
    assert_eq!(there(), 1);
    assert!(matches!(apply_one(&sink, absent(&plan, "", &key, version(5))).await, Outcome::Applied));
    assert_eq!(there(), 0);
    assert_eq!(read(&sink, &plan, &key).await, None);
    look::<i64>(&url, &["DEL", &format!("syncline:tombstone:{{{key}}}")]);
}

#[tokio::test]
async fn what_is_not_ours_has_no_version() {
    let (url, key) = (server("REDIS"), unique("foreign:"));
    let sink = sink(&url, "foreign");
    let make: [&[&str]; 6] = [
        &["SET", &key, "plain"],
        &["SET", &key, r#"{"_version":"99","a":1}"#],
        &["SET", &key, r#"{"_version":"999999999999999999x","a":1}"#],
        &["HSET", &key, "_version", "7"],
        &["LPUSH", &key, "x"],
        &["SADD", &key, "x"],
    ];
    for (n, words) in make.iter().enumerate() {
        for (hash, delete) in [(false, false), (true, false), (false, true)] {
            look::<i64>(&url, &["DEL", &key, &format!("syncline:tombstone:{{{key}}}")]);
            look::<redis::Value>(&url, words);
            let plan = key_plan(|spec| spec.hash = hash);
            assert_eq!(read(&sink, &plan, &key).await, None);
            let delivery = match delete {
                true => absent(&plan, "", &key, version(1)),
                false => document(&plan, "", &key, version(1), r#"{"n":1}"#),
            };
            assert!(matches!(apply_one(&sink, delivery).await, Outcome::Applied), "{n}");
            assert_eq!(read(&sink, &plan, &key).await.is_none(), delete, "{n}");
        }
    }
    look::<i64>(&url, &["DEL", &key, &format!("syncline:tombstone:{{{key}}}")]);
}

#[tokio::test]
async fn a_higher_epoch_halts() {
    let (url, key) = (server("REDIS"), unique("epoch:"));
    let (sink, plan) = (sink(&url, "epoch"), key_plan(|_| ()));
    let put = |version| document(&plan, "", &key, version, "{}");
    apply_one(&sink, put(Version::new(1, 0, 5))).await;
    let error = sink.apply(&[put(Version::new(0, 9, 9))]).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::RedisForeign, Kind::HaltPipeline), "{error}");
    apply_one(&sink, absent(&plan, "", &key, Version::new(2, 0, 0))).await;
    let error = sink.apply(&[put(Version::new(1, 9, 9))]).await.unwrap_err();
    assert_eq!(error.code(), Code::RedisForeign);
    assert!(error.to_string().contains(&key) && error.to_string().contains("epoch 2"), "{error}");
    look::<i64>(&url, &["DEL", &key, &format!("syncline:tombstone:{{{key}}}")]);
}

#[tokio::test]
async fn one_bad_item_harms_none_of_the_others() {
    let (url, key) = (server("REDIS"), unique("bad:"));
    let (sink, plan) = (sink(&url, "bad"), key_plan(|_| ()));
    let key_of = |n: usize| format!("{key}{n}");
    let mut deliveries: Vec<Delivery> =
        (0..1000).map(|n| document(&plan, "", &key_of(n), version(1), "{\"n\":1}")).collect();
    deliveries[500] = document(&plan, "", &key_of(500), version(1), r#"{"_version":1}"#);
    let outcomes = sink.apply(&deliveries).await.unwrap();
    for (n, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Outcome::Applied => assert_ne!(n, 500),
            Outcome::Refused(error) => assert_eq!((n, error.code()), (500, Code::RedisRefused)),
            other => panic!("{n}: {other:?}"),
        }
    }
    let keys: Vec<String> = (0..1000).map(key_of).collect();
    let words: Vec<&str> = std::iter::once("DEL").chain(keys.iter().map(String::as_str)).collect();
    assert_eq!(look::<i64>(&url, &words), 999);
}

/// Any deliveries of a few keys, each any number of times, in any order, in calls of any size: every key ends as its
/// newest version says.
#[test]
fn replays_in_any_order_end_at_the_newest_version() {
    let (url, run) = (server("REDIS"), unique("any:"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sink = sink(&url, "any");
    let step = (0..4usize, 1..12u64, any::<bool>());
    let cases = std::sync::atomic::AtomicU64::new(0);
    let mut runner = TestRunner::new(Config { cases: 60, ..Config::default() });
    let strategy = (prop::collection::vec(step, 1..40), any::<bool>());
    let tried = runner.run(&strategy, |(steps, hash)| {
        let case = cases.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let plan = key_plan(|spec| (spec.hash, spec.ttl) = (hash, Some(Duration::from_secs(600))));
        // What a version of a key is, is fixed: every third a delete.
        let made = |key: usize, n: u64| {
            let id = format!("{run}{case}:{key}");
            match n % 3 {
                0 => absent(&plan, "", &id, version(n)),
                _ => document(&plan, "", &id, version(n), &format!("{{\"n\":{n}}}")),
            }
        };
        runtime.block_on(async {
            let mut call: Vec<Delivery> = Vec::new();
            for (key, n, flush) in &steps {
                let next = made(*key, *n);
                // One delivery per address in a call, as the engine promises.
                if !call.is_empty() && (*flush || call.iter().any(|d| d.address == next.address)) {
                    sink.apply(&std::mem::take(&mut call)).await.unwrap();
                }
                call.push(next);
            }
            sink.apply(&call).await.unwrap();
            for key in 0..4 {
                let newest = steps.iter().filter(|(k, ..)| *k == key).map(|(_, n, _)| *n).max();
                let expected = newest.filter(|n| n % 3 != 0).map(|n| format!("{{\"n\":{n}}}"));
                assert_eq!(read(&sink, &plan, &format!("{run}{case}:{key}")).await, expected);
            }
        });
        Ok(())
    });
    tried.unwrap();
}
