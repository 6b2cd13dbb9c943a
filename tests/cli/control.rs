//! `pause`, `resume` and `backfill`, through a running process and without one.

use serde_json::json;

use super::stage::{Stage, TO_STDOUT};

#[test]
fn pause_holds_over_restarts_until_resume() {
    let stage = Stage::new(TO_STDOUT);
    let running = stage.streaming();
    let done = stage.run(&["pause", "shop.yaml", "--json"]).ends(0).json();
    assert_eq!(done, json!({"pipeline": "shop", "action": "paused"}));
    stage.wait("paused", || stage.state() == "paused");
    stage.sql("INSERT INTO things VALUES (4, 'four');");
    running.signal("TERM").ends(0);
    let running = stage.start(&["run", "shop.yaml"]);
    stage.wait("paused again", || stage.state() == "paused");
    stage.run(&["resume", "shop.yaml"]).ends(0);
    stage.wait("applied", || stage.status()["pipelines"][0]["tables"][0]["applied"] == json!(4));
    let done = running.signal("TERM").ends(0);
    assert_eq!(done.lines()[0]["key"]["id"], json!(4));
}

#[test]
fn pause_and_resume_without_a_process_are_remembered() {
    let stage = Stage::new(TO_STDOUT);
    stage.run(&["pause", "shop.yaml"]).ends(0);
    let running = stage.start(&["run", "shop.yaml"]);
    stage.wait("paused", || stage.state() == "paused");
    running.signal("TERM").ends(0);
    stage.run(&["resume", "shop.yaml"]).ends(0);
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
}

#[test]
fn backfill_reads_the_table_again() {
    let stage = Stage::new(TO_STDOUT);
    let running = stage.streaming();
    let done = stage.run(&["backfill", "shop.yaml", "--table", "main.things", "--json"]).ends(0).json();
    assert_eq!((&done["action"], done["run"].is_i64()), (&json!("backfill"), true));
    stage.wait("read again", || stage.status()["pipelines"][0]["tables"][0]["applied"] == json!(6));
    stage.run(&["backfill", "shop.yaml", "--cancel"]).ends(0);
    let lines = running.signal("TERM").ends(0).lines();
    assert_eq!(lines.iter().filter(|l| l["op"] == "read").count(), 6);
    stage.run(&["backfill", "shop.yaml", "--table", "main.nothing"]).ends(2);
}

#[test]
fn backfill_without_a_process_runs_until_it_is_done() {
    let stage = Stage::new(TO_STDOUT);
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    let done = stage.run(&["backfill", "shop.yaml"]).ends(0);
    assert_eq!(done.stdout.lines().filter(|l| l.contains("\"op\":\"read\"")).count(), 3, "{}", done.stdout);
    assert_eq!(stage.status()["pipelines"][0]["tables"][0]["applied"], json!(6));
}
