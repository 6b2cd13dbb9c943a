//! One comparison that counts by tenant: on the command line, at set times and over HTTP, and the report of each tenant after it.

use std::net::TcpListener;

use serde_json::{Value, json};

use super::http::{get, post};
use super::stage::{PATIENCE, Stage};
use super::verify::change;

const FILE: &str = r#"version: 1
connections:
  shop: sqlite:shop.db
  shelf: sqlite:search.db
  pocket: sqlite:cache.db
pipelines:
  shop:
    source: { connection: shop, tables: ["main.*"] }
    tenant: owner
    routes:
      - table: "main.*"
        transform: [{ field: whose, from: owner }]
        to:
          - { connection: shelf, index: "{table}" }
          - { connection: pocket, key: "{table}:{id}" }
"#;

/// Thousand orders of three owners (0 has 333, 1 has 334, 2 has 333), two of nobody, and things that have no owners.
fn stage(file: &str) -> Stage {
    let stage = Stage::new(file);
    stage.sql(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, owner TEXT, n INTEGER);
         INSERT INTO orders SELECT value, 'owner ' || (value % 3), value FROM (WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 1000) SELECT value FROM n);
         INSERT INTO orders VALUES (1001, NULL, 1), (1002, NULL, 2);",
    );
    stage
}

/// In the cache: of owner 0 order 3 is missing, 6 is said to be owner 1's, one stray; of owner 1 order 4 says something else and
/// two are strays; order 1001 of nobody is missing, and one stray is nobody's.
const CORRUPT: &str = "DELETE FROM cache WHERE key IN ('orders:3', 'orders:1001');
    UPDATE cache SET value = json_set(value, '$.n', -1) WHERE key = 'orders:4';
    UPDATE cache SET value = json_set(value, '$.whose', 'owner 1') WHERE key = 'orders:6';
    INSERT INTO cache (key, version, value) VALUES ('orders:9000', 1, '{\"whose\":\"owner 0\"}'),
        ('orders:9001', 1, '{\"whose\":\"owner 1\"}'), ('orders:9002', 1, '{\"whose\":\"owner 1\"}'),
        ('orders:9003', 1, '{\"n\":1}');";

fn part<'a>(report: &'a Value, table: &str, target: &str) -> &'a Value {
    let mut parts = report["tables"].as_array().unwrap().iter();
    parts.find(|part| part["table"] == table && part["target"] == target).unwrap()
}

/// `[tenant, compared, missing, different, extra, unsettled, repaired]` of the orders in one target.
fn tenants(report: &Value, target: &str) -> Vec<Value> {
    let one = |t: &Value| {
        json!([
            t["tenant"],
            t["compared"],
            t["missing"],
            t["different"],
            t["extra"],
            t["unsettled"],
            t["repaired"]
        ])
    };
    part(report, "main.orders", target)["tenants"].as_array().unwrap().iter().map(one).collect()
}

/// What `report` says of a pipeline, of one tenant if one is named.
fn told(stage: &Stage, tenant: Option<&str>) -> Value {
    let mut words = vec!["report", "shop.yaml", "--json"];
    words.extend(tenant.iter().flat_map(|tenant| ["--tenant", tenant]));
    stage.run(&words).ends(0).json()["pipelines"][0].clone()
}

/// The same without times and who asked.
fn without_times(mut told: Value) -> Value {
    for part in told["tables"].as_array_mut().unwrap() {
        assert!(part["last_full_at"].is_string(), "{part}");
        part["last_full_at"] = json!("then");
    }
    for point in told["series"].as_array_mut().unwrap() {
        point["at"] = json!("then");
    }
    told["worst_lag_seconds"] = Value::Null;
    told
}

