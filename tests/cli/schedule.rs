//! Work at set times and the report of it: targets changed behind Syncline's back are found, put right within limits, recorded,
//! told and forgotten, by the real binary on embedded parts.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::get;
use super::stage::{Running, Stage};
use super::verify::change;

/// `more` stands in the pipeline.
fn file(more: &str) -> String {
    format!(
        r#"version: 1
connections:
  shop: sqlite:shop.db
  shelf: sqlite:search.db
pipelines:
  shop:
    source: {{ connection: shop, tables: ["main.*"] }}
{more}
    routes:
      - table: main.*
        to: [{{ connection: shelf, index: "{{table}}" }}]
"#
    )
}

fn scheduled(entry: &str) -> String {
    file(&format!("    schedule: [{entry}]"))
}

/// The pipeline's part of the report.
fn report(stage: &Stage) -> Value {
    let report = stage.run(&["report", "shop.yaml", "--json"]).ends(0).json();
    assert_eq!(report["hours"], json!(24));
    report["pipelines"][0].clone()
}

fn things(report: &Value) -> Value {
    let mut tables = report["tables"].as_array().unwrap().iter();
    tables
        .find(|part| part["table"] == "main.things" && part["target"] == "shelf")
        .cloned()
        .unwrap_or_default()
}

fn entry(stage: &Stage) -> Value {
    stage.status()["pipelines"][0]["schedule"][0].clone()
}

fn documents(stage: &Stage) -> i64 {
    let shelf = rusqlite::Connection::open(stage.path("search.db")).unwrap();
    shelf.query_row("SELECT count(*) FROM documents", [], |row| row.get(0)).unwrap()
}

fn audited(stage: &Stage, action: &str) -> Vec<Value> {
    let mut entries = stage.run(&["audit", "list", "shop.yaml", "--json"]).ends(0).lines();
    entries.retain(|entry| entry["action"] == action);
    entries
}

/// Once a record of the schedule covers the things.
fn compared(stage: &Stage) {
    stage.wait("compared", || things(&report(stage))["consistency_rate"] == json!(1.0));
}

