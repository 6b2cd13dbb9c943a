//! Clusters: keys at their owners, a mark at each master, slots that move under our hands, a master that is gone.

use std::collections::BTreeSet;

use syncline_engine::error::{Code, Kind};
use syncline_engine::sink::{Delivery, Outcome, Sink};

use super::super::slots;
use super::*;
use crate::testing::{absent, document, server, stored, unique};

fn masters_of(url: &str) -> Vec<String> {
    let hosts = url.strip_prefix("redis-cluster://").unwrap();
    hosts.split(',').map(|host| format!("redis://{}", host.trim_end_matches('/'))).collect()
}

#[tokio::test]
async fn keys_lie_at_their_owners_with_tombstones_and_marks() {
    let (url, run) = (server("REDIS_CLUSTER"), unique("cluster:"));
    let name = unique("cluster");
    let (sink, plan) = (sink(&url, &name), key_plan(|_| ()));
    sink.probe().await.unwrap();
    let put =
        |key: usize, n| document(&plan, "", &format!("{run}{key}"), version(n), &format!("{{\"n\":{n}}}"));
    let puts: Vec<Delivery> = (0..500).map(|key| put(key, 1)).collect();
    assert!(sink.apply(&puts).await.unwrap().iter().all(|o| matches!(o, Outcome::Applied)));
    let gone: Vec<Delivery> =
        (0..250).map(|key| absent(&plan, "", &format!("{run}{key}"), version(3))).collect();
    assert!(sink.apply(&gone).await.unwrap().iter().all(|o| matches!(o, Outcome::Applied)));
    let old: Vec<Delivery> = (0..500).map(|key| put(key, 2)).collect();
    let outcomes = sink.apply(&old).await.unwrap();
    for (key, outcome) in outcomes.iter().enumerate() {
        assert_eq!(matches!(outcome, Outcome::Superseded), key < 250, "{key} {outcome:?}");
    }
    let mut found = 0;
    for master in masters_of(&url) {
        let marks: BTreeSet<String> = look(&master, &["KEYS", &format!("syncline:mark:{{{name}*")]);
        assert_eq!(marks.len(), 1, "{marks:?}");
        let mark = marks.first().unwrap();
        assert_eq!(look::<String>(&master, &["HGET", mark, "version"]), version(3).to_string());
        found += look::<Vec<String>>(&master, &["KEYS", &format!("{run}*")]).len();
        let tombstones: Vec<String> = look(&master, &["KEYS", &format!("syncline:tombstone:{{{run}*")]);
        found += tombstones.len();
        tombstones.iter().chain(&marks).for_each(|key| _ = look::<i64>(&master, &["DEL", key]));
        let left: Vec<String> = look(&master, &["KEYS", &format!("{run}*")]);
        left.iter().for_each(|key| _ = look::<i64>(&master, &["DEL", key]));
    }
    assert_eq!(found, 500);
}

#[tokio::test]
async fn a_key_whose_tombstone_would_lie_elsewhere_is_refused() {
    let sink = sink(&server("REDIS_CLUSTER"), &unique("cluster"));
    let plan = key_plan(|_| ());
    let outcome = apply_one(&sink, document(&plan, "", "a}b", version(1), "{}")).await;
    assert!(matches!(outcome, Outcome::Refused(error) if error.code() == Code::RedisRefused));
}

/// Two masters of a test's own.
pub(super) fn own_cluster() -> [Server; 2] {
    let options = [
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        "1000",
        "--cluster-require-full-coverage",
        "no",
    ];
    let servers = [Server::start(&options), Server::start(&options)];
    servers[0].look::<String>(&["CLUSTER", "ADDSLOTSRANGE", "0", "8191"]);
    servers[1].look::<String>(&["CLUSTER", "ADDSLOTSRANGE", "8192", "16383"]);
    servers[0].look::<String>(&["CLUSTER", "MEET", "127.0.0.1", &servers[1].port.to_string()]);
    for server in &servers {
        wait_for("the cluster is whole", || {
            let info: String = server.look(&["CLUSTER", "INFO"]);
            info.contains("cluster_state:ok") && info.contains("cluster_slots_assigned:16384")
        });
    }
    servers
}

