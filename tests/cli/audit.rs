//! `audit`: what was done is listed, the chain is proven beside a run and without one, and what is done to the ledger behind
//! its back is found.

use serde_json::{Value, json};

use super::stage::{Done, Stage, TO_STDOUT};

fn entries(stage: &Stage) -> Vec<Value> {
    stage.run(&["audit", "list", "shop.yaml", "--json"]).ends(0).lines()
}

/// Actor and action of each.
fn done(stage: &Stage) -> Vec<String> {
    let shown = |e: &Value| format!("{} {}", e["actor"].as_str().unwrap(), e["action"].as_str().unwrap());
    entries(stage).iter().map(shown).collect()
}

fn verify(stage: &Stage, more: &[&str]) -> Done {
    stage.run(&[&["audit", "verify", "shop.yaml"], more].concat())
}

/// Changes the ledger as somebody with the file in hand would.
fn corrupt(stage: &Stage, statements: &str) {
    let ledger = rusqlite::Connection::open(stage.path(".syncline/ledger.db")).unwrap();
    ledger.execute_batch("DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_deleted;").unwrap();
    ledger.execute_batch(statements).unwrap();
}

#[test]
fn what_is_done_is_listed_and_proven_beside_a_run_and_without_one() {
    let stage = Stage::new(TO_STDOUT);
    assert_eq!(stage.run(&["audit", "list", "shop.yaml"]).ends(0).stdout, "");
    assert!(verify(&stage, &[]).ends(1).stderr.contains("SYN-2007"), "nothing proves that there was none");
    let running = stage.streaming();
    stage.run(&["pause", "shop.yaml"]).ends(0);
    stage.run(&["resume", "shop.yaml"]).ends(0);
    stage.run(&["backfill", "shop.yaml", "--table", "main.things"]).ends(0);
    assert_eq!(verify(&stage, &["--json"]).ends(0).json()["entries"], json!(4));
    running.signal("TERM").ends(0);
    stage.run(&["pause", "shop.yaml"]).ends(0);
    stage.run(&["resume", "shop.yaml"]).ends(0);
    for dry in ["redrive", "discard"] {
        stage.run(&["dlq", dry, "shop.yaml", "--dry-run"]).ends(0);
    }
    let expected =
        ["local config", "local pause", "local resume", "local backfill", "local pause", "local resume"];
    assert_eq!(done(&stage), expected);
    let all = entries(&stage);
    assert_eq!(all[3]["detail"], json!({"tables": ["main.things"], "sinks": [], "cancel": false}));
    assert_eq!(all[3]["previous"], all[2]["hash"]);
    let last = stage.run(&["audit", "list", "shop.yaml", "--json", "--limit", "2", "--pipeline", "shop"]);
    assert_eq!(last.ends(0).lines(), all[4..]);
    let text = stage.run(&["audit", "list", "shop.yaml"]).ends(0).stdout;
    assert!(text.starts_with("NUMBER") && text.lines().count() == 7, "{text}");
    let head = format!("6:{}", all[5]["hash"].as_str().unwrap());
    assert_eq!(verify(&stage, &[]).ends(0).stdout, format!("6 entries, head {head}\n"));
}

#[test]
fn a_changed_file_is_audited_once() {
    let stage = Stage::new(TO_STDOUT);
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    assert_eq!(done(&stage), ["local config"]);
    let file = TO_STDOUT.replace("to: [", "filter: [{ name: most, when: \"id < 3\" }]\n        to: [");
    std::fs::write(stage.path("shop.yaml"), file).unwrap();
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    let all = entries(&stage);
    let (first, second) = (&all[0]["detail"], &all[1]["detail"]);
    assert_eq!((all.len(), &first["old"], &first["changed"]), (2, &Value::Null, &Value::Null));
    assert_eq!((&second["old"], &second["changed"]), (&first["new"], &json!(["route main.things"])));
}

