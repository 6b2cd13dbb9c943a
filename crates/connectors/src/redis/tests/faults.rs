//! Servers that are out of memory, replicas, closed to us, gone, or have lost the scripts. Each on a server of its own.

use syncline_engine::error::{Code, Kind};
use syncline_engine::sink::{Delivery, Outcome, Sink};

use super::*;
use crate::testing::{absent, document};

fn documents(keys: std::ops::Range<u64>, n: u64, size: usize) -> Vec<Delivery> {
    let (plan, json) = (key_plan(|_| ()), format!("{{\"a\":\"{}\"}}", "x".repeat(size)));
    keys.map(|key| document(&plan, "", &format!("order:{key}"), version(n), &json)).collect()
}

fn all_applied(outcomes: &[Outcome]) -> bool {
    outcomes.iter().all(|outcome| matches!(outcome, Outcome::Applied))
}

#[tokio::test]
async fn scripts_that_were_flushed_are_loaded_again() {
    let server = Server::start(&[]);
    let sink = sink(&server.url(), "shop");
    for n in 1..4 {
        assert!(all_applied(&sink.apply(&documents(0..100, n, 10)).await.unwrap()));
        server.look::<String>(&["SCRIPT", "FLUSH"]);
    }
    assert_eq!(server.look::<String>(&["HGET", "syncline:mark:{shop}", "version"]), version(3).to_string());
}

#[tokio::test]
async fn a_full_server_is_waited_for() {
    let server = Server::start(&[]);
    let sink = sink(&server.url(), "shop");
    assert!(all_applied(&sink.apply(&documents(0..10, 1, 10)).await.unwrap()));
    server.look::<String>(&["CONFIG", "SET", "maxmemory", "1"]);
    let error = sink.apply(&documents(0..10, 2, 10)).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::RedisMemory, Kind::Retry), "{error}");
    assert_eq!(sink.probe().await.unwrap_err().code(), Code::RedisMemory);
    sink.ping().await.expect("it answers, whether it takes anything or not");
    server.look::<String>(&["CONFIG", "SET", "maxmemory", "0"]);
    sink.probe().await.unwrap();
    assert!(all_applied(&sink.apply(&documents(0..10, 2, 10)).await.unwrap()));

    // It fills up half way: what fitted is there, the rest is tried again, and nothing is in between.
    let used: u64 = server
        .look::<String>(&["INFO", "memory"])
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:")?.trim().parse().ok())
        .unwrap();
    server.look::<String>(&["CONFIG", "SET", "maxmemory", &(used + (4 << 20)).to_string()]);
    let call = documents(1000..1100, 1, 100_000);
    let mut left = call.len();
    if let Ok(outcomes) = sink.apply(&call).await {
        assert!(outcomes.iter().all(|o| matches!(o, Outcome::Applied | Outcome::Retry(_))), "{outcomes:?}");
        left = outcomes.iter().filter(|o| matches!(o, Outcome::Retry(_))).count();
    }
    assert!(left > 0);
    server.look::<String>(&["CONFIG", "SET", "maxmemory", "0"]);
    assert!(all_applied(&sink.apply(&call).await.unwrap()));
    assert_eq!(server.look::<i64>(&["DBSIZE"]), 10 + 100 + 1);
}

