//! `recovery:` end to end: what would wait for a person goes on by itself, as often as the file allows and not once more, through kills;
//! every step is in the audit.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use serde_json::{Value, json};

use super::http::get as http_get;
use super::receiver::{Receiver, SECRET, say};
use super::stage::Stage;

/// `more`: lines of the source, of the pipeline and of the route.
pub fn file(source: &str, recovery: &str, route: &str) -> String {
    format!(
        r#"version: 1
connections:
  shop: sqlite:shop.db
  hot: sqlite:cache.db
pipelines:
  shop:
    source: {{ connection: shop, tables: ["main.*"]{source} }}
    max_dead_letters: 0
    recovery: {recovery}
    routes:
      - table: "main.*"
{route}        to: [{{ connection: hot, key: "{{table}}:{{key}}" }}]
"#
    )
}

const TWICE: &str = "limit: { times: 2, within: 1h, pause: 100ms }";

pub fn get(stage: &Stage, table: &str, key: &str) -> String {
    stage.run(&["get", "shop.yaml", table, key, "--target", "hot"]).stdout
}

/// Steps in the audit: cause, place, step and code.
pub fn audited(stage: &Stage) -> Vec<Value> {
    let entries = stage.run(&["audit", "list", "shop.yaml", "--json"]).ends(0).lines();
    stage.run(&["audit", "verify", "shop.yaml"]).ends(0);
    let ours = |entry: &Value| entry["actor"] == "recovery" && entry["action"] == "recovery";
    let entries = entries.into_iter().filter(ours).map(|entry| entry["detail"].clone());
    entries.map(|d| json!([d["cause"], d["of"], d["step"], d["code"]])).collect()
}

fn table(stage: &Stage, name: &str) -> Value {
    let status = stage.status();
    let tables = status["pipelines"][0]["tables"].as_array().unwrap();
    tables.iter().find(|table| table["table"] == name).cloned().unwrap_or_default()
}

fn rows_changed_unseen(stage: &Stage) {
    stage.sql(
        "DELETE FROM things WHERE id = 1; UPDATE things SET name = 'zwei' WHERE id = 2;
         INSERT INTO things VALUES (4, 'four');",
    );
}

/// Takes away the triggers that tell Syncline of changes, changes rows, and nobody has seen it.
fn go_by_unseen(stage: &Stage) {
    let shop = rusqlite::Connection::open(stage.path("shop.db")).unwrap();
    let mut select = shop.prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'").unwrap();
    let names: Vec<String> = select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(!names.is_empty());
    for name in names {
        shop.execute_batch(&format!("DROP TRIGGER \"{name}\"")).unwrap();
    }
    rows_changed_unseen(stage);
}

/// What is read again must be newer than what is swept, so nothing is read before the source has moved on.
fn halts_and_the_source_goes_on(stage: &Stage) {
    stage.wait("halted", || stage.state() == "degraded" && table(stage, "main.things")["state"] == "halted");
    stage.sql("INSERT INTO things VALUES (5, 'five')");
}

fn require_as_in_the_shop(stage: &Stage) {
    assert_eq!(get(stage, "main.things", "1"), "");
    assert!(get(stage, "main.things", "2").contains("zwei"));
    assert!(get(stage, "main.things", "4").contains("four"));
}

#[test]
fn a_table_that_halted_is_read_again_by_itself() {
    let by_hand = file(", backfill: false", "{ probe: 0s }", "");
    let stage = Stage::new(&file("", "{ probe: 0s }", ""));
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    go_by_unseen(&stage);
    std::fs::write(stage.path("shop.yaml"), by_hand).unwrap();
    let halted = stage.run(&["run", "shop.yaml", "--until-current"]);
    assert!(halted.stderr.contains("SYN-1405"), "{}", halted.stderr);
    assert!(get(&stage, "main.things", "1").contains("one"), "a person is waited for");
    assert_eq!(audited(&stage), [] as [Value; 0]);
    let recovery = format!("{{ on: {{ schema_changed: backfill }}, {TWICE} }}");
    std::fs::write(stage.path("shop.yaml"), file(", backfill: false", &recovery, "")).unwrap();
    let running = stage.start(&["run", "shop.yaml"]);
    halts_and_the_source_goes_on(&stage);
    stage.wait("read again", || !get(&stage, "main.things", "5").is_empty());
    stage.wait("swept", || get(&stage, "main.things", "1").is_empty());
    require_as_in_the_shop(&stage);
    assert_eq!(audited(&stage), [json!(["schema_changed", "main.things", "backfill", "SYN-1405"])]);
    running.signal("TERM").ends(0);
}