#[test]
fn what_is_done_to_the_ledger_is_found() {
    let cases = [
        ("", ""),
        ("UPDATE audit SET actor = 'nobody' WHERE number = 2", "entry 2 was changed"),
        ("DELETE FROM audit WHERE number = 2", "entry 2 is missing"),
        ("DELETE FROM audit WHERE number = 3", "the end was cut off: entry 3"),
        ("UPDATE audit SET id = 9 WHERE id = 2", "entry 3 is out of order"),
        (
            "INSERT INTO audit SELECT 4, 4, at, actor, action, pipeline, detail, previous, hash FROM audit WHERE id = 3",
            "entry 4 was changed",
        ),
    ];
    let stage = Stage::new(TO_STDOUT);
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    stage.run(&["pause", "shop.yaml"]).ends(0);
    stage.run(&["resume", "shop.yaml"]).ends(0);
    let noted = verify(&stage, &["--json"]).ends(0).json()["head"].as_str().unwrap().to_owned();
    let whole = std::fs::read(stage.path(".syncline/ledger.db")).unwrap();
    for (statements, found) in cases {
        std::fs::write(stage.path(".syncline/ledger.db"), &whole).unwrap();
        corrupt(&stage, statements);
        if found.is_empty() {
            verify(&stage, &[]).ends(0);
            continue;
        }
        let broken = verify(&stage, &[]).ends(1);
        assert!(broken.stderr.contains("SYN-2007") && broken.stderr.contains(found), "{}", broken.stderr);
        assert_eq!(broken.stdout, "");
        let verdict = verify(&stage, &["--json"]).ends(1).json();
        assert_eq!((&verdict["holds"], &verdict["head"]), (&json!(false), &Value::Null));
    }
    std::fs::write(stage.path(".syncline/ledger.db"), &whole).unwrap();
    stage.run(&["pause", "shop.yaml"]).ends(0);
    verify(&stage, &["--head", &noted]).ends(0);
}

#[test]
fn a_ledger_that_was_made_anew_lacks_the_head_that_was_noted() {
    let stage = Stage::new(TO_STDOUT);
    stage.run(&["pause", "shop.yaml"]).ends(0);
    stage.run(&["resume", "shop.yaml"]).ends(0);
    let noted = verify(&stage, &["--json"]).ends(0).json()["head"].as_str().unwrap().to_owned();
    std::fs::remove_dir_all(stage.path(".syncline")).unwrap();
    stage.run(&["pause", "shop.yaml"]).ends(0);
    verify(&stage, &[]).ends(0);
    let cut = verify(&stage, &["--head", &noted, "--json"]).ends(1);
    assert_eq!(cut.json()["fault"], json!("cut-off"));
    stage.run(&["resume", "shop.yaml"]).ends(0);
    let other = verify(&stage, &["--head", &noted]).ends(1);
    assert!(other.stderr.contains("entry 2 is not the one that was noted down"), "{}", other.stderr);
}

const TO_FILES: &str = r#"version: 1
connections:
  shop: sqlite:shop.db
  hot: sqlite:cache.db
  lake: file:./lake
pipelines:
  shop:
    source: { connection: shop, tables: ["main.*"] }
    routes:
      - table: main.things
        to:
          - { connection: hot, key: "{key}" }
          - { connection: lake, path: "{table}" }
"#;

#[test]
fn what_happens_by_itself_to_checkpoints_and_targets_is_audited() {
    let stage = Stage::new(TO_FILES);
    let run = || _ = stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    run();
    for name in ["cache.db", "cache.db-wal", "cache.db-shm"] {
        let _ = std::fs::remove_file(stage.path(name));
    }
    run();
    let without = TO_FILES
        .replace("  lake: file:./lake\n", "")
        .replace("          - { connection: lake, path: \"{table}\" }\n", "");
    std::fs::write(stage.path("shop.yaml"), without).unwrap();
    run();
    std::fs::write(stage.path("shop.yaml"), TO_FILES).unwrap();
    run();
    let all = entries(&stage);
    let of = |action: &str| all.iter().filter(|e| e["action"] == action).collect::<Vec<_>>();
    assert_eq!(of("config").len(), 3, "{all:#?}");
    let lost = of("restore")[0];
    assert_eq!((&lost["actor"], &lost["detail"]["sink"]), (&json!("syncline"), &json!("hot")));
    assert_eq!(lost["detail"]["tables"], json!(["main.things"]));
    let moved = of("checkpoint");
    assert_eq!(moved.len(), 1, "{all:#?}");
    assert_eq!(moved[0]["detail"], json!({"begin_anew": ["lake"]}));
    verify(&stage, &[]).ends(0);
}