#[test]
fn every_tenants_documents_are_counted_by_one_comparison() {
    let stage = stage(FILE);
    let running = stage.streaming();
    change(&stage, "cache.db", CORRUPT);
    let report = stage.run(&["verify", "shop.yaml", "--per-tenant", "--json"]).ends(4).json();
    let expected = [
        json!(["owner 0", 334, 1, 1, 1, 0, 0]),
        json!(["owner 1", 336, 0, 1, 2, 0, 0]),
        json!(["owner 2", 333, 0, 0, 0, 0, 0]),
    ];
    assert_eq!(tenants(&report, "pocket"), expected);
    let clean = [
        json!(["owner 0", 333, 0, 0, 0, 0, 0]),
        json!(["owner 1", 334, 0, 0, 0, 0, 0]),
        json!(["owner 2", 333, 0, 0, 0, 0, 0]),
    ];
    assert_eq!(tenants(&report, "shelf"), clean);
    let all = part(&report, "main.orders", "pocket");
    let sums = ["compared", "missing", "different", "extra"].map(|name| all[name].as_u64().unwrap());
    assert_eq!(sums, [1006, 2, 2, 4], "with what is nobody's: one missing, one there, one stray");
    assert_eq!((&report["drift"], &all["other_tenants"]), (&json!(8), &Value::Null));
    assert_eq!(part(&report, "main.things", "pocket")["tenants"], Value::Null, "they have no owners");
    assert!(stage.status()["pipelines"][0]["verified_at"].is_string(), "it was everything");
    let plain = stage.run(&["verify", "shop.yaml", "--json"]).ends(4).json();
    assert!(plain["tables"].as_array().unwrap().iter().all(|part| part.get("tenants").is_none()), "{plain}");

    let text = stage.run(&["verify", "shop.yaml", "--per-tenant", "--limit", "0"]).ends(4).stdout;
    let table: Vec<Vec<&str>> = text
        .lines()
        .skip_while(|line| !line.starts_with("tenants: "))
        .take(4)
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(table[0].join(" "), "tenants: 2 differ, 1 are clean");
    assert_eq!(table[1][0], "TENANT");
    assert_eq!(table[2].join(" "), "owner 0 667 1 1 1 0 0", "both targets together");
    assert_eq!(table[3].join(" "), "owner 1 670 0 1 2 0 0");
    running.signal("TERM").ends(0);
}