#[test]
fn a_table_whose_route_says_halt_waits_for_a_person() {
    let stage = Stage::new(&file("", "{}", ""));
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    go_by_unseen(&stage);
    let recovery = format!("{{ on: {{ schema_changed: backfill }}, {TWICE} }}");
    let file = file(", backfill: false", &recovery, "        on_schema_change: halt\n");
    std::fs::write(stage.path("shop.yaml"), file).unwrap();
    let running = stage.start(&["run", "shop.yaml"]);
    halts_and_the_source_goes_on(&stage);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(table(&stage, "main.things")["state"], "halted");
    assert_eq!(audited(&stage), [] as [Value; 0]);
    running.signal("TERM").ends(0);
}

/// A row that the route cannot make a document of halts its table.
fn refuse_one(stage: &Stage, id: u32) {
    stage.sql(&format!("INSERT INTO numbers VALUES ({id}, 'none')"));
}

#[test]
fn what_comes_back_is_taken_up_as_often_as_the_file_allows() {
    let address: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let recovery = format!("{{ on: {{ many_refused: backfill }}, {TWICE} }}");
    let route = "        transform: [{ field: n, type: integer }]\n";
    let http = format!("http: {{ listen: \"{address}\" }}\nconnections:");
    let stage = Stage::new(&file("", &recovery, route).replace("connections:", &http));
    stage.sql("DROP TABLE things; CREATE TABLE numbers (id INTEGER PRIMARY KEY, n TEXT); INSERT INTO numbers VALUES (1, '1')");
    let running = stage.streaming();
    let steps = || stage.status()["pipelines"][0]["recovery"][0]["steps"].as_u64().unwrap_or_default();
    for n in 1..=2 {
        refuse_one(&stage, 10 + n);
        stage.wait("taken up", || steps() == u64::from(n) && table(&stage, "main.numbers")["state"] == "ok");
        stage.sql(&format!("INSERT INTO numbers VALUES ({}, '{n}')", 20 + n));
        stage.wait("followed", || !get(&stage, "main.numbers", &(20 + n).to_string()).is_empty());
    }
    refuse_one(&stage, 13);
    let limited = || stage.status()["pipelines"][0]["recovery"][0]["limited"] == true;
    stage.wait("at its limit", limited);
    std::thread::sleep(Duration::from_secs(1));
    let halted = table(&stage, "main.numbers");
    assert_eq!((&halted["state"], &halted["error"]["code"]), (&json!("halted"), &json!("SYN-2101")));
    let message = halted["error"]["message"].as_str().unwrap();
    assert!(message.contains("2 times within 1h") && message.contains("which is the limit"), "{message}");
    let (_, _, metrics) = http_get(address, "/metrics", "");
    for series in [
        "syncline_probe_up{pipeline=\"shop\",of=\"source\"} 1",
        "syncline_probe_seconds{pipeline=\"shop\",of=\"target/hot\"} ",
        "syncline_recovery_total{pipeline=\"shop\",cause=\"many_refused\",step=\"backfill\"} 2",
        "syncline_recovery_limited{pipeline=\"shop\"} 1",
    ] {
        assert!(metrics.contains(series), "no {series} in {metrics}");
    }
    let expected = json!(["many_refused", "main.numbers", "backfill", "SYN-2101"]);
    assert_eq!(audited(&stage), [expected.clone(), expected.clone()]);
    // Neither a kill nor a start begins it anew.
    running.signal("KILL");
    let running = stage.start(&["run", "shop.yaml"]);
    stage.wait("at its limit again", || stage.state() == "degraded" && limited());
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(audited(&stage).len(), 2);
    // A person is not limited.
    stage.run(&["backfill", "shop.yaml", "--table", "main.numbers"]).ends(0);
    stage.wait("ok", || table(&stage, "main.numbers")["state"] == "ok" && !limited());
    running.signal("TERM").ends(0);
}

