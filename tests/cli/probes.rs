//! What probes see, and that who waits for a peer is woken when it answers again.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use serde_json::json;

use super::metrics::value;
use super::receiver::{Receiver, say};
use super::recovery::{audited, file, get};
use super::stage::Stage;

/// After so many tries in vain a wait is as long as it ever is.
const FAILURES: f64 = 10.0;
/// Less than such a wait, whatever its jitter.
const SHORTEST: Duration = Duration::from_millis(2400);

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// To a receiver of webhooks as well.
fn hooked(recovery: &str, receiver: SocketAddr) -> String {
    file("", recovery, "")
        .replace("  hot: sqlite", &format!("  hook: \"http://{receiver}\"\n  hot: sqlite"))
        .replace("to: [{", "to: [{ connection: hook, url: \"/in\" }, {")
}

/// Requests that were tried again.
fn tries(http: SocketAddr) -> f64 {
    value(http, "syncline_retries_total{pipeline=\"shop\",sink=\"hook\"}").unwrap_or_default()
}

/// Waits until the target has been away for long, and for one more try in vain: there is no other one for [`SHORTEST`].
fn tried(stage: &Stage, http: SocketAddr) -> Instant {
    let before = tries(http);
    stage.wait("away for long", || tries(http) >= before + FAILURES);
    let before = tries(http);
    stage.wait("tried", || tries(http) > before);
    Instant::now()
}

#[test]
fn a_pipeline_that_waits_for_a_target_is_woken_by_a_probe() {
    let (http, receiver) = (free(), free());
    let with_http = format!("http: {{ listen: \"{http}\" }}\nconnections:");
    let stage = Stage::new(&hooked("{ probe: 100ms }", receiver).replace("connections:", &with_http));
    stage.sql("DELETE FROM things");
    let running = stage.streaming();
    let woken = "syncline_recovery_total{pipeline=\"shop\",cause=\"unreachable\",step=\"wake\"}";
    // A busy machine may be late; without the probe it would be late each time.
    let mut in_time = false;
    for outage in 1..=3 {
        let before = value(http, woken).unwrap_or_default();
        stage.sql(&format!("INSERT INTO things VALUES ({}, 'more')", 10 + outage));
        let tried = tried(&stage, http);
        assert_eq!(value(http, woken).unwrap_or_default(), before, "it is not back");
        let back = Receiver::on(receiver, None, |_| say(200));
        stage.wait("delivered", || {
            back.taken().iter().any(|got| got.json()["data"]["key"]["id"] == 10 + outage)
        });
        in_time |= tried.elapsed() < SHORTEST;
        stage.wait("counted", || value(http, woken) == Some(before + 1.0));
        drop(back);
    }
    assert!(in_time, "the wait was not shorter than it would have been");
    assert!(!audited(&stage).is_empty());
    assert!(audited(&stage).iter().all(|step| *step == json!(["unreachable", "hook", "wake", null])));
    running.signal("TERM").ends(0);
}

#[test]
fn probes_see_a_peer_that_hangs_and_hold_up_nothing() {
    // Accepts connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let stage = Stage::new(&hooked("{ probe: 200ms }", silent.local_addr().unwrap()));
    stage.sql("DELETE FROM things");
    let running = stage.streaming();
    let probe = |of: &str| {
        let status = stage.status();
        let probes = status["pipelines"][0]["probes"].as_array().unwrap();
        probes.iter().find(|probe| probe["of"] == of).cloned().unwrap_or_default()
    };
    for of in ["source", "lag", "target/hot"] {
        stage.wait(of, || probe(of)["ok"] == true);
    }
    stage.wait("seen", || probe("target/hook")["ok"] == false);
    let hangs = probe("target/hook");
    assert_eq!(hangs["error"]["code"], "SYN-1202", "{hangs}");
    assert!(
        hangs["error"]["message"].as_str().unwrap().contains("did not answer a probe within 5s"),
        "{hangs}"
    );
    assert_eq!(stage.state(), "streaming", "a probe changes no state");
    stage.sql("INSERT INTO things VALUES (7, 'seven')");
    stage.wait("applied", || !get(&stage, "main.things", "7").is_empty());
    drop(running);
}