#[test]
fn the_report_of_a_tenant_is_as_if_it_had_been_compared_alone() {
    let (together, alone) = (stage(FILE), stage(FILE));
    for (stage, flags) in [(&together, &["--per-tenant"][..]), (&alone, &["--tenant", "owner 0"][..])] {
        let running = stage.streaming();
        change(stage, "cache.db", CORRUPT);
        let words = |command, more: &[&'static str]| [&[command, "shop.yaml"][..], flags, more].concat();
        stage.run(&words("verify", &["--json"])).ends(4);
        stage.run(&words("repair", &["--yes", "--json"])).ends(0);
        running.signal("TERM").ends(0);
    }
    let (one, other) = (told(&together, Some("owner 0")), told(&alone, Some("owner 0")));
    let cache = part(&one, "main.orders", "pocket");
    let sums = ["runs", "compared", "missing", "different", "extra", "repaired", "open"];
    assert_eq!(sums.map(|name| cache[name].as_u64().unwrap()), [2, 668, 2, 2, 2, 3, 0], "{cache}");
    assert_eq!((&cache["consistency_rate"], one["series"][0]["missing"].as_u64()), (&json!(1.0), Some(1)));
    assert_eq!(without_times(one), without_times(other));
    let two = told(&together, Some("owner 2"));
    assert_eq!(
        (&two["drift"], part(&two, "main.orders", "pocket")["compared"].as_u64()),
        (&json!(0), Some(666))
    );
    let all = told(&together, None);
    assert_eq!((&all["runs"], &all["drift"], &all["repaired"]), (&json!(2), &json!(16), &json!(8)));
    assert_eq!(part(&all, "main.orders", "pocket")["compared"], json!(2012), "nothing counts twice");
    assert_eq!(told(&together, Some("nobody"))["tables"], json!([]));
    let text = together.run(&["report", "shop.yaml", "--tenant", "owner 0"]).ends(0).stdout;
    assert!(text.lines().next().unwrap().ends_with(", tenant owner 0"), "{text}");
    // Who has nothing any more has nothing wrong.
    together.sql("DELETE FROM orders WHERE owner = 'owner 0'");
    together.run(&["verify", "shop.yaml", "--per-tenant"]).ends(0);
    let gone = told(&together, Some("owner 0"));
    let cache = part(&gone, "main.orders", "pocket");
    assert_eq!((&gone["runs"], &cache["compared"], &cache["open"]), (&json!(3), &json!(668), &json!(0)));
    assert!(cache["last_full_at"].as_str() > gone["series"][1]["at"].as_str(), "{gone}");
}

#[test]
fn a_row_that_changes_its_tenant_counts_under_the_new_one() {
    let stage = stage(FILE);
    let running = stage.streaming();
    stage.sql(
        "UPDATE orders SET owner = 'owner 2' WHERE id IN (3, 6); UPDATE orders SET owner = NULL WHERE id = 9",
    );
    stage.run(&["verify", "shop.yaml"]).ends(0);
    // As if the changes of two of them had not arrived.
    change(
        &stage,
        "cache.db",
        "UPDATE cache SET value = json_set(value, '$.whose', 'owner 0') WHERE key IN ('orders:3', 'orders:9')",
    );
    let report = stage.run(&["verify", "shop.yaml", "--per-tenant", "--json"]).ends(4).json();
    let expected = [
        json!(["owner 0", 330, 0, 0, 0, 0, 0]),
        json!(["owner 1", 334, 0, 0, 0, 0, 0]),
        json!(["owner 2", 335, 0, 1, 0, 0, 0]),
    ];
    assert_eq!((tenants(&report, "pocket"), &report["drift"]), (expected.to_vec(), &json!(2)));
    let report = stage.run(&["repair", "shop.yaml", "--per-tenant", "--yes", "--json"]).ends(0).json();
    assert_eq!(tenants(&report, "pocket")[2], json!(["owner 2", 335, 0, 1, 0, 0, 1]));
    stage.run(&["verify", "shop.yaml"]).ends(0);
    running.signal("TERM").ends(0);
}

#[test]
fn parts_of_the_rows_are_counted_by_tenant_too() {
    let stage = stage(FILE);
    let running = stage.streaming();
    stage.sql(
        "UPDATE _syncline_changes SET at = at - 300000;
         UPDATE orders SET n = n + 1 WHERE id IN (3, 5, 6); DELETE FROM orders WHERE id = 7",
    );
    stage.run(&["verify", "shop.yaml"]).ends(0);
    change(&stage, "cache.db", CORRUPT);
    change(
        &stage,
        "cache.db",
        "INSERT OR REPLACE INTO cache (key, version, value) VALUES ('orders:7', 1, '{\"whose\":\"owner 1\"}')",
    );
    let report =
        stage.run(&["verify", "shop.yaml", "--per-tenant", "--since", "1m", "--json"]).ends(4).json();
    let expected = [
        json!(["owner 0", 2, 1, 1, 0, 0, 0]),
        json!(["owner 1", 1, 0, 0, 1, 0, 0]),
        json!(["owner 2", 1, 0, 0, 0, 0, 0]),
    ];
    assert_eq!(tenants(&report, "pocket"), expected);
    let report =
        stage.run(&["verify", "shop.yaml", "--per-tenant", "--sample", "5000", "--json"]).ends(4).json();
    let expected = [
        json!(["owner 0", 333, 1, 1, 0, 0, 0]),
        json!(["owner 1", 333, 0, 1, 0, 0, 0]),
        json!(["owner 2", 333, 0, 0, 0, 0, 0]),
    ];
    assert_eq!(tenants(&report, "pocket"), expected);
    let told = told(&stage, Some("owner 0"));
    assert_eq!(part(&told, "main.orders", "pocket")["last_full_at"], Value::Null, "a part is not all");
    running.signal("TERM").ends(0);
}

#[test]
fn beyond_ten_thousand_tenants_are_counted_together() {
    let stage = stage(FILE);
    stage.sql(
        "DELETE FROM orders;
         INSERT INTO orders SELECT value, printf('t%05d', value), 0 FROM (WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 10003) SELECT value FROM n);",
    );
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    // One reader, so that they are met in the order of their rows.
    let all = ["verify", "shop.yaml", "--per-tenant", "--table", "main.orders", "--readers", "1", "--json"];
    let report = stage.run(&all).ends(0).json();
    for target in ["pocket", "shelf"] {
        let orders = part(&report, "main.orders", target);
        assert_eq!(orders["tenants"].as_array().unwrap().len(), 10_000);
        assert_eq!(orders["other_tenants"]["compared"], json!(3));
    }
    let text = stage.run(&["verify", "shop.yaml", "--per-tenant", "--readers", "1"]).ends(0).stdout;
    assert!(text.contains("tenants: 0 differ, 10000 are clean; 6 documents are of tenants beyond"), "{text}");
    let known = |row: i64| told(&stage, Some(&format!("t{row:05}")))["runs"].clone();
    assert_eq!(known(1), json!(2));
    assert_eq!(known(10_003), json!(0), "what was not counted is not told");
    stage.run(&["verify", "shop.yaml", "--tenant", "t10003"]).ends(0);
    stage.run(&all).ends(0);
    assert_eq!(known(10_003), json!(1), "nor afterwards");
}

