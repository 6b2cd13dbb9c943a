//! `verify` and `repair` of an archive: its newest lines are its documents. What somebody does to its files is found, and put
//! right with lines.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::stage::{Done, PATIENCE, Stage};

const FILE: &str = r#"version: 1
connections:
  shop: sqlite:shop.db
  lake: file:lake
pipelines:
  shop:
    source: { connection: shop, tables: ["main.*"] }
    tenant: owner
    routes:
      - table: main.orders
        filter: [{ name: live, when: "n >= 0" }]
        to: [{ connection: lake, path: "orders/{owner}" }]
      - table: main.things
        to: [{ connection: lake, path: "things" }]
"#;

/// Three hundred orders of three owners, some of which changed hands, went, or are kept out by the filter.
fn stage() -> Stage {
    let stage = Stage::new(FILE);
    stage.sql(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, owner TEXT, n INTEGER);
         INSERT INTO orders SELECT value, 'owner ' || (value % 3), value FROM (WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 300) SELECT value FROM n);",
    );
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    stage.sql(
        "UPDATE orders SET n = n + 1000 WHERE id % 4 = 0;
         UPDATE orders SET owner = 'owner 0' WHERE id % 10 = 1;
         UPDATE orders SET id = id + 1000 WHERE id BETWEEN 20 AND 29;
         DELETE FROM orders WHERE id BETWEEN 30 AND 39;
         INSERT INTO orders VALUES (31, 'owner 2', 1);
         UPDATE orders SET n = -1 WHERE id BETWEEN 40 AND 49;",
    );
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    stage
}

/// Writes the archive of the orders anew, each line as `change` leaves it, with all that vouches for it.
fn rewrite(stage: &Stage, change: impl Fn(Value) -> Vec<Value>) {
    let lake = stage.path("lake");
    let mut manifest: Value =
        serde_json::from_slice(&std::fs::read(lake.join("manifest.json")).unwrap()).unwrap();
    for file in manifest["files"].as_array_mut().unwrap() {
        let path = lake.join(file["path"].as_str().unwrap());
        let text = zstd::decode_all(&std::fs::read(&path).unwrap()[..]).unwrap();
        let (mut lines, mut text_now) = (0, Vec::new());
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            for line in change(serde_json::from_slice(line).unwrap()) {
                lines += 1;
                text_now.extend(serde_json::to_vec(&line).unwrap());
                text_now.push(b'\n');
            }
        }
        let bytes = zstd::encode_all(&text_now[..], 3).unwrap();
        file["lines"] = json!(lines);
        file["bytes"] = json!(bytes.len());
        file["sha256"] = json!(hex(&bytes));
        std::fs::write(path, bytes).unwrap();
    }
    manifest.as_object_mut().unwrap().remove("sha256");
    let mut text = serde_json::to_string(&manifest).unwrap();
    assert_eq!(text.pop(), Some('}'));
    text.push(',');
    let digest = hex(text.as_bytes());
    writeln!(text, "\"sha256\":\"{digest}\"}}").unwrap();
    std::fs::write(lake.join("manifest.json"), text).unwrap();
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `kind id` of what was found of the orders, and how many were compared.
fn found(done: &Done) -> (Vec<String>, u64) {
    let report = done.json();
    let tables = report["tables"].as_array().unwrap();
    let orders = tables.iter().find(|table| table["table"] == "main.orders").unwrap();
    let text = |row: &Value| format!("{} {}", row["kind"].as_str().unwrap(), row["key"]["id"]);
    let mut rows: Vec<String> = orders["rows"].as_array().unwrap().iter().map(text).collect();
    rows.sort();
    (rows, orders["compared"].as_u64().unwrap())
}

/// Order 5 has no line any more, 7 and 1025 say something else, 9000 and 30 have no row.
fn corrupt(stage: &Stage) {
    rewrite(stage, |line| {
        let mut line = line;
        match line["key"]["id"].as_i64() {
            _ if line["table"] != "main.orders" => vec![line],
            Some(5) => vec![],
            Some(7 | 1025) if !line["after"].is_null() => {
                line["after"]["n"] = json!(77);
                vec![line]
            }
            Some(8) if line["op"] == "read" => {
                let mut stray = line.clone();
                stray["key"] = json!({"id": 9000});
                stray["after"]["id"] = json!(9000);
                vec![line, stray]
            }
            Some(30) if line["op"] == "delete" => vec![],
            _ => vec![line],
        }
    });
}