#[test]
fn a_step_that_is_killed_goes_on_and_counts_once() {
    let stage = Stage::new(&file("", "{}", ""));
    stage.sql("WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 119) INSERT INTO things SELECT i, 'old' FROM n");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    go_by_unseen(&stage);
    stage.sql("UPDATE things SET name = 'new' WHERE id >= 100");
    let recovery = format!("{{ on: {{ schema_changed: backfill }}, {TWICE} }}");
    let slow = ", backfill: false, chunk_rows: 2, chunk_workers: 1, max_rows_per_second: 4";
    std::fs::write(stage.path("shop.yaml"), file(slow, &recovery, "")).unwrap();
    let running = stage.start(&["run", "shop.yaml"]);
    halts_and_the_source_goes_on(&stage);
    stage.wait("read again", || stage.status()["pipelines"][0]["backfill"][0]["rows"].as_u64() > Some(2));
    running.signal("KILL");
    assert!(get(&stage, "main.things", "119").contains("old"), "it was killed in the middle");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    require_as_in_the_shop(&stage);
    assert!(get(&stage, "main.things", "5").contains("five"));
    assert!(get(&stage, "main.things", "119").contains("new"));
    assert_eq!(audited(&stage), [json!(["schema_changed", "main.things", "backfill", "SYN-1405"])]);
}

#[test]
fn a_source_that_lost_its_history_is_read_anew_by_itself() {
    let recovery = "{ on: { history_lost: backfill }, limit: { times: 1, within: 1h, pause: 100ms } }";
    let stage = Stage::new(&file("", recovery, ""));
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    rows_changed_unseen(&stage);
    stage.sql("DELETE FROM _syncline_changes");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    require_as_in_the_shop(&stage);
    assert_eq!(stage.status()["pipelines"][0]["epoch"], 1);
    assert_eq!(audited(&stage), [json!(["history_lost", null, "backfill", "SYN-1404"])]);
    let entries = stage.run(&["audit", "list", "shop.yaml", "--json"]).ends(0).lines();
    let begun: Vec<_> = entries.iter().filter(|entry| entry["action"] == "new epoch").collect();
    assert_eq!(begun.iter().map(|entry| &entry["actor"]).collect::<Vec<_>>(), ["recovery"]);
    // Once more is beyond the limit, and the process ends as it would without any of this.
    stage.sql("DELETE FROM things WHERE id = 4; DELETE FROM _syncline_changes");
    let halted = stage.run(&["run", "shop.yaml"]).ends(1);
    assert!(
        halted.stderr.contains("SYN-1404") && halted.stderr.contains("which is the limit"),
        "{}",
        halted.stderr
    );
    assert_eq!(audited(&stage).len(), 1);
    assert!(get(&stage, "main.things", "4").contains("four"));
    // Without a process the ledger knows.
    let status = stage.status();
    let known = &status["pipelines"][0]["recovery"][0];
    assert_eq!(json!([known["cause"], known["steps"], known["limited"]]), json!(["history_lost", 1, true]));
}

/// The folder of the ledger, as a backup has it.
fn copy(stage: &Stage, from: &str, to: &str) {
    drop(std::fs::remove_dir_all(stage.path(to)));
    let copied = std::process::Command::new("cp").arg("-r").args([stage.path(from), stage.path(to)]).status();
    assert!(copied.unwrap().success());
}

#[test]
fn what_a_later_history_wrote_is_not_read_over() {
    let stage = Stage::new(&file("", &format!("{{ on: {{ history_lost: backfill }}, {TWICE} }}"), ""));
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    copy(&stage, ".syncline", "old");
    stage.sql("DELETE FROM _syncline_changes");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    assert_eq!(stage.status()["pipelines"][0]["epoch"], 1);
    // The ledger is put back from before, and does not know of the epoch that the target holds.
    copy(&stage, "old", ".syncline");
    stage.sql("DELETE FROM things WHERE id = 2; DELETE FROM _syncline_changes");
    let halted = stage.run(&["run", "shop.yaml", "--until-current"]).ends(1);
    assert!(halted.stderr.contains("SYN-1404") && halted.stderr.contains("SYN-2106"), "{}", halted.stderr);
    assert_eq!(stage.status()["pipelines"][0]["epoch"], 0);
    assert!(get(&stage, "main.things", "2").contains("two"));
}

