//! `verify` of a part: one tenant's rows, what changed of late, a sample, named keys; and a comparison that was killed goes on.

use serde_json::{Value, json};

use super::stage::{PATIENCE, Stage};

const FILE: &str = r#"version: 1
connections:
  shop: sqlite:shop.db
  shelf: sqlite:search.db
  pocket: sqlite:cache.db
pipelines:
  shop:
    source: { connection: shop, tables: ["main.*"] }
    tenant: owner
    routes:
      - table: "main.*"
        transform: [{ field: whose, from: owner }]
        to:
          - { connection: shelf, index: "{table}" }
          - { connection: pocket, key: "{table}:{id}" }
"#;

/// Thousand orders of three owners.
fn stage() -> Stage {
    let stage = Stage::new(FILE);
    stage.sql(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, owner TEXT, n INTEGER);
         INSERT INTO orders SELECT value, 'owner ' || (value % 3), value FROM (WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 1000) SELECT value FROM n);",
    );
    stage
}

fn change(stage: &Stage, file: &str, statements: &str) {
    let target = rusqlite::Connection::open(stage.path(file)).unwrap();
    target.busy_timeout(PATIENCE).unwrap();
    target.execute_batch(statements).unwrap();
}

/// Order 3 is missing, 4 says something else, 6 is said to be another owner's, two strays of owners 0 and 1; of one target.
fn corrupt(stage: &Stage) {
    change(
        stage,
        "cache.db",
        "DELETE FROM cache WHERE key = 'orders:3';
         UPDATE cache SET value = json_set(value, '$.n', -1) WHERE key = 'orders:4';
         UPDATE cache SET value = json_set(value, '$.whose', 'owner 1') WHERE key = 'orders:6';
         INSERT INTO cache (key, version, value) VALUES
             ('orders:9000', 1, '{\"whose\":\"owner 0\"}'), ('orders:9001', 1, '{\"whose\":\"owner 1\"}');",
    );
}

/// `[kind, id]` of what was found in the cache, and how many documents were compared there.
fn found(report: &Value) -> (Vec<Value>, u64) {
    let tables = report["tables"].as_array().unwrap();
    let of_cache = |part: &&Value| part["target"] == "pocket" && part["table"] == "main.orders";
    let part = tables.iter().find(of_cache).unwrap();
    assert!(tables.iter().filter(|part| part["target"] != "pocket").all(|part| part["rows"] == json!([])));
    let rows = part["rows"].as_array().unwrap();
    let mut rows: Vec<Value> = rows.iter().map(|row| json!([row["kind"], row["id"]])).collect();
    rows.sort_by_key(Value::to_string);
    (rows, part["compared"].as_u64().unwrap())
}

#[test]
fn one_tenants_rows_and_documents() {
    let stage = stage();
    let running = stage.streaming();
    corrupt(&stage);
    let report = stage.run(&["verify", "shop.yaml", "--tenant", "owner 0", "--json"]).ends(4).json();
    let expected = ["missing orders:3", "different orders:6", "extra orders:9000"];
    let mut expected: Vec<Value> = expected.map(|text| json!(text.split(' ').collect::<Vec<_>>())).to_vec();
    expected.sort_by_key(Value::to_string);
    assert_eq!(found(&report), (expected, 334), "the things have no owner, the others' are not told");
    assert_eq!(stage.status()["pipelines"][0]["verified_at"], Value::Null, "a part is not all");
    stage.run(&["repair", "shop.yaml", "--tenant", "owner 0", "--yes"]).ends(0);
    let report = stage.run(&["verify", "shop.yaml", "--json"]).ends(4).json();
    assert_eq!(found(&report).0, [json!(["different", "orders:4"]), json!(["extra", "orders:9001"])]);
    let none = stage.run(&["verify", "shop.yaml", "--tenant", "nobody", "--json"]).ends(0).json();
    assert_eq!(found(&none), (vec![], 0));
    running.signal("TERM").ends(0);
    std::fs::write(stage.path("shop.yaml"), FILE.replace("    tenant: owner\n", "")).unwrap();
    let done = stage.run(&["verify", "shop.yaml", "--tenant", "owner 0"]).ends(2);
    assert!(done.stderr.contains("`tenant: COLUMN`"), "{}", done.stderr);
}

#[test]
fn a_document_that_says_it_is_anothers_is_put_right_and_not_deleted() {
    let stage = stage();
    let running = stage.streaming();
    corrupt(&stage);
    let one = ["--tenant", "owner 1", "--json"];
    let report = stage.run(&[&["repair", "shop.yaml", "--yes"], &one[..]].concat()).ends(0).json();
    let wrong =
        [json!(["different", "orders:4"]), json!(["different", "orders:6"]), json!(["extra", "orders:9001"])];
    assert_eq!(found(&report), (wrong.to_vec(), 336), "order 6 is owner 0's, and stays it");
    let left = stage.run(&["verify", "shop.yaml", "--json"]).ends(4).json();
    assert_eq!(found(&left).0, [json!(["extra", "orders:9000"]), json!(["missing", "orders:3"])]);
    running.signal("TERM").ends(0);
}