#[test]
fn what_is_lost_is_found_and_told_while_it_runs_and_afterwards() {
    let stage = Stage::new(&scheduled("{ task: verify, cron: '* * * * * ?' }"));
    let nothing = report(&stage);
    assert_eq!((&nothing["runs"], &nothing["tables"]), (&json!(0), &json!([])), "without a ledger");
    let running = stage.streaming();
    compared(&stage);
    change(&stage, "search.db", "DELETE FROM documents WHERE id = '1'");
    stage.wait("found", || things(&report(&stage))["open"] == json!(1));
    stage.wait("told", || entry(&stage)["last_outcome"] == "drift");
    let told = entry(&stage);
    assert_eq!((&told["task"], &told["cron"]), (&json!("verify"), &json!("* * * * * ?")));
    assert!(told["next_at"].is_string() && told["last_at"].is_string(), "{told}");
    let text = stage.run(&["status", "shop.yaml"]).ends(0).stdout;
    assert!(text.contains("drift: 1 differed, 0 repaired") && text.contains("* * * * * ?"), "{text}");
    assert_eq!(documents(&stage), 2, "it was only told");
    assert!(audited(&stage, "repair").is_empty());
    running.signal("TERM").ends(0);

    let after = report(&stage);
    let part = things(&after);
    assert_eq!((&part["open"], &part["unsettled"], &part["repaired"]), (&json!(1), &json!(0), &json!(0)));
    assert!((part["consistency_rate"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9, "{part}");
    assert!(part["missing"].as_u64().unwrap() >= 1 && part["last_full_at"].is_string(), "{part}");
    assert!(after["worst_lag_seconds"].is_number(), "a sample is kept at the end: {after}");
    let points = after["series"].as_array().unwrap();
    assert!(points.iter().all(|point| point["why"] == "schedule" && point["mode"] == "full"));
    assert!(
        points.iter().any(|point| point["missing"] == 1) && points.iter().any(|point| point["missing"] == 0)
    );
    let told = entry(&stage);
    assert_eq!(
        (&told["next_at"], told["last_at"].is_string()),
        (&Value::Null, true),
        "nothing starts it: {told}"
    );
    let text = stage.run(&["report", "shop.yaml", "--hours", "1"]).ends(0).stdout;
    assert!(text.contains("66.6667 %") && text.contains("main.things"), "{text}");
}

#[test]
fn what_is_lost_comes_back_by_itself() {
    let stage = Stage::new(&scheduled(
        "{ task: verify, cron: '* * * * * ?', tables: [main.th*], targets: [shelf], repair: auto }",
    ));
    let running = stage.streaming();
    compared(&stage);
    change(&stage, "search.db", "DELETE FROM documents WHERE id = '1'");
    stage.wait("put right", || things(&report(&stage))["repaired"] == json!(1));
    assert_eq!(documents(&stage), 3);
    let repairs = audited(&stage, "repair");
    assert_eq!(repairs.len(), 1);
    assert_eq!((&repairs[0]["actor"], &repairs[0]["detail"]["key"]), (&json!("syncline"), &json!({"id": 1})));
    assert_eq!(repairs[0]["detail"]["confirmed"], json!(true));
    compared(&stage);
    assert_eq!(entry(&stage)["last_outcome"], "ok");
    running.signal("TERM").ends(0);
}

/// A stage whose process serves HTTP.
fn serving(entry: &str) -> (Stage, Running, SocketAddr) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let http = format!("version: 1\nhttp: {{ listen: \"{address}\" }}");
    let stage = Stage::new(&scheduled(entry).replace("version: 1", &http));
    stage
        .sql("CREATE TABLE \"<b>bold</b>\" (id INTEGER PRIMARY KEY); INSERT INTO \"<b>bold</b>\" VALUES (1)");
    let running = stage.streaming();
    (stage, running, address)
}

#[test]
fn at_the_limit_the_rest_is_left_and_told() {
    let (stage, running, address) =
        serving("{ task: verify, cron: '*/2 * * * * ?', repair: auto, max_repairs: 1 }");
    compared(&stage);
    change(&stage, "search.db", "DELETE FROM documents WHERE index_name = 'things'");
    stage.wait("all put right", || things(&report(&stage))["repaired"] == json!(3));
    let (_, _, metrics) = get(address, "/metrics", "");
    assert!(metrics.contains("syncline_repair_limit_reached_total{pipeline=\"shop\"} 2"), "{metrics}");
    assert!(
        metrics.contains("syncline_scheduled_runs_total{pipeline=\"shop\",task=\"verify\"}"),
        "{metrics}"
    );
    let known = report(&stage);
    assert_eq!(known["limited"], json!(2));
    let points = known["series"].as_array().unwrap().iter().filter(|point| point["missing"] != 0);
    let told: Vec<Value> =
        points.map(|point| json!([point["missing"], point["repaired"], point["limited"]])).collect();
    assert_eq!(told, [json!([3, 1, true]), json!([2, 1, true]), json!([1, 1, false])]);
    let limits = audited(&stage, "repair-limit");
    assert_eq!(limits.len(), 2);
    let detail = json!({"max_repairs": 1, "why": "schedule", "tables": [], "targets": []});
    assert_eq!((&limits[0]["actor"], &limits[0]["detail"]), (&json!("syncline"), &detail));
    let done = running.signal("TERM").ends(0);
    assert_eq!(done.stderr.matches("SYN-2504").count(), 2, "{}", done.stderr);
}

#[test]
fn the_report_is_a_page_and_a_shape_over_http() {
    let (stage, running, address) = serving("{ task: verify, cron: '* * * * * ?' }");
    compared(&stage);
    let (status, head, body) = get(address, "/consistency/report?hours=2", "");
    let shape: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &shape["hours"], &shape["pipelines"][0]["pipeline"]),
        (200, &json!(2), &json!("shop"))
    );
    assert!(head.contains("application/json"));
    let (status, head, page) =
        get(address, "/consistency/report", "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n");
    assert_eq!(status, 200);
    assert!(
        head.contains("text/html") && head.contains("content-security-policy: default-src 'none'"),
        "{head}"
    );
    assert!(page.contains("<svg") && page.contains("main.&lt;b&gt;bold&lt;/b&gt;"), "{page}");
    assert!(!page.contains("<b>"), "{page}");
    let (_, _, nobody) = get(address, "/consistency/report?tenant=nobody", "");
    let nobody: Value = serde_json::from_str(&nobody).unwrap();
    assert_eq!(nobody["pipelines"][0]["tables"], json!([]));
    assert_eq!(nobody["pipelines"][0]["series"], json!([]));
    for wrong in ["hours=0", "hours=100000", "hours=x", "our=1"] {
        assert_eq!(get(address, &format!("/consistency/report?{wrong}"), "").0, 400, "{wrong}");
    }
    stage.run(&["report", "shop.yaml", "--html", "page.html"]).ends(0);
    let written = std::fs::read_to_string(stage.path("page.html")).unwrap();
    assert!(written.contains("<svg") && !written.contains("<b>"), "{written}");
    let refused = stage.run(&["report", "shop.yaml", "--html", "nowhere/page.html"]).ends(1);
    assert!(refused.stderr.contains("SYN-2601"), "{}", refused.stderr);
    stage.run(&["report", "shop.yaml", "--pipeline", "none"]).ends(2);
    stage.run(&["report", "shop.yaml", "--hours", "0"]).ends(2);
    stage.run(&["report", "nowhere.yaml"]).ends(78);
    running.signal("TERM").ends(0);
}

