//! `resync` of some rows of a table: a tenant's, those of a range of keys, those for which a condition is true. In place, and
//! nothing else is touched.

use serde_json::{Value, json};

use super::stage::{Done, PATIENCE, Running, Stage};

const FILE: &str = r#"version: 1
connections:
  shop: sqlite:shop.db
  shelf: sqlite:search.db
  pocket: sqlite:cache.db
pipelines:
  shop:
    source: { connection: shop, tables: ["main.orders"] }
    tenant: owner
    routes:
      - table: main.orders
        to:
          - { connection: shelf, index: orders }
          - { connection: pocket, key: "order:{key}" }
"#;

const ORDERS: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY, owner TEXT, n INTEGER);
    INSERT INTO orders VALUES (1, 'a', 10), (2, 'a', 20), (3, 'b', 30), (4, 'b', 40), (6, 'a', 60);";

fn shelf(stage: &Stage) -> rusqlite::Connection {
    let shelf = rusqlite::Connection::open(stage.path("search.db")).unwrap();
    shelf.busy_timeout(PATIENCE).unwrap();
    shelf
}

/// All documents are of version 1, so that those that are written anew show; some are gone, wrong, or have no row.
fn corrupt(stage: &Stage) {
    let statements = "UPDATE documents SET version = 1;
         DELETE FROM documents WHERE id IN ('1', '3');
         UPDATE documents SET document = json_set(document, '$.n', -1) WHERE id IN ('2', '4');
         INSERT INTO documents (index_name, id, version, document) VALUES
            ('orders', '5', 1, '{\"id\":5,\"owner\":\"a\",\"n\":50}'),
            ('orders', '9', 1, '{\"id\":9,\"owner\":\"b\",\"n\":90}');";
    shelf(stage).execute_batch(statements).unwrap();
}