#[test]
fn a_comparison_that_was_killed_goes_on_with_its_counts_and_its_tenants() {
    let stage = stage(FILE);
    // The first table has all the tenants that can be counted, the second two more, and takes seconds.
    stage.sql(
        "DELETE FROM orders;
         INSERT INTO orders SELECT value, printf('t%05d', value), 0 FROM (WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 10000) SELECT value FROM n);
         CREATE TABLE others (id INTEGER PRIMARY KEY, owner TEXT);
         INSERT INTO others SELECT id, 'other ' || (id % 2) FROM orders;",
    );
    stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    let slow = ["verify", "shop.yaml", "--per-tenant", "--rows-per-second", "2000"];
    let mut slow = stage.start(&[&slow[..], &["--table", "main.o*"]].concat());
    stage.wait("done with the first table", || {
        let ledger = rusqlite::Connection::open(stage.path(".syncline/ledger.db")).unwrap();
        ledger.busy_timeout(PATIENCE).unwrap();
        let sql = "SELECT value FROM property WHERE name = 'verify.interrupted'";
        ledger
            .query_row(sql, [], |row| row.get::<_, String>(0))
            .is_ok_and(|text| text.contains("main.orders"))
    });
    slow.send("KILL");
    drop(slow);
    change(&stage, "cache.db", "DELETE FROM cache WHERE key IN ('orders:3', 'others:3')");
    let again = ["verify", "shop.yaml", "--per-tenant", "--table", "main.o*", "--resume", "--json"];
    let report = stage.run(&again).ends(4).json();
    assert_eq!(tenants(&report, "pocket")[2], json!(["t00003", 1, 0, 0, 0, 0, 0]), "as it was then");
    let others = part(&report, "main.others", "pocket");
    assert_eq!(others["tenants"], json!([]), "all ten thousand are the orders'");
    let beyond =
        json!({"compared": 10000, "missing": 1, "different": 0, "extra": 0, "unsettled": 0, "repaired": 0});
    assert_eq!(others["other_tenants"], beyond);
    let told = told(&stage, Some("t00003"));
    assert_eq!(part(&told, "main.orders", "pocket")["compared"], json!(1));
}

#[test]
fn at_set_times_and_over_http() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let http = format!("version: 1\nhttp: {{ listen: \"{address}\" }}");
    let entry =
        "    tenant: owner\n    schedule: [{ task: verify, cron: '* * * * * ?', per: tenant, repair: auto }]";
    let stage = stage(&FILE.replace("version: 1", &http).replace("    tenant: owner", entry));
    let running = stage.streaming();
    let of = |tenant: &str| -> Value {
        let (status, _, body) = get(address, &format!("/consistency/report?tenant={tenant}"), "");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Value>(&body).unwrap()["pipelines"][0].clone()
    };
    stage.wait("compared", || of("owner%202")["runs"].as_u64() > Some(0));
    change(&stage, "cache.db", CORRUPT);
    stage.wait("put right", || of("owner%201")["repaired"] == json!(3));
    let one = of("owner%201");
    assert_eq!((&one["drift"], &of("owner%202")["drift"]), (&json!(3), &json!(0)));
    let points = one["series"].as_array().unwrap();
    assert!(points.iter().all(|point| point["why"] == "schedule" && point["mode"] == "full"), "{one}");
    stage.wait("as it should be", || {
        part(&of("owner%200"), "main.orders", "pocket")["consistency_rate"] == json!(1.0)
    });

    let begin = |body: &str| {
        let (status, _, text) =
            post(address, "/consistency/runs", "Content-Type: application/json\r\n", body);
        (status, serde_json::from_str::<Value>(&text).unwrap())
    };
    let (status, refused) = begin(r#"{"per_tenant":true,"tenant":"owner 1"}"#);
    assert_eq!((status, &refused["fix"]), (400, &json!("leave out tenant and keys")), "{refused}");
    stage.wait("compared over HTTP", || {
        // The schedule's comparison may be under way: then this one gives up.
        let (status, run) = begin(r#"{"per_tenant":true,"limit":0}"#);
        assert_eq!(status, 202, "{run}");
        let path = format!("/consistency/runs/{}", run["id"]);
        let seen = || serde_json::from_str::<Value>(&get(address, &path, "").2).unwrap();
        stage.wait("ended", || seen()["state"] != "running");
        let seen = seen();
        seen["state"] == "completed" && tenants(&seen["reports"][0], "shelf").len() == 3
    });
    running.signal("TERM").ends(0);
}

#[test]
fn who_cannot_be_told_apart_is_not_counted() {
    let stage = stage(FILE);
    stage.run(&["verify", "shop.yaml", "--per-tenant", "--tenant", "owner 1"]).ends(2);
    stage.run(&["verify", "shop.yaml", "--per-tenant", "--table", "main.orders", "--key", "1"]).ends(2);
    std::fs::write(stage.path("shop.yaml"), FILE.replace("    tenant: owner\n", "")).unwrap();
    let done = stage.run(&["verify", "shop.yaml", "--per-tenant"]).ends(2);
    assert!(done.stderr.contains("`tenant: COLUMN`"), "{}", done.stderr);
}
