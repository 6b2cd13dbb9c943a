//! `dlq`: a row that a transform does not fit is parked, shown, redriven once it is corrected, or given up.

use serde_json::{Value, json};

use super::stage::{Stage, TO_STDOUT};

fn stage() -> Stage {
    let file = TO_STDOUT.replace("to: [", "transform: [{ field: name, type: integer }]\n        to: [");
    let stage = Stage::new(&file);
    stage.sql("UPDATE things SET name = id * 10 WHERE id <> 2;");
    stage
}

fn counts(stage: &Stage) -> Value {
    let status = stage.status();
    let table = &status["pipelines"][0]["tables"][0];
    json!([
        table["accepted"],
        table["applied"],
        table["superseded"],
        table["dead"],
        status["pipelines"][0]["dead_letters"]
    ])
}

#[test]
fn a_bad_row_is_parked_and_the_others_flow() {
    let stage = stage();
    let done = stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    assert_eq!(done.lines().len(), 2);
    assert_eq!(counts(&stage), json!([3, 2, 0, 1, 1]));
    let letters = stage.run(&["dlq", "list", "shop.yaml", "--json"]).ends(0).lines();
    let letter = &letters[0];
    for member in [
        "id", "pipeline", "table", "target", "key", "error", "message", "attempts", "first_at", "last_at",
        "change",
    ] {
        assert!(letter.get(member).is_some(), "{member} is missing in {letter}");
    }
    assert_eq!(
        (&letter["error"], &letter["key"], &letter["target"]),
        (&json!("SYN-1507"), &json!({"id": 2}), &json!("stdout"))
    );
    assert_eq!(letter["change"]["after"]["name"], json!("two"));
    let id = letter["id"].to_string();
    assert_eq!(stage.run(&["dlq", "show", "shop.yaml", &id, "--json"]).ends(0).json(), *letter);
    assert!(stage.run(&["dlq", "list", "shop.yaml"]).ends(0).stdout.contains("SYN-1507"));
    assert_eq!(stage.run(&["dlq", "list", "shop.yaml", "--error", "1601"]).ends(0).stdout, "");
    stage.run(&["dlq", "show", "shop.yaml", "999"]).ends(2);
}

#[test]
fn a_corrected_row_is_redriven_by_the_running_process() {
    let stage = stage();
    let running = stage.streaming();
    stage.wait("parked", || stage.status()["pipelines"][0]["dead_letters"] == json!(1));
    let dry = stage.run(&["dlq", "redrive", "shop.yaml", "--dry-run", "--json"]).ends(0).json();
    assert_eq!((&dry["selected"], &dry["applied"], &dry["dry_run"]), (&json!(1), &json!(0), &json!(true)));
    let again = stage.run(&["dlq", "redrive", "shop.yaml", "--json"]).ends(5).json();
    assert_eq!((&again["selected"], again["failed"].as_array().unwrap().len()), (&json!(1), 1));
    assert_eq!(counts(&stage), json!([3, 2, 0, 1, 1]), "a redrive that fails changes nothing");
    stage.sql("UPDATE things SET name = 20 WHERE id = 2;");
    stage.wait("the correction applied", || counts(&stage) == json!([4, 3, 0, 1, 1]));
    let done = stage.run(&["dlq", "redrive", "shop.yaml", "--json"]).ends(0).json();
    assert_eq!((&done["applied"], &done["failed"]), (&json!(1), &json!([])));
    assert_eq!(counts(&stage), json!([4, 4, 0, 0, 0]));
    running.signal("TERM").ends(0);
}

#[test]
fn redrive_and_discard_work_without_a_process() {
    let stage = stage();
    stage.sql("UPDATE things SET name = 'three' WHERE id = 3;");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    assert_eq!(counts(&stage), json!([3, 1, 0, 2, 2]));
    let dry = stage.run(&["dlq", "discard", "shop.yaml", "--dry-run", "--json"]).ends(0).json();
    assert_eq!(dry, json!({"selected": 2, "discarded": 0, "dry_run": true}));
    let first = stage.run(&["dlq", "list", "shop.yaml", "--json", "--limit", "1"]).ends(0).lines()[0]["id"]
        .to_string();
    stage.run(&["dlq", "discard", "shop.yaml", &first]).ends(0);
    assert_eq!(counts(&stage), json!([3, 1, 1, 1, 1]), "what is given up counts as superseded");
    stage.run(&["dlq", "redrive", "shop.yaml"]).ends(5);
    assert_eq!(counts(&stage), json!([3, 1, 1, 1, 1]));
}
