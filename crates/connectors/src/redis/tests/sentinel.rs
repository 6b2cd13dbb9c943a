//! A master behind a sentinel: found, lost, and found again where it was promoted.

use syncline_engine::error::Kind;
use syncline_engine::sink::{Outcome, Sink};

use super::*;
use crate::testing::{document, server, stored, unique};

#[tokio::test]
async fn the_shared_sentinels_name_their_master() {
    let key = unique("sentinel:");
    let sink = sink(&server("REDIS_SENTINEL"), &unique("sentinel"));
    sink.probe().await.unwrap();
    assert!(matches!(
        apply_one(&sink, document(&key_plan(|_| ()), "", &key, version(1), "{}")).await,
        Outcome::Applied
    ));
    let address = syncline_engine::sink::Address { target: "".into(), id: key.as_str().into() };
    assert_eq!(stored(&sink, &key_plan(|_| ()), &address).await.unwrap().as_ref(), b"{}");
}

#[tokio::test]
async fn after_a_failover_the_promoted_replica_is_written() {
    let mut master = Server::start(&[]);
    let port = master.port.to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"]);
    let sentinel = start_sentinel(master.port);
    let url = format!("redis-sentinel://127.0.0.1:{}/main", sentinel.port);
    let (sink, plan) = (sink(&url, "shop"), key_plan(|_| ()));
    let put = |n: u64| document(&plan, "", &format!("order:{n}"), version(n), "{}");
    wait_for("the replica follows", || {
        master.look::<String>(&["INFO", "replication"]).contains("state=online")
            && look::<String>(&sentinel.url(), &["INFO", "sentinel"]).contains("slaves=1")
    });
    for n in 0..100 {
        assert!(matches!(apply_one(&sink, put(n)).await, Outcome::Applied));
    }
    wait_for("the replica has all", || replica.look::<i64>(&["DBSIZE"]) == 101);
    master.kill();

    let began = Instant::now();
    let mut tries = 0;
    while let Err(error) = sink.apply(&[put(100)]).await {
        assert_eq!(error.kind(), Kind::Retry, "{error}");
        assert!(began.elapsed() < Duration::from_secs(30), "{error}");
        tries += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(tries > 0);
    assert_eq!(replica.look::<i64>(&["DBSIZE"]), 102);
    assert_eq!(
        replica.look::<String>(&["HGET", "syncline:mark:{shop}", "version"]),
        version(100).to_string()
    );
}

#[tokio::test]
async fn an_unknown_master_is_named() {
    let master = Server::start(&[]);
    let mut sentinel = start_sentinel(master.port);
    let url = |name: &str| format!("redis-sentinel://127.0.0.1:1,127.0.0.1:{}/{name}", sentinel.port);
    sink(&url("main"), "shop").probe().await.unwrap();
    let error = sink(&url("other"), "shop").probe().await.unwrap_err();
    assert!(error.kind() == Kind::Retry && error.message().contains("`other`"), "{error}");
    let url = url("main");
    sentinel.kill();
    assert_eq!(sink(&url, "shop").probe().await.unwrap_err().kind(), Kind::Retry);
}

/// One sentinel that needs nobody's consent.
fn start_sentinel(master: u16) -> Server {
    let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
    let path = folder.path().join("sentinel.conf");
    let lines = [
        format!("port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {master} 1"),
        "sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n".to_owned(),
    ];
    std::fs::write(&path, lines.join("\n")).unwrap();
    let process = Command::new("redis-server")
        .arg(&path)
        .arg("--sentinel")
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed by: tests/services/services.sh install redis");
    let server = Server { process, port, folder };
    wait_for("the sentinel answers", || try_look::<String>(&server.url(), &["PING"]).is_ok());
    server
}
