//! Exit codes people script against, and what goes to which stream.

use std::process::{Command, Stdio};

use super::stage::{Stage, TO_STDOUT};

#[test]
fn help_and_version_are_data() {
    let stage = Stage::new(TO_STDOUT);
    for arguments in [&["--help"][..], &["--version"], &["run", "--help"], &["dlq", "--help"]] {
        let done = stage.run(arguments).ends(0);
        assert!(!done.stdout.is_empty() && done.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn bad_usage_is_2() {
    let stage = Stage::new(TO_STDOUT);
    let cases = [
        &["walk"][..],
        &["run"],
        &["run", "shop.yaml", "--fast"],
        &["run", "shop.yaml", "--pipeline", "shp"],
        &["tap", "shop.yaml", "--format", "xml"],
        &["tap", "shop.yaml", "--table", "other.things"],
        &["pause", "shop.yaml", "--pipeline", "x"],
        &["backfill", "shop.yaml", "--target", "hot"],
        &["backfill", "shop.yaml", "--cancel", "--table", "main.things"],
        &["dlq", "list", "shop.yaml", "--target", "hot"],
        &["dlq", "list", "shop.yaml", "--error", "SYN-1"],
        &["get", "shop.yaml", "main.things", "1", "--target", "hot"],
        &["get", "shop.yaml", "other.things", "1", "--target", "stdout"],
        &["search", "shop.yaml", "things", "x"],
        &["audit", "list", "shop.yaml", "--pipeline", "shp"],
        &["audit", "verify", "shop.yaml", "--head", "7"],
        &["errors", "SYN-9999"],
        &["--log", "a=b=c", "schema"],
    ];
    for arguments in cases {
        let done = stage.run(arguments).ends(2);
        assert!(done.stdout.is_empty() && !done.stderr.is_empty(), "{arguments:?}: {}", done.stdout);
    }
    let done = stage.run(&["run", "shop.yaml", "--pipeline", "shp"]);
    assert!(done.stderr.contains("did you mean shop?"), "{}", done.stderr);
}

#[test]
fn a_file_that_is_not_there_or_not_valid_is_78_but_a_finding_of_lint() {
    let stage = Stage::new("version: 1\npipelines: 7\n");
    for file in ["absent.yaml", "shop.yaml"] {
        let cases = [
            &["run", file][..],
            &["status", file],
            &["tap", file],
            &["pause", file],
            &["backfill", file],
            &["dlq", "list", file],
            &["checkpoint", "get", file],
            &["audit", "list", file],
            &["audit", "verify", file],
            &["ledger", "backup", file, "copy.db"],
            &["search", file, "i", "q"],
            &["get", file, "main.things", "1", "--target", "x"],
        ];
        for arguments in cases {
            let done = stage.run(arguments).ends(78);
            assert!(
                done.stdout.is_empty() && done.stderr.contains("SYN-10"),
                "{arguments:?}: {}",
                done.stderr
            );
        }
        for command in ["lint", "check"] {
            let done = stage.run(&[command, file]).ends(3);
            assert!(done.stdout.contains("SYN-10") && done.stderr.is_empty(), "{}", done.stdout);
        }
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let stage = Stage::new(TO_STDOUT);
    let mut child = Command::new(env!("CARGO_BIN_EXE_syncline"))
        .args(["completions", "bash"])
        .current_dir(stage.folder())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

#[test]
fn the_program_describes_itself() {
    let stage = Stage::new(TO_STDOUT);
    assert!(stage.run(&["completions", "zsh"]).ends(0).stdout.contains("syncline"));
    assert_eq!(stage.run(&["schema"]).ends(0).json()["title"], "Syncline configuration");
    let page = stage.run(&["errors", "SYN-1002"]).ends(0);
    assert!(page.stdout.starts_with("# SYN-1002: unknown key\n"));
    assert_eq!(stage.run(&["errors", "1002"]).ends(0).stdout, page.stdout);
    assert!(stage.run(&["errors"]).ends(0).stdout.lines().count() > 80);
}
