//! `verify` and `repair`, through a running process and without one: the embedded targets changed behind Syncline's back.

use serde_json::{Value, json};

use super::stage::{Done, Stage};

const FILE: &str = r#"version: 1
connections:
  shop: sqlite:shop.db
  shelf: sqlite:search.db
  pocket: sqlite:cache.db
pipelines:
  shop:
    source: { connection: shop, tables: ["main.*"] }
    routes:
      - table: main.things
        filter: [{ name: named, when: "name <> 'hidden'" }]
        to:
          - { connection: shelf, index: things }
          - { connection: pocket, key: "thing:{id}" }
"#;

pub fn change(stage: &Stage, file: &str, statements: &str) {
    let target = rusqlite::Connection::open(stage.path(file)).unwrap();
    target.busy_timeout(super::stage::PATIENCE).unwrap();
    target.execute_batch(statements).unwrap();
}

/// One document missing, one different, two too many, in both targets; one of these of the highest version.
fn corrupt(stage: &Stage) {
    change(
        stage,
        "search.db",
        "DELETE FROM documents WHERE id = '1';
         UPDATE documents SET document = '{\"id\":2,\"name\":\"TWO\"}' WHERE id = '2';
         INSERT INTO documents (index_name, id, version, document)
         VALUES ('things', '8', 9223372036854775807, '{}'), ('things', '9', 1, 'no object');",
    );
    change(
        stage,
        "cache.db",
        "DELETE FROM cache WHERE key = 'thing:1';
         UPDATE cache SET value = '{\"id\":2,\"name\":\"TWO\"}' WHERE key = 'thing:2';
         INSERT INTO cache (key, version, value)
         VALUES ('thing:8', 9223372036854775807, '{}'), ('thing:9', 1, 'no object');",
    );
}

/// `(compared, rows as [kind, key, fields])` of a target.
fn found(report: &Value, target: &str) -> (u64, Vec<Value>) {
    let tables = report["tables"].as_array().unwrap();
    let part = tables.iter().find(|part| part["target"] == target).unwrap();
    let rows = part["rows"].as_array().unwrap();
    let counts = ["missing", "different", "extra"].map(|kind| part[kind].as_u64().unwrap());
    assert_eq!((counts.iter().sum::<u64>(), &part["truncated"]), (rows.len() as u64, &json!(false)));
    let rows = rows.iter().map(|row| json!([row["kind"], row["key"], row["fields"]]));
    (part["compared"].as_u64().unwrap(), rows.collect())
}

fn require_all_named(done: &Done) {
    let report = done.json();
    assert_eq!((&report["pipeline"], &report["drift"]), (&json!("shop"), &json!(8)));
    for target in ["shelf", "pocket"] {
        let expected = [
            json!(["missing", {"id": 1}, []]),
            json!(["different", {"id": 2}, ["name"]]),
            json!(["extra", {"id": 8}, []]),
            json!(["extra", {"id": 9}, []]),
        ];
        assert_eq!(found(&report, target), (5, expected.to_vec()), "{target}");
    }
}

