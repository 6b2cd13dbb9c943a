//! `lint` and `check`: every finding at once, with its place, on standard output.

use super::stage::{Stage, TO_STDOUT};

const BAD: &str = r#"version: 1
connections:
  shop: sqlite:shop.db
  spare: sqlite:${SPARE_FILE}
pipelines:
  shop:
    sourcee: { connection: shop, tables: ["main.*"] }
    source: { connection: shopp, tables: ["main.*"], server_id: many }
    routes:
      - table: main.things
        filter: [{ name: dear, when: "price >" }]
        to: [{ stdout: true, indx: things }]
"#;

#[test]
fn every_error_has_its_place_and_the_nearest_name() {
    let stage = Stage::new(BAD);
    let done = stage.run(&["lint", "shop.yaml"]).ends(3);
    let expected = [
        ("shop.yaml:4:", "SYN-1005", "SPARE_FILE"),
        ("shop.yaml:7:5:", "SYN-1002", "did you mean source?"),
        ("shop.yaml:8:", "SYN-1006", "did you mean shop?"),
        ("shop.yaml:8:", "SYN-1003", "server_id"),
        ("shop.yaml:12:", "SYN-1002", "did you mean index?"),
    ];
    for (place, code, words) in expected {
        // A finding is a line with its place, and indented lines below it.
        let findings = done.stdout.split("\nshop.yaml:").map(|f| format!("shop.yaml:{f}"));
        let found = findings
            .map(|f| f.replacen("shop.yaml:shop.yaml:", "shop.yaml:", 1))
            .any(|f| f.starts_with(place) && f.contains(code) && f.contains(words));
        assert!(found, "{place} {code} {words} is not in\n{}", done.stdout);
    }
    assert!(done.stdout.contains("  fix: "));
    assert!(!done.stdout.contains('\x1b'), "no colour where nobody looks");
}

#[test]
fn json_findings_are_one_object_a_line() {
    let stage = Stage::new(BAD);
    let lines = stage.run(&["lint", "shop.yaml", "--json"]).ends(3).lines();
    assert!(lines.len() >= 5);
    for line in &lines {
        assert!(line["code"].as_str().unwrap().starts_with("SYN-"), "{line}");
        assert_eq!(line["where"]["file"], "shop.yaml");
        assert!(line["where"]["line"].as_u64().unwrap() > 0 && line["fix"].is_string());
    }
}

#[test]
fn findings_of_routes_have_their_places_too() {
    let stage =
        Stage::new(&TO_STDOUT.replace("to: [", "filter: [{ name: dear, when: \"price >\" }]\n        to: ["));
    let done = stage.run(&["lint", "shop.yaml"]).ends(3);
    assert!(done.stdout.starts_with("shop.yaml:9:") && done.stdout.contains("SYN-1503"), "{}", done.stdout);
    let run = stage.run(&["run", "shop.yaml"]).ends(78);
    assert!(run.stderr.contains("SYN-1503") && run.stdout.is_empty());
}

#[test]
fn a_good_file_has_no_findings() {
    let stage = Stage::new(TO_STDOUT);
    assert_eq!(stage.run(&["lint", "shop.yaml"]).ends(0).stdout, "0 errors, 0 warnings\n");
    assert_eq!(stage.run(&["lint", "shop.yaml", "--json"]).ends(0).stdout, "");
    let done = stage.run(&["check", "shop.yaml"]).ends(0);
    assert!(done.stderr.contains("✓ shop: source shop") && done.stderr.contains("✓ shop: target stdout"));
    assert!(!stage.path(".syncline").exists(), "a check leaves no trace");
}

#[test]
fn check_asks_the_source() {
    let stage = Stage::new(&TO_STDOUT.replace("main.things", "main.*"));
    stage.sql("CREATE TABLE loose (a TEXT, b TEXT); CREATE TABLE free (a TEXT);");
    let done = stage.run(&["check", "shop.yaml"]).ends(3);
    assert!(done.stdout.contains("main.loose") && done.stdout.contains("main.free"), "{}", done.stdout);
    let run = stage.run(&["run", "shop.yaml", "--until-current"]).ends(78);
    assert!(run.stderr.contains("main.loose") && run.stderr.contains("main.free"), "all of them at once");
    assert!(run.stdout.is_empty());
}

#[test]
fn a_source_that_is_not_there_is_named_without_its_secrets() {
    let file = TO_STDOUT.replace("sqlite:shop.db", "mysql://root:hunter2@127.0.0.1:1/shop");
    let stage = Stage::new(&file.replace("main.*", "shop.*").replace("main.things", "shop.things"));
    let done = stage.run(&["check", "shop.yaml"]).ends(3);
    let run = stage.run(&["run", "shop.yaml", "--until-current"]);
    assert_ne!(run.code, Some(0));
    for text in [&done.stdout, &done.stderr, &run.stdout, &run.stderr] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert!(done.stdout.contains("SYN-1201"), "{}", done.stdout);
}
