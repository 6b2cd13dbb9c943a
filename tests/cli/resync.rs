//! `resync` on the embedded targets, in place: through a running process, without one, killed and cancelled.

use serde_json::{Value, json};

use super::stage::{PATIENCE, Stage};

const FILE: &str = r#"version: 1
connections:
  shop: sqlite:shop.db
  shelf: sqlite:search.db
  pocket: sqlite:cache.db
  lake: file:lake
pipelines:
  shop:
    source: { connection: shop, tables: ["main.*"] }
    routes:
      - table: main.things
        to:
          - { connection: shelf, index: things }
          - { connection: pocket, key: "thing:{id}" }
          - { connection: lake, path: things }
"#;

const TABLE: [&str; 4] = ["resync", "shop.yaml", "--table", "main.things"];

fn shelf(stage: &Stage) -> rusqlite::Connection {
    let shelf = rusqlite::Connection::open(stage.path("search.db")).unwrap();
    shelf.busy_timeout(PATIENCE).unwrap();
    shelf
}

/// Changes documents of the search index behind Syncline's back: one is missing, one differs, one is too many.
fn corrupt(stage: &Stage) {
    let statements = "DELETE FROM documents WHERE id = '1';
         UPDATE documents SET document = '{\"id\":2,\"name\":\"TWO\"}' WHERE id = '2';
         INSERT INTO documents (index_name, id, version, document) VALUES ('things', '9', 1, '{\"id\":9}');";
    shelf(stage).execute_batch(statements).unwrap();
}

fn documents(stage: &Stage) -> Vec<String> {
    let shelf = shelf(stage);
    let mut select =
        shelf.prepare("SELECT document FROM documents WHERE document IS NOT NULL ORDER BY id").unwrap();
    let rows = select.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn require_all(stage: &Stage) {
    let all = [r#"{"id":1,"name":"one"}"#, r#"{"id":2,"name":"two"}"#, r#"{"id":3,"name":"three"}"#];
    assert_eq!(documents(stage), all);
}

fn resync(stage: &Stage, more: &[&str]) -> super::stage::Done {
    stage.run(&[&TABLE[..], more].concat())
}

fn list(stage: &Stage) -> Vec<Value> {
    stage.run(&["resync", "list", "shop.yaml", "--json"]).ends(0).lines()
}

fn audited(stage: &Stage) -> Vec<Value> {
    let entries = stage.run(&["audit", "list", "shop.yaml", "--json"]).ends(0).lines();
    let action = |entry: &Value| entry["action"].as_str().is_some_and(|action| action.starts_with("resync"));
    entries.into_iter().filter(action).map(|entry| json!([entry["action"], entry["actor"]])).collect()
}

#[test]
fn a_target_is_made_anew_through_a_running_process() {
    let stage = Stage::new(FILE);
    let running = stage.streaming();
    stage.wait("full", || documents(&stage).len() == 3);
    corrupt(&stage);
    let done = resync(&stage, &["--target", "shelf", "--json"]).ends(0);
    let task = done.json();
    let expected = json!([1, "main.things", "shelf", "completed", "local", null]);
    assert_eq!(
        json!([task["id"], task["table"], task["target"], task["state"], task["asked_by"], task["error"]]),
        expected
    );
    require_all(&stage);
    assert_eq!(list(&stage), [task]);
    assert_eq!(audited(&stage), [json!(["resync", "local"])]);
    let status = stage.status();
    let table = &status["pipelines"][0]["tables"][0];
    let count = |term: &str| table[term].as_u64().unwrap();
    assert_eq!(count("accepted"), count("applied") + count("superseded") + count("in_flight"), "{table}");
    running.signal("TERM").ends(0);
}

#[test]
fn a_target_is_made_anew_without_a_process_and_then_the_next() {
    let stage = Stage::new(FILE);
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    corrupt(&stage);
    assert_eq!(resync(&stage, &["--target", "shelf", "--json"]).ends(0).json()["state"], "completed");
    require_all(&stage);
    assert_eq!(resync(&stage, &["--target", "pocket", "--json"]).ends(0).json()["id"], json!(2));
    assert_eq!(list(&stage).len(), 2);
}

#[test]
fn what_cannot_be_made_anew_is_refused_with_what_to_do() {
    let stage = Stage::new(FILE);
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    let several = resync(&stage, &[]).ends(1);
    assert!(
        several.stderr.contains("SYN-2701") && several.stderr.contains("shelf, pocket"),
        "{}",
        several.stderr
    );
    let lines = resync(&stage, &["--target", "lake"]).ends(1);
    assert!(
        lines.stderr.contains("SYN-2701") && lines.stderr.contains("syncline backfill"),
        "{}",
        lines.stderr
    );
    resync(&stage, &["--target", "nowhere"]).ends(2);
    stage.run(&["resync", "shop.yaml", "--table", "main.th*", "--target", "shelf"]).ends(2);
    let over = stage.run(&["resync", "cancel", "shop.yaml", "7"]).ends(2);
    assert!(over.stderr.contains("SYN-2103"), "{}", over.stderr);
    assert_eq!(list(&stage), [Value::Null; 0]);
}

#[test]
fn one_that_was_killed_goes_on_and_one_at_a_time() {
    let stage = Stage::new(FILE);
    let mut running = stage.streaming();
    stage.wait("full", || documents(&stage).len() == 3);
    // Nothing is read while the pipeline is paused: the task stays where it is.
    stage.run(&["pause", "shop.yaml"]).ends(0);
    stage.wait("paused", || stage.state() == "paused");
    corrupt(&stage);
    let mut asking = stage.start(&[&TABLE[..], &["--target", "shelf"]].concat());
    stage.wait("running", || list(&stage).first().is_some_and(|task| task["state"] == "running"));
    let busy = resync(&stage, &["--target", "pocket"]).ends(1);
    assert!(busy.stderr.contains("SYN-2702"), "{}", busy.stderr);
    running.send("KILL");
    drop(running.finish());
    asking.finish().ends(1);

    let running = stage.start(&["run", "shop.yaml"]);
    stage.wait("paused again", || stage.state() == "paused");
    assert_eq!(list(&stage)[0]["state"], "running");
    stage.run(&["resume", "shop.yaml"]).ends(0);
    stage.wait("completed", || list(&stage)[0]["state"] == "completed");
    require_all(&stage);
    running.signal("TERM").ends(0);
}

#[test]
fn one_that_is_cancelled_ends_and_leaves_room_for_the_next() {
    let stage = Stage::new(FILE);
    let running = stage.streaming();
    stage.wait("full", || documents(&stage).len() == 3);
    stage.run(&["pause", "shop.yaml"]).ends(0);
    stage.wait("paused", || stage.state() == "paused");
    let mut asking = stage.start(&[&TABLE[..], &["--target", "shelf", "--json"]].concat());
    stage.wait("running", || list(&stage).first().is_some_and(|task| task["state"] == "running"));
    stage.run(&["resync", "cancel", "shop.yaml", "1", "--json"]).ends(0);
    assert_eq!(asking.finish().ends(5).json()["state"], "cancelled");
    stage.run(&["resync", "cancel", "shop.yaml", "1"]).ends(1);
    stage.run(&["resume", "shop.yaml"]).ends(0);
    assert_eq!(resync(&stage, &["--target", "shelf", "--json"]).ends(0).json()["state"], "completed");
    let said = audited(&stage);
    assert_eq!(said[..2], [json!(["resync", "local"]), json!(["resync cancel", "local"])], "{said:?}");
    running.signal("TERM").ends(0);
}