#[test]
fn what_is_old_is_forgotten() {
    let stage = Stage::new(&file(""));
    let running = stage.streaming();
    stage.run(&["verify", "shop.yaml"]).ends(0);
    let known = report(&stage);
    assert_eq!((&known["runs"], &known["series"][0]["why"]), (&json!(1), &json!("local")));
    running.signal("TERM").ends(0);
    stage.run(&["verify", "shop.yaml"]).ends(0);
    assert_eq!(report(&stage)["runs"], json!(2), "what the terminal compares without a process is kept, too");
    let forgetting = "    keep_reports: 1s\n    schedule: [{ task: retention, cron: '* * * * * ?' }]";
    std::fs::write(stage.path("shop.yaml"), file(forgetting)).unwrap();
    let running = stage.streaming();
    stage.wait("forgotten", || report(&stage)["runs"] == json!(0));
    assert_eq!(things(&report(&stage))["consistency_rate"], Value::Null);
    stage.wait("told", || entry(&stage)["last_outcome"] == "ok");
    assert_eq!(entry(&stage)["task"], "retention");
    running.signal("TERM").ends(0);
}

/// So many rows that comparing them slowly takes long.
fn slow(stage: &Stage) {
    stage.sql(
        "INSERT INTO things SELECT value, 'many' FROM (WITH RECURSIVE n(value) AS
             (SELECT 100 UNION ALL SELECT value + 1 FROM n WHERE value < 400) SELECT value FROM n)",
    );
}

#[test]
fn a_clean_stop_ends_a_comparison_that_is_under_way() {
    let stage = Stage::new(&scheduled("{ task: verify, cron: '* * * * * ?', rows_per_second: 5 }"));
    slow(&stage);
    let running = stage.streaming();
    stage.wait("comparing", || entry(&stage)["runs"] == json!(1));
    std::thread::sleep(Duration::from_millis(500));
    let began = Instant::now();
    running.signal("TERM").ends(0);
    assert!(began.elapsed() < Duration::from_secs(15), "it waited for the comparison");
    let known = report(&stage);
    assert_eq!((&known["runs"], &known["failed"]), (&json!(1), &json!(1)), "{known}");
    assert_eq!(entry(&stage)["last_outcome"], "stopped");
}

#[test]
fn beside_another_comparison_it_is_skipped_and_says_so() {
    let stage = Stage::new(&scheduled("{ task: verify, cron: '*/3 * * * * ?' }"));
    slow(&stage);
    let running = stage.streaming();
    compared(&stage);
    let mut by_hand = stage.start(&["verify", "shop.yaml", "--rows-per-second", "20"]);
    stage.wait("skipped", || entry(&stage)["last_outcome"] == "skipped");
    let told = entry(&stage);
    assert!(told["last_message"].as_str().unwrap().contains("SYN-2503"), "{told}");
    by_hand.send("TERM");
    by_hand.finish();
    let known = report(&stage);
    assert_eq!(known["failed"], json!(0), "what did not begin leaves no record: {known}");
    let done = running.signal("TERM").ends(0);
    assert!(done.stderr.contains("skipped"), "{}", done.stderr);
}

#[test]
fn nothing_begins_before_what_was_there_is_read() {
    let slowly = "    schedule: [{ task: verify, cron: '* * * * * ?' }]";
    let text = file(slowly)
        .replace("tables: [\"main.*\"]", "tables: [\"main.*\"], chunk_rows: 10, max_rows_per_second: 60");
    let stage = Stage::new(&text);
    slow(&stage);
    let running = stage.start(&["run", "shop.yaml"]);
    stage.wait("reading", || stage.state() == "backfilling");
    std::thread::sleep(Duration::from_millis(1500));
    let status = stage.status()["pipelines"][0].clone();
    assert_eq!(
        (&status["state"], &status["schedule"][0]["runs"]),
        (&json!("backfilling"), &json!(0)),
        "{status}"
    );
    compared(&stage);
    running.signal("TERM").ends(0);
}

#[test]
fn a_repair_that_is_cut_off_by_the_stop_is_audited_as_such() {
    let stage = Stage::new(&scheduled("{ task: verify, cron: '*/3 * * * * ?', repair: auto }"));
    let running = stage.streaming();
    compared(&stage);
    // The target can be read and not be written.
    let shelf = rusqlite::Connection::open(stage.path("search.db")).unwrap();
    shelf
        .execute_batch("BEGIN IMMEDIATE; DELETE FROM documents WHERE id = '1'; COMMIT; BEGIN IMMEDIATE")
        .unwrap();
    stage.wait("trying to write", || stage.state() == "degraded");
    running.signal("TERM").ends(0);
    shelf.execute_batch("COMMIT").unwrap();
    let repairs = audited(&stage, "repair");
    assert_eq!(repairs.len(), 1, "{repairs:?}");
    assert_eq!(
        (&repairs[0]["actor"], &repairs[0]["detail"]["confirmed"]),
        (&json!("syncline"), &json!(false))
    );
    let known = report(&stage);
    assert_eq!((&known["failed"], &known["repaired"]), (&json!(1), &json!(0)), "{known}");
    assert_eq!(entry(&stage)["last_outcome"], "stopped");
    assert_eq!(documents(&stage), 2);
    stage.run(&["audit", "verify", "shop.yaml"]).ends(0);
}