#[test]
fn what_was_changed_behind_its_back_is_named_and_put_right() {
    let stage = Stage::new(FILE);
    stage.sql("INSERT INTO things VALUES (4, 'hidden');");
    let running = stage.streaming();
    assert_eq!(stage.status()["pipelines"][0]["verified_at"], Value::Null);
    assert_eq!(stage.run(&["verify", "shop.yaml", "--json"]).ends(0).json()["drift"], json!(0));
    corrupt(&stage);
    require_all_named(&stage.run(&["verify", "shop.yaml", "--json"]).ends(4));
    assert_eq!(stage.status()["pipelines"][0]["drift"], json!(8));
    let text = stage.run(&["verify", "shop.yaml", "--target", "shelf"]).ends(4).stdout;
    assert!(text.contains("main.things shelf: different {\"id\":2} name"), "{text}");

    require_all_named(&stage.run(&["repair", "shop.yaml", "--json"]).ends(4));
    require_all_named(&stage.run(&["verify", "shop.yaml", "--json"]).ends(4));
    let done = stage.run(&["repair", "shop.yaml", "--yes", "--max-repairs", "3", "--json"]).ends(5).json();
    assert_eq!((&done["repaired"], &done["limited"]), (&json!(3), &json!(true)));
    let done = stage.run(&["repair", "shop.yaml", "--yes", "--json"]).ends(0).json();
    assert_eq!((&done["drift"], &done["repaired"], &done["limited"]), (&json!(5), &json!(5), &json!(false)));
    stage.run(&["verify", "shop.yaml"]).ends(0);
    let status = stage.status()["pipelines"][0].clone();
    assert_eq!((&status["drift"], status["verified_at"].is_string()), (&json!(0), true));
    let table = &status["tables"][0];
    let sum = |names: &[&str]| names.iter().map(|name| table[*name].as_i64().unwrap()).sum::<i64>();
    let filtered = table["filtered"]["named"].as_i64().unwrap();
    assert_eq!(sum(&["accepted"]), sum(&["applied", "superseded", "dead", "in_flight"]) + filtered);

    let audit = stage.run(&["audit", "list", "shop.yaml", "--json"]).ends(0).lines();
    let repairs: Vec<&Value> = audit.iter().filter(|entry| entry["action"] == "repair").collect();
    assert_eq!(repairs.len(), 8);
    let told = |entry: &&Value| entry["detail"].to_string().contains("TWO");
    assert!(repairs.iter().any(told), "what was there before is told: {repairs:?}");
    stage.run(&["audit", "verify", "shop.yaml"]).ends(0);
    running.signal("TERM").ends(0);
    assert!(
        !stage.path(".syncline/verify").exists()
            || stage.path(".syncline/verify").read_dir().unwrap().next().is_none()
    );
}

#[test]
fn a_foreign_tombstone_above_the_source_is_taken_away() {
    let stage = Stage::new(FILE);
    let running = stage.streaming();
    stage.run(&["verify", "shop.yaml"]).ends(0);
    let highest = "version = 9223372036854775807";
    change(&stage, "search.db", &format!("UPDATE documents SET document = NULL, {highest} WHERE id = '1';"));
    change(&stage, "cache.db", &format!("UPDATE cache SET value = NULL, {highest} WHERE key = 'thing:2';"));
    let done = stage.run(&["repair", "shop.yaml", "--yes", "--json"]).ends(0).json();
    assert_eq!((&done["drift"], &done["repaired"]), (&json!(2), &json!(2)));
    stage.run(&["verify", "shop.yaml"]).ends(0);
    // What follows is of the source's versions again.
    stage.sql("UPDATE things SET name = 'uno' WHERE id = 1;");
    stage.wait("changed", || {
        stage.run(&["get", "shop.yaml", "main.things", "1", "--target", "shelf"]).stdout.contains("uno")
    });
    running.signal("TERM").ends(0);
}

#[test]
fn without_a_process_the_pipelines_run_until_it_is_done() {
    let stage = Stage::new(FILE);
    stage.sql("INSERT INTO things VALUES (4, 'hidden');");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    corrupt(&stage);
    // What the source has changed meanwhile is not drift.
    stage.sql("UPDATE things SET name = 'three again' WHERE id = 3;");
    require_all_named(&stage.run(&["verify", "shop.yaml", "--json"]).ends(4));
    assert_eq!(stage.status()["pipelines"][0]["drift"], json!(8));
    stage.run(&["repair", "shop.yaml", "--yes"]).ends(0);
    stage.run(&["verify", "shop.yaml"]).ends(0);
}

#[test]
fn names_that_the_file_lacks_and_a_paused_pipeline_are_told() {
    let stage = Stage::new(FILE);
    for arguments in [["--table", "main.nothing!"], ["--target", "nowhere"], ["--pipeline", "none"]] {
        stage.run(&[&["verify", "shop.yaml"], &arguments[..]].concat()).ends(2);
    }
    let running = stage.streaming();
    stage.run(&["pause", "shop.yaml"]).ends(0);
    stage.wait("paused", || stage.state() == "paused");
    let done = stage.run(&["verify", "shop.yaml"]).ends(1);
    assert!(done.stderr.contains("SYN-2501") && done.stderr.contains("paused"), "{}", done.stderr);
    running.signal("TERM").ends(0);
}