#[test]
fn what_somebody_did_to_its_files_is_found_and_put_right() {
    let stage = stage();
    assert_eq!(found(&stage.run(&["verify", "shop.yaml", "--json"]).ends(0)), (vec![], 281));
    corrupt(&stage);
    let wrong = ["different 1025", "different 7", "extra 30", "extra 9000", "missing 5"];
    let report = stage.run(&["verify", "shop.yaml", "--json"]).ends(4);
    assert_eq!(found(&report), (wrong.map(str::to_owned).to_vec(), 283));
    let fields: BTreeMap<String, Value> = report.json()["tables"][0]["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["key"]["id"].to_string(), row["fields"].clone()))
        .collect();
    assert_eq!(fields["7"], json!(["n"]));
    // 5 is another owner's, 9000 of owner 2 as its line says.
    let mine = stage.run(&["verify", "shop.yaml", "--tenant", "owner 1", "--json"]).ends(4);
    assert!(found(&mine).0.iter().all(|row| row != "missing 5" && row != "extra 9000"), "{:?}", found(&mine));
    let keys = ["--table", "main.orders", "--key", "5", "--key", "6", "--key", "9000"];
    let named = stage.run(&[&["verify", "shop.yaml", "--json"][..], &keys].concat()).ends(4);
    assert_eq!(found(&named), (vec!["extra 9000".to_owned(), "missing 5".to_owned()], 3));
    stage.run(&["repair", "shop.yaml", "--yes"]).ends(0);
    assert_eq!(found(&stage.run(&["verify", "shop.yaml", "--json"]).ends(0)), (vec![], 281));
    let get = |id: &str| stage.run(&["get", "shop.yaml", "main.orders", id, "--target", "lake"]);
    assert_eq!(get("7").ends(0).json()["n"], json!(7));
    get("9000").ends(1);
}

/// More keys than one look takes: the files are read for all of them together.
#[test]
fn many_rows_of_late_are_looked_at_in_one_reading() {
    let stage = stage();
    // A table that was made since then is compared as a whole.
    std::thread::sleep(Duration::from_secs(3));
    let began = Instant::now();
    stage.sql(
        "INSERT INTO orders SELECT value, 'owner 1', value FROM (WITH RECURSIVE n (value) AS (SELECT 20001 UNION ALL SELECT value + 1 FROM n WHERE value < 32000) SELECT value FROM n);
         DELETE FROM orders WHERE id IN (20009, 20010);",
    );
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    let recent = |command: &[&str]| {
        let since = format!("{}s", began.elapsed().as_secs() + 1);
        stage.run(&[command, &["shop.yaml", "--json", "--since", &since]].concat())
    };
    let (rows, touched) = found(&recent(&["verify"]).ends(0));
    assert_eq!((rows.len(), touched), (0, 12_000));
    // Nothing of late is known of row 7.
    rewrite(&stage, |mut line| match line["key"]["id"].as_i64() {
        Some(20005) => vec![],
        Some(20007 | 7) if !line["after"].is_null() => {
            line["after"]["n"] = json!(77);
            vec![line]
        }
        Some(20009) if line["op"] == "delete" => vec![],
        _ => vec![line],
    });
    let wrong = ["different 20007", "extra 20009", "missing 20005"].map(str::to_owned).to_vec();
    assert_eq!(found(&recent(&["verify"]).ends(4)), (wrong, touched));
    recent(&["repair", "--yes"]).ends(0);
    assert_eq!(found(&recent(&["verify"]).ends(0)), (vec![], touched));
}

#[test]
fn no_false_alarm_while_it_is_written() {
    let stage = stage();
    let running = stage.streaming();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let shop = rusqlite::Connection::open(stage.path("shop.db")).unwrap();
            shop.busy_timeout(PATIENCE).unwrap();
            for n in 0.. {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (id, owner) = (n % 290, n % 3);
                let changes = format!(
                    "UPDATE orders SET n = n + 1 WHERE id IN ({n} % 290, {n} * 7 % 290);
                     UPDATE orders SET owner = 'owner {owner}' WHERE id = {id};
                     DELETE FROM orders WHERE id = {};
                     INSERT INTO orders VALUES ({}, 'owner {owner}', {n});",
                    n * 13 % 290,
                    5000 + n,
                );
                shop.execute_batch(&changes).unwrap();
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let reports: Vec<Done> = (0..6).map(|_| stage.run(&["verify", "shop.yaml", "--json"])).collect();
        // Before anything is asserted: who fails here would wait for the writer.
        over.store(true, Ordering::Relaxed);
        for report in reports {
            let rows = found(&report).0;
            // What changes all the time may be told as such.
            assert!(rows.iter().all(|row| row.starts_with("unsettled")), "{rows:?}");
        }
    });
    stage.run(&["verify", "shop.yaml"]).ends(0);
    running.signal("TERM").ends(0);
}

#[test]
fn a_damaged_archive_is_an_error_and_not_a_difference() {
    let stage = stage();
    let file =
        std::fs::read_dir(stage.path("lake/orders/owner%201")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let done = stage.run(&["verify", "shop.yaml"]).ends(1);
    assert!(done.stderr.contains("SYN-1802") && done.stderr.contains("is damaged"), "{}", done.stderr);
}