#[tokio::test]
async fn a_slot_that_moves_is_followed() {
    let [from, to] = own_cluster();
    let url = format!("redis-cluster://127.0.0.1:{}", from.port);
    let (sink, plan) = (sink(&url, "shop"), key_plan(|_| ()));
    // Keys of one slot at the first master.
    let slot = slots::slot("tag");
    let (from, to) = if slot < 8192 { (from, to) } else { (to, from) };
    let key = |n: u64| format!("order:{{tag}}:{n}");
    let put = |n: u64, v: u64| document(&plan, "", &key(n), version(v), &format!("{{\"v\":{v}}}"));
    let apply = async |v: u64| {
        let outcomes = sink.apply(&(0..20).map(|n| put(n, v)).collect::<Vec<_>>()).await.unwrap();
        assert!(outcomes.iter().all(|o| matches!(o, Outcome::Applied)), "{outcomes:?}");
    };
    apply(1).await;
    let id = |server: &Server| server.look::<String>(&["CLUSTER", "MYID"]);
    let slot = slot.to_string();
    to.look::<String>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(&from)]);
    from.look::<String>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(&to)]);
    for n in 0..10 {
        from.look::<String>(&["MIGRATE", "127.0.0.1", &to.port.to_string(), &key(n), "0", "5000"]);
    }
    // Half of the keys have moved. Writes of this slot wait, those of others do not; reads find both halves.
    let mut call: Vec<Delivery> = (0..20).map(|n| put(n, 2)).collect();
    call.push(document(&plan, "", "order:elsewhere", version(2), "{}"));
    let outcomes = sink.apply(&call).await.unwrap();
    assert!(outcomes[..20].iter().all(|o| matches!(o, Outcome::Retry(e) if e.kind() == Kind::Retry)));
    assert!(matches!(outcomes[20], Outcome::Applied));
    let address = |n| syncline_engine::sink::Address { target: "".into(), id: key(n).into() };
    for n in [0, 19] {
        assert_eq!(stored(&sink, &plan, &address(n)).await.unwrap().as_ref(), b"{\"v\":1}");
    }
    for n in 10..20 {
        from.look::<String>(&["MIGRATE", "127.0.0.1", &to.port.to_string(), &key(n), "0", "5000"]);
    }
    for server in [&to, &from] {
        server.look::<String>(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(&to)]);
    }
    apply(2).await;
    assert_eq!(to.look::<i64>(&["CLUSTER", "COUNTKEYSINSLOT", &slot]), 20);
    assert_eq!(from.look::<i64>(&["CLUSTER", "COUNTKEYSINSLOT", &slot]), 0);
}

#[tokio::test]
async fn a_master_that_is_gone_holds_up_only_its_own_keys() {
    let [alive, mut dead] = own_cluster();
    let url = format!("redis-cluster://127.0.0.1:{}", alive.port);
    let (sink, plan) = (sink(&url, "shop"), key_plan(|_| ()));
    let keys: Vec<String> = (0..100).map(|n| format!("order:{n}")).collect();
    let call = |v| keys.iter().map(|key| document(&plan, "", key, version(v), "{}")).collect::<Vec<_>>();
    assert!(sink.apply(&call(1)).await.unwrap().iter().all(|o| matches!(o, Outcome::Applied)));
    dead.kill();
    for v in 2..5 {
        let outcomes = sink.apply(&call(v)).await.unwrap();
        for (key, outcome) in keys.iter().zip(&outcomes) {
            match outcome {
                Outcome::Applied => assert!(slots::slot(key) < 8192),
                Outcome::Retry(error) => {
                    assert!(slots::slot(key) >= 8192 && error.kind() == Kind::Retry, "{error}")
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