/// Number, `n`, and whether it was written anew, of each document.
fn documents(stage: &Stage) -> Vec<(i64, i64, bool)> {
    let shelf = shelf(stage);
    let mut select = shelf
        .prepare(
            "SELECT document ->> '$.id', document ->> '$.n', version > 1 FROM documents
             WHERE document IS NOT NULL ORDER BY 1",
        )
        .unwrap();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// With the target full, and corrupted then.
fn begun() -> (Stage, Running) {
    let stage = Stage::new(FILE);
    stage.sql(ORDERS);
    let running = stage.streaming();
    stage.wait("full", || documents(&stage).len() == 5);
    corrupt(&stage);
    (stage, running)
}

fn resync(stage: &Stage, part: &[&str]) -> Done {
    let command = ["resync", "shop.yaml", "--table", "main.orders", "--target", "shelf", "--json"];
    stage.run(&[&command[..], part].concat())
}

fn completed(stage: &Stage, part: &[&str]) -> Value {
    let task = resync(stage, part).ends(0).json();
    assert_eq!(task["state"], "completed", "{task}");
    task["part"].clone()
}

#[test]
fn the_rows_of_a_tenant() {
    let (stage, running) = begun();
    assert_eq!(completed(&stage, &["--tenant", "a"]), json!({ "tenant": "a" }));
    // 5 says that it is the tenant's, and has no row. What is b's is as it was.
    let expected = [(1, 10, true), (2, 20, true), (4, -1, false), (6, 60, true), (9, 90, false)];
    assert_eq!(documents(&stage), expected);
    running.signal("TERM").ends(0);
}

#[test]
fn the_rows_of_a_range_of_keys_with_both_ends() {
    let (stage, running) = begun();
    assert_eq!(completed(&stage, &["--from", "2", "--to", "5"]), json!({ "from": "2", "to": "5" }));
    let expected = [(2, 20, true), (3, 30, true), (4, 40, true), (6, 60, false), (9, 90, false)];
    assert_eq!(documents(&stage), expected);
    assert_eq!(completed(&stage, &["--from", "6"]), json!({ "from": "6" }));
    assert_eq!(documents(&stage)[3..], [(6, 60, true)]);
    assert_eq!(completed(&stage, &["--to", "1"]), json!({ "to": "1" }));
    assert_eq!(documents(&stage)[0], (1, 10, true));
    running.signal("TERM").ends(0);
}

#[test]
fn the_rows_for_which_a_condition_is_true_and_without_a_process() {
    let (stage, running) = begun();
    running.signal("TERM").ends(0);
    let condition = "n < 60 and owner in ('a', 'c')";
    assert_eq!(completed(&stage, &["--where", condition]), json!({ "where": condition }));
    // 5 says what makes it true, and has no row. 9 says something else.
    let expected = [(1, 10, true), (2, 20, true), (4, -1, false), (6, 60, false), (9, 90, false)];
    assert_eq!(documents(&stage), expected);
    let drift = stage.run(&["verify", "shop.yaml", "--json"]).ends(4).json();
    assert_eq!(drift["drift"], 3, "{drift}");
}

/// Documents that lie about their rows: 3 says that it is a's, 6 that it is less than it is; both have a row that is not of the part.
#[test]
fn what_has_a_row_is_never_taken_away() {
    let (stage, running) = begun();
    let lies = "INSERT OR REPLACE INTO documents (index_name, id, version, document) VALUES
            ('orders', '3', 1, '{\"id\":3,\"owner\":\"a\",\"n\":30}'),
            ('orders', '6', 1, '{\"id\":5,\"owner\":\"b\",\"n\":1}');";
    let lie = || shelf(&stage).execute_batch(lies).unwrap();
    lie();
    completed(&stage, &["--tenant", "a"]);
    let expected =
        [(1, 10, true), (2, 20, true), (3, 30, true), (4, -1, false), (6, 60, true), (9, 90, false)];
    assert_eq!(documents(&stage), expected);
    lie();
    completed(&stage, &["--where", "n < 10"]);
    assert_eq!(documents(&stage)[4], (6, 60, true));
    lie();
    completed(&stage, &["--where", "owner = 'b'"]);
    assert_eq!(documents(&stage), [1, 2, 3, 4, 6].map(|id| (id, 10 * id, true)));
    running.signal("TERM").ends(0);
}

/// The shelf is asked by names that are texts or several parts.
#[test]
fn strays_whose_keys_are_no_numbers() {
    let by = |id: &str| FILE.replace("index: orders }", &format!("index: orders, id: \"{id}\" }}"));
    let stage = Stage::new(&by("{key}"));
    stage.sql(
        "CREATE TABLE orders (id TEXT, part INTEGER, owner TEXT, n INTEGER, PRIMARY KEY (id, part));
         INSERT INTO orders VALUES ('x', 1, 'a', 10), ('x', 2, 'b', 20), ('y:%', 1, 'a', 30);",
    );
    let running = stage.streaming();
    let ids = || -> Vec<String> {
        let shelf = shelf(&stage);
        let select = "SELECT id FROM documents WHERE document IS NOT NULL ORDER BY id";
        let mut select = shelf.prepare(select).unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    stage.wait("full", || ids().len() == 3);
    let strays = "INSERT INTO documents (index_name, id, version, document) VALUES
            ('orders', 'x:3', 1, '{\"owner\":\"a\",\"n\":5}'), ('orders', 'z%3A:1', 1, '{\"owner\":\"a\",\"n\":6}'),
            ('orders', 'z', 1, '{\"owner\":\"a\",\"n\":5}'), ('orders', 'x:4', 1, '{\"owner\":\"b\",\"n\":5}'),
            ('orders', 'x:5', 1, '{\"owner\":\"a\"}'), ('orders', 'X:1', 1, '{\"owner\":\"a\",\"n\":5}'),
            ('orders', 'zz', 1, '{\"owner\":\"b\",\"n\":5}');";
    shelf(&stage).execute_batch(strays).unwrap();
    completed(&stage, &["--where", "owner = 'a' and n < 8"]);
    // `z` and `zz` are no keys of two parts, x:4 is b's, and x:5 does not say what `n` is.
    assert_eq!(ids(), ["x:1", "x:2", "x:4", "x:5", "y%3A%25:1", "z", "zz"]);
    // How texts are ordered only the source knows.
    completed(&stage, &["--from", "x:3", "--to", "x:9"]);
    assert_eq!(ids(), ["x:1", "x:2", "x:4", "x:5", "y%3A%25:1", "z", "zz"]);
    completed(&stage, &["--tenant", "b"]);
    assert_eq!(ids(), ["x:1", "x:2", "x:5", "y%3A%25:1", "z", "zz"]);
    let left = stage.run(&["verify", "shop.yaml", "--json"]).ends(4).json();
    assert_eq!(left["drift"], 3, "{left}");
    running.signal("TERM").ends(0);
}

#[test]
fn one_that_was_killed_begins_again() {
    let (stage, mut running) = begun();
    stage.run(&["pause", "shop.yaml"]).ends(0);
    stage.wait("paused", || stage.state() == "paused");
    let command = ["resync", "shop.yaml", "--table", "main.orders", "--target", "shelf", "--tenant", "a"];
    let mut asking = stage.start(&command);
    let state = |stage: &Stage| {
        let tasks = stage.run(&["resync", "list", "shop.yaml", "--json"]).ends(0).lines();
        tasks.first().map_or(String::new(), |task| task["state"].as_str().unwrap().to_owned())
    };
    stage.wait("running", || state(&stage) == "running");
    running.send("KILL");
    drop(running.finish());
    asking.finish().ends(1);

    let running = stage.start(&["run", "shop.yaml"]);
    stage.wait("paused again", || stage.state() == "paused");
    stage.run(&["resume", "shop.yaml"]).ends(0);
    stage.wait("completed", || state(&stage) == "completed");
    assert_eq!(documents(&stage)[..2], [(1, 10, true), (2, 20, true)]);
    running.signal("TERM").ends(0);
}

#[test]
fn what_names_no_rows_is_refused() {
    let (stage, running) = begun();
    for (part, code, number) in [
        (&["--where", "n >"][..], 1, "SYN-2705"),
        (&["--where", "weight > 5"], 1, "SYN-2705"),
        (&["--from", "one"], 1, "SYN-2705"),
        (&["--from", "1:2"], 1, "SYN-2705"),
        (&["--tenant", "a", "--where", "n > 5"], 2, "cannot be used with"),
    ] {
        let done = resync(&stage, part).ends(code);
        assert!(done.stderr.contains(number), "{part:?}: {}", done.stderr);
    }
    let without = FILE.replace("    tenant: owner\n", "");
    running.signal("TERM").ends(0);
    std::fs::write(stage.path("shop.yaml"), without).unwrap();
    let done = resync(&stage, &["--tenant", "a"]).ends(1);
    assert!(done.stderr.contains("SYN-2705"), "{}", done.stderr);
}

#[test]
fn what_keeps_no_index_cannot_go_back() {
    let (stage, running) = begun();
    completed(&stage, &["--tenant", "a"]);
    let back = stage.run(&["resync", "rollback", "shop.yaml", "1"]).ends(1);
    assert!(back.stderr.contains("SYN-2704"), "{}", back.stderr);
    stage.run(&["resync", "rollback", "shop.yaml", "7"]).ends(2);
    running.signal("TERM").ends(0);
}