#[test]
fn what_changed_of_late() {
    let stage = stage();
    let running = stage.streaming();
    stage.sql(
        "UPDATE _syncline_changes SET at = at - 300000;
         UPDATE orders SET n = n + 1 WHERE id IN (3, 5); DELETE FROM orders WHERE id = 7; UPDATE orders SET id = 2000 WHERE id = 8;",
    );
    stage.run(&["verify", "shop.yaml"]).ends(0);
    corrupt(&stage);
    change(
        &stage,
        "cache.db",
        "INSERT OR REPLACE INTO cache (key, version, value) VALUES ('orders:7', 1, '{}'), ('orders:8', 1, '{}');
         UPDATE cache SET value = '{}' WHERE key = 'orders:5';",
    );
    let report = stage.run(&["verify", "shop.yaml", "--since", "1m", "--json"]).ends(4).json();
    let expected = [
        json!(["different", "orders:5"]),
        json!(["extra", "orders:7"]),
        json!(["extra", "orders:8"]),
        json!(["missing", "orders:3"]),
    ];
    assert_eq!(found(&report), (expected.to_vec(), 5), "3, 5, 7, 8 and 2000; not what was changed long ago");
    stage.run(&["repair", "shop.yaml", "--since", "1m", "--yes"]).ends(0);
    let left = stage.run(&["verify", "shop.yaml", "--json"]).ends(4).json();
    assert_eq!(left["drift"], json!(4), "4, 6, 9000 and 9001");
    running.signal("TERM").ends(0);
    let forgotten = "UPDATE _syncline_meta SET value = 1 WHERE name = 'pruned'; DELETE FROM _syncline_changes WHERE id = 1";
    stage.sql(forgotten);
    let done = stage.run(&["verify", "shop.yaml", "--since", "1h"]).ends(1);
    assert!(done.stderr.contains("SYN-2505"), "{}", done.stderr);
    stage.run(&["verify", "shop.yaml", "--since", "soon"]).ends(2);
}

/// More than are judged together: most are done with at the first look.
#[test]
fn many_rows_that_changed_of_late() {
    let stage = stage();
    let running = stage.streaming();
    stage.sql(
        "UPDATE _syncline_changes SET at = at - 300000;
         UPDATE orders SET n = n + 1 WHERE id > 100; DELETE FROM orders WHERE id IN (200, 201); UPDATE orders SET id = 2000 WHERE id = 202;",
    );
    stage.run(&["verify", "shop.yaml"]).ends(0);
    change(
        &stage,
        "cache.db",
        "DELETE FROM cache WHERE key IN ('orders:3', 'orders:300');
         UPDATE cache SET value = json_set(value, '$.n', -1) WHERE key IN ('orders:4', 'orders:400');
         INSERT OR REPLACE INTO cache (key, version, value) VALUES ('orders:200', 1, '{}'), ('orders:202', 1, '{}'), ('orders:9000', 1, '{}');",
    );
    let expected = [
        json!(["different", "orders:400"]),
        json!(["extra", "orders:200"]),
        json!(["extra", "orders:202"]),
        json!(["missing", "orders:300"]),
    ];
    let report = stage.run(&["verify", "shop.yaml", "--since", "1m", "--json"]).ends(4).json();
    assert_eq!(found(&report), (expected.to_vec(), 901));
    stage.run(&["repair", "shop.yaml", "--since", "1m", "--yes"]).ends(0);
    let left = stage.run(&["verify", "shop.yaml", "--json"]).ends(4).json();
    assert_eq!(left["drift"], json!(3), "3, 4 and 9000");
    running.signal("TERM").ends(0);
}

#[test]
fn a_table_that_was_made_anew_is_compared_as_a_whole() {
    let stage = stage();
    let running = stage.streaming();
    stage.sql("UPDATE _syncline_changes SET at = at - 300000");
    stage.sql("ALTER TABLE orders ADD COLUMN more TEXT DEFAULT 'x'");
    stage.wait("read again", || {
        let report = stage.run(&["verify", "shop.yaml", "--json"]);
        report.code == Some(0) && found(&report.json()).1 == 1000
    });
    corrupt(&stage);
    let report = stage.run(&["verify", "shop.yaml", "--since", "1m", "--json"]).ends(4).json();
    assert_eq!(found(&report).0.len(), 5);
    running.signal("TERM").ends(0);
}

