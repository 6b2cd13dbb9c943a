//! `checkpoint set`: back is applied again, forward makes tables stale, and what cannot be a checkpoint is refused.

use serde_json::{Value, json};

use super::stage::{PATIENCE, Stage};

const FILE: &str = r#"version: 1
connections:
  shop: sqlite:shop.db
  shelf: sqlite:search.db
pipelines:
  shop:
    source: { connection: shop, tables: ["main.*"] }
    routes:
      - table: main.things
        to: [{ connection: shelf, index: things }]
"#;

/// Three rows that were backfilled, and three changes that came by the stream.
fn written() -> Stage {
    let stage = Stage::new(FILE);
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    for n in 1..=3 {
        stage.sql(&format!("UPDATE things SET name = name || '!' WHERE id = {n};"));
    }
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    stage
}

fn position(stage: &Stage) -> String {
    let lines = stage.run(&["checkpoint", "get", "shop.yaml", "--json"]).ends(0).lines();
    lines[0]["position"].as_str().unwrap().to_owned()
}

fn number(position: &str) -> i64 {
    position.strip_prefix("change ").unwrap().parse().unwrap()
}

fn set(stage: &Stage, to: &str, more: &[&str]) -> super::stage::Done {
    let command = ["checkpoint", "set", "shop.yaml", "--pipeline", "shop", "--position", to, "--json"];
    stage.run(&[&command[..], more].concat())
}

fn shelf(stage: &Stage) -> rusqlite::Connection {
    let shelf = rusqlite::Connection::open(stage.path("search.db")).unwrap();
    shelf.busy_timeout(PATIENCE).unwrap();
    shelf
}

fn names(stage: &Stage) -> Vec<String> {
    let shelf = shelf(stage);
    let sql = "SELECT document ->> '$.name' FROM documents WHERE document IS NOT NULL ORDER BY id";
    let mut select = shelf.prepare(sql).unwrap();
    select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn table(stage: &Stage) -> Value {
    stage.status()["pipelines"][0]["tables"][0].clone()
}

#[test]
fn back_is_shown_then_done_and_what_lies_between_is_applied_again() {
    let stage = written();
    let at = position(&stage);
    let back = format!("change {}", number(&at) - 2);
    let accepted = table(&stage)["accepted"].as_u64().unwrap();
    let shown = set(&stage, &back, &[]).ends(4).json();
    let expected = json!({ "pipeline": "shop", "sink": "shelf", "from": at, "to": back, "direction": "back", "stale": [], "moved": false });
    assert_eq!(shown, expected);
    assert_eq!(position(&stage), at);
    assert_eq!(set(&stage, &back, &["--yes"]).ends(0).json()["moved"], true);
    assert_eq!(position(&stage), back);
    let audit = stage.run(&["audit", "list", "shop.yaml", "--json"]).ends(0).lines();
    let last = audit.last().unwrap();
    assert_eq!(json!([last["action"], last["actor"]]), json!(["checkpoint set", "local"]), "{last}");

    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    assert_eq!(position(&stage), at);
    assert_eq!(table(&stage)["accepted"].as_u64().unwrap(), accepted + 1, "one change is two entries");
    assert_eq!(names(&stage), ["one!", "two!", "three!"]);
    stage.run(&["verify", "shop.yaml"]).ends(0);
    assert_eq!(set(&stage, &at, &[]).ends(0).json()["direction"], "none");
}

#[test]
fn forward_skips_and_every_table_is_stale_until_it_is_read_again() {
    let stage = written();
    stage.sql("UPDATE things SET name = 'missed' WHERE id = 1; DELETE FROM things WHERE id = 2;");
    let ahead = format!("change {}", number(&position(&stage)) + 3);
    let shown = set(&stage, &ahead, &[]).ends(4);
    assert!(shown.stderr.contains("WARNING") && shown.stderr.contains("main.things"), "{}", shown.stderr);
    assert_eq!(
        (&shown.json()["direction"], &shown.json()["stale"]),
        (&json!("forward"), &json!(["main.things"]))
    );
    assert_eq!(table(&stage)["state"], "ok");
    set(&stage, &ahead, &["--yes"]).ends(0);
    assert_eq!(
        (&table(&stage)["state"], &table(&stage)["error"]["code"]),
        (&json!("stale"), &json!("SYN-2708"))
    );
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    assert_eq!(names(&stage), ["one!", "two!", "three!"]);
    assert_eq!(table(&stage)["state"], "stale");
    stage.run(&["backfill", "shop.yaml"]).ends(0);
    assert_eq!(names(&stage), ["missed", "three!"]);
    assert_eq!(table(&stage)["state"], "ok");
    stage.run(&["verify", "shop.yaml"]).ends(0);
}

#[test]
fn what_cannot_be_a_checkpoint_is_refused() {
    let stage = written();
    let at = position(&stage);
    for (to, why) in [
        ("change 1000", "the last change is"),
        ("change x", "change N"),
        ("binlog.000001:4", "change N"),
        (&*format!("change {}", number(&at) - 1), "inside of a change"),
    ] {
        let done = set(&stage, to, &["--yes"]).ends(1);
        assert!(done.stderr.contains("SYN-2706") && done.stderr.contains(why), "{to}: {}", done.stderr);
    }
    stage.run(&["checkpoint", "set", "shop.yaml", "--pipeline", "none", "--position", "x"]).ends(2);
    let running = stage.streaming();
    let done = set(&stage, &at, &[]).ends(1);
    assert!(done.stderr.contains("SYN-2707"), "{}", done.stderr);
    running.signal("TERM").ends(0);
    assert_eq!(position(&stage), at);

    // Another history of the same name.
    for file in ["shop.db", "shop.db-wal", "shop.db-shm"] {
        let _ = std::fs::remove_file(stage.path(file));
    }
    stage.sql("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL);");
    let done = set(&stage, &at, &["--yes"]).ends(1);
    assert!(done.stderr.contains("SYN-2706") && done.stderr.contains("history"), "{}", done.stderr);
}

#[test]
fn without_a_first_checkpoint_there_is_nothing_to_move() {
    let stage = Stage::new(FILE);
    let done = set(&stage, "change 0", &[]).ends(1);
    assert!(done.stderr.contains("SYN-2706"), "{}", done.stderr);
}
