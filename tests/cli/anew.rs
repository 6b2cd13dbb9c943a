//! A source that has lost what was not read yet: the pipeline halts, and the command that it names makes all targets equal.

use serde_json::json;

use super::stage::Stage;

const FILE: &str = r#"version: 1
connections:
  shop: sqlite:shop.db
  hot: sqlite:cache.db
  lake: file:./lake
pipelines:
  shop:
    source: { connection: shop, tables: ["main.*"] }
    routes:
      - table: "main.*"
        to:
          - { connection: hot, key: "{table}:{key}" }
          - { connection: lake, path: "{table}" }
"#;

fn get(stage: &Stage, target: &str, key: &str) -> String {
    stage.run(&["get", "shop.yaml", "main.things", key, "--target", target]).stdout
}

#[test]
fn a_pipeline_that_cannot_go_on_begins_anew_with_the_command_it_names() {
    let stage = Stage::new(FILE);
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    // The captured changes are gone, as after a restore of an older copy.
    stage.sql(
        "DELETE FROM things WHERE id = 1; UPDATE things SET name = 'zwei' WHERE id = 2; INSERT INTO things VALUES (4, 'four');
         DELETE FROM _syncline_changes;",
    );
    let halted = stage.run(&["run", "shop.yaml", "--until-current"]).ends(1);
    assert!(halted.stderr.contains("SYN-1404"), "{}", halted.stderr);
    // Reading one table again would leave the others behind, so it is no way out.
    let part = stage.run(&["backfill", "shop.yaml", "--table", "main.things"]).ends(1);
    assert!(part.stderr.contains("SYN-1404"), "{}", part.stderr);
    let done = stage.run(&["backfill", "shop.yaml", "--pipeline", "shop"]).ends(0);
    assert!(done.stderr.contains("epoch 1"), "{}", done.stderr);
    for target in ["hot", "lake"] {
        assert_eq!(get(&stage, target, "1"), "", "{target}");
        let two: serde_json::Value = serde_json::from_str(&get(&stage, target, "2")).unwrap();
        assert_eq!(two, json!({"id": 2, "name": "zwei"}), "{target}");
        assert!(get(&stage, target, "4").contains("four"), "{target}");
    }
    assert_eq!(stage.status()["pipelines"][0]["epoch"], 1);
    let audit = stage.run(&["audit", "list", "shop.yaml", "--json"]).ends(0).lines();
    let begun = audit.iter().find(|entry| entry["action"] == "new epoch").unwrap();
    assert_eq!((&begun["actor"], &begun["detail"]["epoch"]), (&json!("local"), &json!(1)));
    assert!(begun["detail"]["because"].as_str().unwrap().contains("SYN-1404"), "{begun}");
    stage.sql("DELETE FROM things WHERE id = 4");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    for target in ["hot", "lake"] {
        assert_eq!(get(&stage, target, "4"), "", "{target}");
    }
}

#[test]
fn a_process_that_serves_others_says_that_it_must_stop_first() {
    let other = r#"
  other:
    source: { connection: bank, tables: ["main.*"] }
    routes:
      - table: "main.*"
        to: [{ stdout: true }]
"#;
    let file =
        FILE.replace("  hot: sqlite", "  bank: sqlite:bank.db\n  hot: sqlite").trim_end().to_owned() + other;
    let stage = Stage::new(&file);
    std::fs::copy(stage.path("shop.db"), stage.path("bank.db")).unwrap();
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    stage.sql("DELETE FROM things WHERE id = 1; DELETE FROM _syncline_changes;");
    let running = stage.start(&["run", "shop.yaml"]);
    let states = || {
        let status = stage.run(&["status", "shop.yaml", "--json"]).json();
        let of = |name: &str| {
            let all = status["pipelines"].as_array().unwrap();
            all.iter().find(|one| one["name"] == name).map(|one| one["state"].clone())
        };
        (of("shop"), of("other"))
    };
    stage.wait("halted", || states() == (Some(json!("halted")), Some(json!("streaming"))));
    let refused = stage.run(&["backfill", "shop.yaml", "--pipeline", "shop"]).ends(1);
    assert!(refused.stderr.contains("SYN-1404"), "{}", refused.stderr);
    assert!(refused.stderr.contains("stop this process"), "{}", refused.stderr);
    assert_eq!(states().1, Some(json!("streaming")), "the other goes on");
    running.signal("TERM");
    stage.run(&["backfill", "shop.yaml", "--pipeline", "shop"]).ends(0);
    assert_eq!(get(&stage, "hot", "1"), "");
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
}