#[test]
fn a_sample() {
    let stage = stage();
    let running = stage.streaming();
    let report = stage.run(&["verify", "shop.yaml", "--sample", "100", "--json"]).ends(0).json();
    let (_, compared) = found(&report);
    assert!((80..=100).contains(&compared), "{compared}");
    // Every second document says something else: ninety rows cannot all have been spared.
    change(
        &stage,
        "cache.db",
        "UPDATE cache SET value = json_set(value, '$.n', -1) WHERE key LIKE 'orders:%' AND version % 2 = 0;
        UPDATE cache SET value = json_set(value, '$.n', -1) WHERE key LIKE 'orders:%' AND rowid % 2 = 0;",
    );
    let report = stage.run(&["verify", "shop.yaml", "--sample", "100", "--json"]).ends(4).json();
    let (rows, compared) = found(&report);
    assert!(
        compared <= 100 && rows.len() > 10 && rows.len() as u64 <= compared,
        "{} of {compared}",
        rows.len()
    );
    let all = stage.run(&["verify", "shop.yaml", "--sample", "5000", "--json"]).ends(4).json();
    assert_eq!(found(&all).1, 1000, "there are no more");
    stage.run(&["verify", "shop.yaml", "--sample", "0"]).ends(2);
    stage.run(&["verify", "shop.yaml", "--sample", "5", "--since", "1m"]).ends(2);
    running.signal("TERM").ends(0);
}

#[test]
fn a_comparison_that_was_killed_goes_on() {
    let stage = stage();
    // So many that the second table takes seconds.
    stage.sql("INSERT INTO things SELECT id + 10, 'more' FROM orders");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    let mut slow = stage.start(&["verify", "shop.yaml", "--rows-per-second", "100"]);
    stage.wait("done with the first table", || {
        let ledger = rusqlite::Connection::open(stage.path(".syncline/ledger.db")).unwrap();
        ledger.busy_timeout(PATIENCE).unwrap();
        let sql = "SELECT value FROM property WHERE name = 'verify.interrupted'";
        ledger
            .query_row(sql, [], |row| row.get::<_, String>(0))
            .is_ok_and(|text| text.contains("main.orders"))
    });
    slow.send("KILL");
    drop(slow);
    // What is changed in the table that it was done with is not seen by the one that goes on, which shows that it does.
    corrupt(&stage);
    change(&stage, "search.db", "DELETE FROM documents WHERE index_name = 'things' AND id = '2'");
    let report = stage.run(&["verify", "shop.yaml", "--resume", "--json"]).ends(4).json();
    assert_eq!((&report["drift"], report["tables"].as_array().unwrap().len()), (&json!(1), 4));
    let report = stage.run(&["verify", "shop.yaml", "--resume", "--json"]).ends(4).json();
    assert_eq!(report["drift"], json!(6), "nothing is left to go on with");
}

#[test]
fn named_keys() {
    let stage = stage();
    let running = stage.streaming();
    corrupt(&stage);
    let keys = |more: &[&str]| -> Vec<String> {
        let named = ["3", "4", "5", "9000", "77777"].iter().flat_map(|key| ["--key", key]);
        let head = ["--table", "main.orders", "--json"].into_iter().chain(more.iter().copied());
        head.chain(named).map(str::to_owned).collect()
    };
    let verify = |first: &str, more: &[&str]| {
        let mut words = vec![first.to_owned(), "shop.yaml".to_owned()];
        words.extend(keys(more));
        stage.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let (rows, compared) = found(&verify("verify", &[]).ends(4).json());
    let wrong =
        [json!(["different", "orders:4"]), json!(["extra", "orders:9000"]), json!(["missing", "orders:3"])];
    assert_eq!((rows, compared), (wrong.to_vec(), 5), "5 is as it should be, 6 and 9001 were not named");
    assert_eq!(stage.status()["pipelines"][0]["verified_at"], Value::Null, "a part is not all");
    verify("repair", &["--yes"]).ends(0);
    assert_eq!(found(&verify("verify", &[]).ends(0).json()), (vec![], 5));
    let report = stage.run(&["verify", "shop.yaml", "--json"]).ends(4).json();
    assert_eq!(found(&report).0, [json!(["different", "orders:6"]), json!(["extra", "orders:9001"])]);
    running.signal("TERM").ends(0);
    stage.run(&["verify", "shop.yaml", "--key", "3"]).ends(2);
    let pattern = stage.run(&["verify", "shop.yaml", "--table", "main.*", "--key", "3"]);
    assert!(pattern.stderr.contains("name it"), "{}", pattern.stderr);
    let text = stage.run(&["verify", "shop.yaml", "--table", "main.orders", "--key", "three"]);
    assert!(text.stderr.contains("no value of the key"), "{}", text.stderr);
}
