//! `run`: to the end of what there is, through signals, kills and restarts, with the balance in `status`.

use std::time::Duration;

use serde_json::{Value, json};

use super::stage::{Done, Stage, TO_STDOUT};

fn keys(done: &Done) -> Vec<(String, i64)> {
    let pair = |line: &Value| (line["op"].as_str().unwrap().to_owned(), line["key"]["id"].as_i64().unwrap());
    done.lines().iter().map(pair).collect()
}

#[test]
fn until_current_reads_what_there_is_and_then_only_what_is_new() {
    let stage = Stage::new(TO_STDOUT);
    let first = stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    let mut read = keys(&first);
    read.sort();
    assert_eq!(read, [("read".to_owned(), 1), ("read".to_owned(), 2), ("read".to_owned(), 3)]);
    stage.sql("INSERT INTO things VALUES (4, 'four'); UPDATE things SET name = 'zwei' WHERE id = 2; DELETE FROM things WHERE id = 1;");
    let second = stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    let expected = [("insert", 4), ("update", 2), ("delete", 1)].map(|(op, id)| (op.to_owned(), id));
    assert_eq!(keys(&second), expected);
    let third = stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    assert_eq!(third.stdout, "");
    assert!(third.stderr.contains("shop"), "the balance is told");
}

#[test]
fn status_before_between_and_after() {
    let stage = Stage::new(TO_STDOUT);
    let before = stage.status();
    assert_eq!(
        (&before["pipelines"][0]["state"], &before["pipelines"][0]["tables"]),
        (&json!("stopped"), &json!([]))
    );
    let running = stage.streaming();
    let status = &stage.status()["pipelines"][0];
    for member in [
        "name",
        "state",
        "position",
        "epoch",
        "lag_seconds",
        "rate_per_second",
        "tables",
        "sinks",
        "dead_letters",
        "verified_at",
        "drift",
    ] {
        assert!(status.get(member).is_some(), "{member} is missing in {status}");
    }
    let table = json!({"table": "main.things", "state": "ok", "error": null, "accepted": 3, "applied": 3,
        "superseded": 0, "filtered": {}, "dead": 0, "in_flight": 0, "coerced": 0});
    assert_eq!(status["tables"], json!([table]));
    assert_eq!(
        (&status["sinks"][0]["connection"], &status["sinks"][0]["state"]),
        (&json!("stdout"), &json!("ok"))
    );
    let text = stage.run(&["status", "shop.yaml"]).ends(0).stdout;
    assert!(text.starts_with("PIPELINE") && text.contains("main.things"), "{text}");
    running.signal("TERM").ends(0);
    let after = &stage.status()["pipelines"][0];
    assert_eq!((&after["state"], &after["tables"]), (&json!("stopped"), &json!([table])));
}

#[test]
fn signals_stop_cleanly() {
    let stage = Stage::new(TO_STDOUT);
    let done = stage.streaming().signal("INT").ends(130);
    assert_eq!(done.lines().len(), 3);
    stage.streaming().signal("TERM").ends(0);
    assert!(!stage.path(".syncline/control.sock").exists());
}

#[test]
fn a_kill_loses_nothing_and_the_balance_holds() {
    let stage = Stage::new(TO_STDOUT);
    for n in 0..4 {
        let running = stage.start(&["run", "shop.yaml"]);
        stage.sql(&format!("INSERT INTO things SELECT id + {}, name FROM things;", 1000 << n));
        std::thread::sleep(Duration::from_millis(200 + 130 * n));
        running.signal("KILL");
    }
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    let status = stage.status();
    let table = &status["pipelines"][0]["tables"][0];
    let count = |name: &str| table[name].as_i64().unwrap();
    assert_eq!(
        count("accepted"),
        count("applied") + count("superseded") + count("dead") + count("in_flight"),
        "{table}"
    );
    assert!(count("accepted") >= 48, "{table}");
}

#[test]
fn one_process_per_data_folder() {
    let stage = Stage::new(TO_STDOUT);
    let _running = stage.streaming();
    let done = stage.run(&["run", "shop.yaml"]).ends(78);
    assert!(done.stderr.contains("SYN-2002"), "{}", done.stderr);
    assert_eq!(stage.state(), "streaming", "the first one is still reached");
}

#[test]
fn a_long_path_has_a_control_socket_too() {
    let stage =
        Stage::new(&TO_STDOUT.replace("version: 1", &format!("version: 1\ndata: ./{}", "d".repeat(150))));
    let running = stage.streaming();
    running.signal("TERM").ends(0);
}

#[test]
fn phases_are_logged_for_tests_that_kill() {
    let stage = Stage::new(TO_STDOUT);
    stage.run_with(&["run", "shop.yaml", "--until-current"], &[("SYNCLINE_PHASE_LOG", "phases")]).ends(0);
    let words = std::fs::read_to_string(stage.path("phases")).unwrap();
    for word in ["backfill", "window", "bulk", "checkpoint", "drain"] {
        assert!(words.lines().any(|line| line == word), "{word} is not in {words:?}");
    }
}

#[test]
fn the_ledger_is_copied_while_it_runs_and_checkpoints_are_shown() {
    let stage = Stage::new(TO_STDOUT);
    assert_eq!(stage.run(&["checkpoint", "get", "shop.yaml"]).ends(0).stdout, "");
    stage.run(&["ledger", "backup", "shop.yaml", "copy.db"]).ends(1);
    let _running = stage.streaming();
    stage.run(&["ledger", "backup", "shop.yaml", "copy.db"]).ends(0);
    assert!(stage.path("copy.db").metadata().unwrap().len() > 0);
    let lines = stage.run(&["checkpoint", "get", "shop.yaml", "--json"]).ends(0).lines();
    assert_eq!((&lines[0]["pipeline"], &lines[0]["sink"]), (&json!("shop"), &json!("stdout")));
    assert_eq!(lines[0]["version"].as_str().unwrap().len(), 19);
}
