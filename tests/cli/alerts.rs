//! Alerts by webhook end to end: trouble of a real pipeline arrives once at a receiver of our own, and so does its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::receiver::{Receiver, SECRET, say};
use super::stage::Stage;
use super::verify::change;

/// `more` stands in `alerts:`, `entry` in the schedule.
fn stage(receiver: &Receiver, more: &str, entry: &str) -> Stage {
    let stage = Stage::new(&format!(
        r#"version: 1
connections:
  shop: sqlite:shop.db
  shelf: sqlite:search.db
  hook: {{ url: "{}/base", secret_file: secret, request_timeout: 5s }}
alerts:
  to: [{{ connection: hook, url: /alerts }}]
  for: 1s
  runbooks: https://example.com/pages/
{more}
pipelines:
  shop:
    source: {{ connection: shop, tables: ["main.*"] }}
    schedule: [{entry}]
    routes:
      - table: main.*
        to: [{{ connection: shelf, index: "{{table}}" }}]
"#,
        receiver.url()
    ));
    std::fs::write(stage.path("secret"), SECRET).unwrap();
    stage
}

/// What was taken: type, name and place.
fn told(receiver: &Receiver) -> Vec<(String, String, Value)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let one = |body: Value| {
        let data = &body["data"];
        (text(&body["type"]), text(&data["name"]), json!([data["table"], data["target"], data["task"]]))
    };
    receiver.taken().iter().map(|got| one(got.json())).collect()
}

fn firing(name: &str, place: Value) -> (String, String, Value) {
    ("alert.firing".to_owned(), name.to_owned(), place)
}

fn resolved(name: &str, place: Value) -> (String, String, Value) {
    ("alert.resolved".to_owned(), name.to_owned(), place)
}

#[test]
fn trouble_is_told_once_and_so_is_its_end() {
    let receiver = Receiver::start(|_| say(200));
    let stage = stage(&receiver, "", "");
    let running = stage.streaming();
    stage.run(&["verify", "shop.yaml"]).ends(0);
    change(&stage, "search.db", "DELETE FROM documents WHERE id = '1'");
    stage.run(&["verify", "shop.yaml"]).ends(4);
    let all = json!([null, null, null]);
    stage.wait("told of the drift", || told(&receiver) == [firing("drift", all.clone())]);
    let got = receiver.taken()[0].clone();
    assert_eq!(got.path, "/base/alerts");
    let data = &got.json()["data"];
    assert_eq!(
        (&data["severity"], &data["pipeline"], &data["value"]),
        (&json!("warning"), &json!("shop"), &json!(1.0))
    );
    assert_eq!(data["runbook"], "https://example.com/pages/drift.md");
    assert!(data["summary"].as_str().unwrap().contains("1 documents") && data["since"].is_string(), "{data}");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(told(&receiver).len(), 1, "it is told once");
    stage.run(&["repair", "shop.yaml", "--yes"]).ends(0);
    let mut wanted = vec![firing("drift", all.clone()), resolved("drift", all)];
    stage.wait("told of its end", || told(&receiver) == wanted);

    let shelf = rusqlite::Connection::open(stage.path("search.db")).unwrap();
    shelf.execute_batch("BEGIN IMMEDIATE").unwrap();
    stage.sql("INSERT INTO things VALUES (4, 'four')");
    let target = json!([null, "shelf", null]);
    wanted.push(firing("target-retrying", target.clone()));
    stage.wait("told of the target", || told(&receiver) == wanted);
    shelf.execute_batch("COMMIT").unwrap();
    wanted.push(resolved("target-retrying", target));
    stage.wait("told that it is back", || told(&receiver) == wanted);

    stage.sql("CREATE TABLE keyless (name TEXT); INSERT INTO keyless VALUES ('one')");
    wanted.push(firing("table-halted", json!(["main.keyless", null, null])));
    stage.wait("told of the table", || told(&receiver) == wanted);
    running.signal("TERM").ends(0);
    assert_eq!(told(&receiver), wanted, "what ends with the process is not over");
}

#[test]
fn a_receiver_that_is_away_is_told_later_and_holds_up_nothing() {
    let away = Arc::new(AtomicBool::new(true));
    let script = Arc::clone(&away);
    let receiver = Receiver::start(move |_| say(if script.load(Ordering::Relaxed) { 500 } else { 200 }));
    let stage = stage(
        &receiver,
        "  repeat: 2s",
        "{ task: verify, cron: '*/2 * * * * ?', repair: auto, max_repairs: 1 }",
    );
    let running = stage.streaming();
    change(&stage, "search.db", "DELETE FROM documents WHERE index_name = 'things'");
    stage.wait("tried", || receiver.got().len() > 1);
    assert!(told(&receiver).is_empty());
    stage.sql("INSERT INTO things VALUES (4, 'four')");
    stage.wait("going on", || stage.status()["pipelines"][0]["tables"][0]["applied"].as_u64() >= Some(4));
    away.store(false, Ordering::Relaxed);
    let all = json!([null, null, null]);
    stage.wait("told that the limit was reached, again and again", || {
        let limit = firing("repair-limit", all.clone());
        told(&receiver).iter().filter(|one| **one == limit).count() > 2
    });
    let (taken, got) = (receiver.taken(), receiver.got());
    let first = taken.iter().find(|one| one.id == got[0].id).unwrap();
    assert!(first.attempt > 1, "the same message came again under the same id");
    let mut ids: Vec<&str> = taken.iter().map(|one| one.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), taken.len(), "and no two messages share one");
    running.signal("TERM").ends(0);
}

#[test]
fn a_pipeline_that_halts_is_told_before_its_process_ends() {
    let receiver = Receiver::start(|_| say(200));
    let stage = stage(&receiver, "", "");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    // The captured changes are gone, as after a restore of an older copy.
    stage.sql("DELETE FROM things WHERE id = 1; DELETE FROM _syncline_changes");
    stage.run(&["run", "shop.yaml"]).ends(1);
    assert_eq!(told(&receiver), [firing("pipeline-halted", json!([null, null, null]))]);
    let summary = receiver.taken()[0].json()["data"]["summary"].as_str().unwrap().to_owned();
    assert!(summary.contains("SYN-1404"), "{summary}");
}