#[test]
fn a_target_that_refused_is_opened_again() {
    let recovery =
        "{ probe: 0s, on: { target_refused: retry }, limit: { times: 50, within: 1h, pause: 10ms } }";
    let stage = Stage::new(&file("", recovery, ""));
    let running = stage.streaming();
    stage.wait("full", || !get(&stage, "main.things", "3").is_empty());
    // Somebody puts something else there. The database's last pages would hide it.
    for name in ["cache.db-wal", "cache.db-shm"] {
        drop(std::fs::remove_file(stage.path(name)));
    }
    std::fs::write(
        stage.path("other"),
        "this is no database, and it is longer than the header of one is, by far",
    )
    .unwrap();
    std::fs::rename(stage.path("other"), stage.path("cache.db")).unwrap();
    let steps = || stage.status()["pipelines"][0]["recovery"][0]["steps"].as_u64().unwrap_or_default();
    stage.wait("opened again in vain", || steps() > 1);
    for name in ["cache.db", "cache.db-wal", "cache.db-shm"] {
        drop(std::fs::remove_file(stage.path(name)));
    }
    stage.sql("INSERT INTO things VALUES (4, 'four')");
    stage.wait("going on", || !get(&stage, "main.things", "4").is_empty() && stage.state() == "streaming");
    stage.wait("filled again", || !get(&stage, "main.things", "1").is_empty());
    assert_eq!(audited(&stage)[0], json!(["target_refused", "hot", "retry", "SYN-1904"]));
    running.signal("TERM").ends(0);
}

#[test]
fn a_target_that_loses_its_documents_again_and_again_halts() {
    let recovery = "{ probe: 0s, limit: { times: 1, within: 1h, pause: 10ms } }";
    let stage = Stage::new(&file("", recovery, ""));
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    let lose = || {
        for name in ["cache.db", "cache.db-wal", "cache.db-shm"] {
            drop(std::fs::remove_file(stage.path(name)));
        }
    };
    lose();
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    assert!(get(&stage, "main.things", "1").contains("one"));
    assert_eq!(audited(&stage), [json!(["target_lost", "hot", "backfill", null])]);
    lose();
    let halted = stage.run(&["run", "shop.yaml", "--until-current"]).ends(1);
    assert!(
        halted.stderr.contains("SYN-2902") && halted.stderr.contains("which is the limit"),
        "{}",
        halted.stderr
    );
    assert_eq!(audited(&stage).len(), 1);
}

#[test]
fn receivers_are_told_that_there_will_be_no_more() {
    let receiver = Receiver::start(|_| say(200));
    let recovery = "{ on: { many_refused: backfill }, limit: { times: 1, within: 1h, pause: 100ms } }";
    let hook = format!("  hook: {{ url: \"{}\", secret_file: secret }}\n", receiver.url());
    let alerts = "alerts:\n  to: [{ connection: hook, url: /alerts }]\npipelines:";
    let stage = Stage::new(
        &file("", recovery, "        transform: [{ field: name, type: integer }]\n")
            .replace("pipelines:", &format!("{hook}{alerts}")),
    );
    std::fs::write(stage.path("secret"), SECRET).unwrap();
    let running = stage.start(&["run", "shop.yaml"]);
    let told = || receiver.taken().iter().any(|got| got.json()["data"]["name"] == "recovery-limited");
    // Each row of the table is refused, one after the other.
    let next = std::cell::Cell::new(10);
    stage.wait("told", || {
        stage.sql(&format!("INSERT INTO things VALUES ({}, 'bad')", next.replace(next.get() + 1)));
        told()
    });
    let got =
        receiver.taken().into_iter().find(|got| got.json()["data"]["name"] == "recovery-limited").unwrap();
    let data = &got.json()["data"];
    assert_eq!((&data["table"], &data["severity"]), (&json!("main.things"), &json!("critical")), "{data}");
    assert!(data["runbook"].as_str().unwrap().ends_with("recovery-limited.md"));
    assert!(data["summary"].as_str().unwrap().contains("many_refused 1 times"), "{data}");
    running.signal("TERM").ends(0);
}
