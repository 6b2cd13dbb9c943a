//! `tap`: changes from now on, in every dialect, without a checkpoint, beside a running process.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::stage::{Stage, TO_STDOUT};

/// Starts `tap`, waits until it says from where, changes the shop, and answers its lines and its code.
fn tapped(stage: &Stage, arguments: &[&str], statements: &str) -> (Vec<Value>, Option<i32>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_syncline"))
        .args(["tap", "shop.yaml"])
        .args(arguments)
        .current_dir(stage.folder())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("tapping from ") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "tap ended before it began");
    }
    stage.sql(statements);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (text.lines().map(|l| serde_json::from_str(l).unwrap()).collect(), output.status.code())
}

#[test]
fn changes_from_now_on_and_no_checkpoint() {
    let stage = Stage::new(TO_STDOUT);
    let changes = "INSERT INTO things VALUES (4, 'four'); UPDATE things SET id = 5 WHERE id = 4;";
    let (lines, code) = tapped(&stage, &["--limit", "3"], changes);
    assert_eq!(code, Some(0));
    let seen: Vec<Value> = lines.iter().map(|l| json!([l["op"], l["key"]["id"], l["table"]])).collect();
    let expected =
        [("insert", 4), ("delete", 4), ("insert", 5)].map(|(op, id)| json!([op, id, "main.things"]));
    assert_eq!(seen, expected, "a changed key is two changes");
    let versions: Vec<&str> = lines.iter().map(|l| l["version"].as_str().unwrap()).collect();
    assert!(versions.is_sorted() && versions[1] < versions[2], "{versions:?}");
    assert!(!stage.path(".syncline").exists());
    assert_eq!(
        stage.run(&["run", "shop.yaml", "--until-current"]).ends(0).lines().len(),
        4,
        "a tap takes nothing away"
    );
}

#[test]
fn beside_a_running_process_and_for_one_table() {
    let stage = Stage::new(&TO_STDOUT.replace("main.things", "main.*"));
    stage.sql("CREATE TABLE others (id INTEGER PRIMARY KEY);");
    let running = stage.streaming();
    let changes = "INSERT INTO things VALUES (4, 'four'); INSERT INTO others VALUES (7);";
    let (lines, _) = tapped(&stage, &["--limit", "1", "--table", "main.others"], changes);
    assert_eq!((&lines[0]["table"], &lines[0]["key"]["id"]), (&json!("main.others"), &json!(7)));
    stage.wait("applied", || {
        stage.status()["pipelines"][0]["tables"]
            .as_array()
            .unwrap()
            .iter()
            .all(|t| t["in_flight"] == json!(0) && t["applied"].as_i64() > Some(0))
    });
    running.signal("TERM").ends(0);
}

#[test]
fn dialects_have_their_own_custom() {
    let stage = Stage::new(TO_STDOUT);
    let change = |n: i64| format!("UPDATE things SET name = 'n{n}' WHERE id = 1;");
    let (maxwell, _) = tapped(&stage, &["--limit", "1", "--format", "maxwell"], &change(1));
    assert_eq!((&maxwell[0]["type"], &maxwell[0]["old"]), (&json!("update"), &json!({"name": "one"})));
    let (canal, _) = tapped(&stage, &["--limit", "1", "--format", "canal"], &change(2));
    assert_eq!((&canal[0]["type"], &canal[0]["data"][0]["id"]), (&json!("UPDATE"), &json!("1")));
    let (debezium, _) = tapped(&stage, &["--limit", "1", "--format", "debezium"], &change(3));
    assert_eq!((&debezium[0]["op"], &debezium[0]["before"]["name"]), (&json!("u"), &json!("n2")));
}