#[tokio::test]
async fn a_replica_is_not_written() {
    let master = Server::start(&[]);
    let replica = Server::start(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
    let sink = sink(&replica.url(), "shop");
    for error in [sink.probe().await.unwrap_err(), sink.apply(&documents(0..1, 1, 1)).await.unwrap_err()] {
        assert_eq!((error.code(), error.kind()), (Code::RedisReadOnly, Kind::Retry), "{error}");
    }
    replica.look::<String>(&["REPLICAOF", "NO", "ONE"]);
    assert!(all_applied(&sink.apply(&documents(0..1, 1, 1)).await.unwrap()));
    // Demoted while we are connected.
    replica.look::<String>(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
    let error = sink.apply(&documents(0..1, 2, 1)).await.unwrap_err();
    assert_eq!(error.code(), Code::RedisReadOnly, "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_a_wrong_configuration_until_it_was_right_once() {
    let server = Server::start(&["--requirepass", "right"]);
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}", server.port);
    let wrong = sink(&url("wrong"), "shop");
    for error in [
        wrong.probe().await.unwrap_err(),
        wrong.ping().await.unwrap_err(),
        wrong.apply(&documents(0..1, 1, 1)).await.unwrap_err(),
    ] {
        assert_eq!((error.code(), error.kind()), (Code::Denied, Kind::Config));
        assert!(!error.to_string().contains("wrong@") && error.to_string().contains("WRONGPASS"), "{error}");
    }
    let none = sink(&server.url(), "shop").probe().await.unwrap_err();
    assert_eq!(none.code(), Code::Denied, "{none}");

    let right = sink(&url("right"), "shop");
    right.probe().await.unwrap();
    assert!(all_applied(&right.apply(&documents(0..3, 1, 1)).await.unwrap()));
    look::<String>(&url("right"), &["CONFIG", "SET", "requirepass", "other"]);
    look::<i64>(&url("other"), &["CLIENT", "KILL", "TYPE", "normal"]);
    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(right.apply(&documents(0..3, 2, 1)).await.unwrap_err().code());
    }
    assert!(
        codes.contains(&Code::RedisDenied) && codes.iter().all(|code| code.kind() == Kind::Retry),
        "{codes:?}"
    );
}

#[tokio::test]
async fn a_missing_permission_parks_nothing() {
    let server = Server::start(&[]);
    let rules = ["ACL", "SETUSER", "app", "on", ">pw", "~order:*", "+@all"];
    server.look::<String>(&rules);
    let url = format!("redis://app:pw@127.0.0.1:{}", server.port);
    let sink = sink(&url, "shop");
    let error = sink.apply(&documents(0..3, 1, 1)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Retry, "{error}");
    server.look::<String>(&[&rules[..], &["~syncline:*"]].concat());
    assert!(all_applied(&sink.apply(&documents(0..3, 1, 1)).await.unwrap()));
}

#[tokio::test]
async fn a_killed_server_is_found_again_with_its_data() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let sink = sink(&server.url(), "shop");
    assert!(all_applied(&sink.apply(&documents(0..50, 1, 10)).await.unwrap()));
    let plan = key_plan(|_| ());
    sink.apply(&[absent(&plan, "", "order:7", version(2))]).await.unwrap();
    server.kill();
    for _ in 0..3 {
        let error = sink.apply(&documents(0..50, 2, 10)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Retry);
        assert!(matches!(error.code(), Code::Unreachable | Code::Interrupted), "{error}");
    }
    let folder = server.folder.path().to_path_buf();
    let again = std::process::Command::new("redis-server")
        .args([
            "--port",
            &server.port.to_string(),
            "--bind",
            "127.0.0.1",
            "--appendonly",
            "yes",
            "--save",
            "",
        ])
        .current_dir(folder)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    server.process = again;
    wait_for("the server is back", || try_look::<String>(&server.url(), &["PING"]).is_ok());
    let outcomes = sink.apply(&documents(0..50, 1, 10)).await.unwrap();
    assert_eq!(outcomes.iter().filter(|o| matches!(o, Outcome::Superseded)).count(), 1);
    assert_eq!(server.look::<i64>(&["EXISTS", "order:7"]), 0);
}

#[tokio::test]
async fn what_is_longer_than_the_server_takes_is_refused_before_it_is_sent() {
    let server = Server::start(&["--proto-max-bulk-len", "1mb"]);
    let sink = sink(&server.url(), "shop");
    let mut call = documents(0..2, 1, 10);
    call.extend(documents(2..3, 1, (1 << 20) + 1));
    let outcomes = sink.apply(&call).await.unwrap();
    assert!(all_applied(&outcomes[..2]));
    assert!(matches!(&outcomes[2], Outcome::Refused(error) if error.code() == Code::RedisRefused));
}

#[tokio::test]
async fn check_names_an_eviction_policy_and_a_strange_server() {
    let server = Server::start(&[]);
    let plain = sink(&server.url(), "shop");
    plain.probe().await.unwrap();
    assert!(plain.check().await.unwrap().is_empty());
    assert_eq!(server.look::<i64>(&["DBSIZE"]), 0, "check and probe leave nothing behind");
    server.look::<String>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let found = plain.check().await.unwrap();
    assert_eq!(
        found.iter().map(|e| (e.code(), e.kind())).collect::<Vec<_>>(),
        [(Code::RedisEviction, Kind::Warning)]
    );
    assert!(found[0].message().contains("allkeys-lru"), "{}", found[0]);

    let as_cluster = sink(&format!("redis-cluster://127.0.0.1:{}", server.port), "shop");
    let error = as_cluster.probe().await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::RedisSetup, Kind::Config), "{error}");
    let no_such_database = sink(&format!("{}/99", server.url()), "shop").probe().await.unwrap_err();
    assert_eq!(no_such_database.code(), Code::RedisSetup, "{no_such_database}");
    let nobody = sink(&format!("redis://127.0.0.1:{}", free_port()), "shop").probe().await.unwrap_err();
    assert_eq!((nobody.code(), nobody.kind()), (Code::Unreachable, Kind::Retry), "{nobody}");
}
