//! Quotas of tenants: a flood waits and the others do not, and whatever ends the process meanwhile, targets end equal.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::get;
use super::stage::{PATIENCE, Stage};

struct Shop {
    stage: Stage,
    address: SocketAddr,
}

impl Shop {
    /// Orders of tenants, which go to a cache; `quota` stands under `tenant_quota`.
    fn new(quota: &str) -> Shop {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let shop = Shop { stage: Stage::new(""), address };
        shop.stage.sql("CREATE TABLE orders (id INTEGER PRIMARY KEY, owner TEXT, n INTEGER, text TEXT)");
        shop.quota(quota);
        shop
    }

    fn quota(&self, quota: &str) {
        let file = format!(
            r#"version: 1
http: {{ listen: "{}" }}
connections:
  shop: sqlite:shop.db
  hot: sqlite:cache.db
pipelines:
  shop:
    source: {{ connection: shop, tables: ["main.orders"] }}
    tenant: owner
    tenant_quota: {quota}
    routes:
      - table: main.orders
        to: [{{ connection: hot, key: "{{id}}" }}]
"#,
            self.address
        );
        std::fs::write(self.stage.path("shop.yaml"), file).unwrap();
    }

    /// So many new orders in one transaction.
    fn orders(&self, owner: &str, from: u64, count: u64) {
        self.stage.sql(&format!(
            "WITH RECURSIVE numbers(n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {from} + {count})
             INSERT INTO orders SELECT n, '{owner}', 0, '' FROM numbers"
        ));
    }

    /// The orders of the cache by id, as (owner, n).
    fn cached(&self) -> BTreeMap<i64, (String, i64)> {
        let path = self.stage.path("cache.db");
        let Ok(cache) =
            rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
        else {
            return BTreeMap::new();
        };
        cache.busy_timeout(PATIENCE).unwrap();
        let Ok(mut query) = cache.prepare("SELECT value FROM cache WHERE value IS NOT NULL") else {
            return BTreeMap::new();
        };
        let texts = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let read = |text: String| {
            let order: Value = serde_json::from_str(&text).unwrap();
            let owner = order["owner"].as_str().unwrap_or_default().to_owned();
            (order["id"].as_i64().unwrap(), (owner, order["n"].as_i64().unwrap()))
        };
        texts.map(|text| read(text.unwrap())).collect()
    }

    fn stored(&self) -> BTreeMap<i64, (String, i64)> {
        let shop = rusqlite::Connection::open(self.stage.path("shop.db")).unwrap();
        let mut query = shop.prepare("SELECT id, coalesce(owner, ''), n FROM orders").unwrap();
        let orders = query.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))).unwrap();
        orders.map(Result::unwrap).collect()
    }

    fn count(&self, owner: &str) -> usize {
        self.cached().values().filter(|(of, _)| of == owner).count()
    }

    fn pipeline(&self) -> Value {
        self.stage.status()["pipelines"][0].clone()
    }

    fn held(&self, tenant: &str) -> u64 {
        let status = self.pipeline();
        let tenants = status["tenants"].as_array().unwrap();
        tenants.iter().filter(|t| t["tenant"] == tenant).map(|t| t["held"].as_u64().unwrap()).sum()
    }

    fn metric(&self, series: &str) -> Option<f64> {
        let (_, _, metrics) = get(self.address, "/metrics", "");
        metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    #[track_caller]
    fn balanced(&self) {
        let table = &self.pipeline()["tables"][0];
        let count = |name: &str| table[name].as_i64().unwrap();
        let filtered: i64 =
            table["filtered"].as_object().unwrap().values().map(|n| n.as_i64().unwrap()).sum();
        let sum = count("applied") + count("superseded") + filtered + count("dead") + count("in_flight");
        assert_eq!(count("accepted"), sum, "{table}");
    }
}

#[test]
fn a_flood_is_held_while_others_are_applied_and_a_kill_loses_nothing() {
    let shop = Shop::new("{ rows_per_second: 50, tenants: { calm: { rows_per_second: 10000 } } }");
    let mut running = shop.stage.streaming();
    shop.orders("flood", 1, 1000);
    shop.orders("calm", 5001, 500);
    shop.stage.sql("UPDATE orders SET n = 1 WHERE id % 3 = 0; DELETE FROM orders WHERE id % 5 = 0");
    // Some change their owner, and some are deleted by the new one.
    shop.stage.sql("UPDATE orders SET owner = 'calm' WHERE id BETWEEN 101 AND 199; DELETE FROM orders WHERE id BETWEEN 151 AND 159");
    shop.orders("other", 9001, 10);
    let calm = |shop: &Shop| shop.cached().range(5000..).filter(|(_, (of, _))| of == "calm").count();
    shop.stage.wait("applied", || calm(&shop) == 400 && shop.count("other") == 10);
    let flood = shop.count("flood");
    assert!(flood < 700, "{flood} of the flood came with the others");
    let held = shop.held("flood");
    assert!(held > 500, "{held} held");
    assert_eq!((shop.held("calm"), shop.held("other")), (0, 0));
    shop.balanced();
    let series =
        |name: &str, tenant: &str| format!("syncline_tenant_{name}{{pipeline=\"shop\",tenant=\"{tenant}\"}}");
    assert!(shop.metric(&series("held", "flood")).unwrap() > 500.0);
    shop.stage.wait("late", || shop.metric(&series("lag_seconds", "flood")).unwrap() > 0.5);
    assert_eq!(shop.metric(&series("lag_seconds", "calm")), Some(0.0));
    assert!(shop.metric(&series("applied_total", "calm")).unwrap() >= 500.0);
    let text = shop.stage.run(&["status", "shop.yaml"]).ends(0).stdout;
    assert!(text.contains("TENANT") && text.contains("flood"), "{text}");
    running.send("KILL");
    drop(running);
    shop.quota("{ rows_per_second: 5000, burst: 10, concurrency: 40 }");
    let running = shop.stage.streaming();
    shop.stage.wait("equal", || shop.cached() == shop.stored());
    shop.stage.wait("let go", || shop.held("flood") == 0);
    shop.balanced();
    assert_eq!(running.signal("TERM").code, Some(0));
    shop.stage.run(&["verify", "shop.yaml"]).ends(0);
    let table = &shop.pipeline()["tables"][0];
    assert_eq!((&table["in_flight"], shop.cached()), (&json!(0), shop.stored()));
    shop.balanced();
}

#[test]
fn a_stop_does_not_wait_for_quotas_and_until_current_does() {
    let shop = Shop::new("{ rows_per_second: 20 }");
    let running = shop.stage.streaming();
    shop.orders("flood", 1, 100);
    shop.stage.wait("held", || shop.held("flood") > 0);
    let began = Instant::now();
    assert_eq!(running.signal("TERM").code, Some(0));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let came = shop.cached().len();
    assert!(came < 100, "all of it has come");
    shop.quota("{ rows_per_second: 40 }");
    let began = Instant::now();
    shop.stage.run(&["run", "shop.yaml", "--until-current"]).ends(0);
    // All of it is read again, since none of it was committed: 40 at once and 60 later.
    assert!(began.elapsed() > Duration::from_millis(1400), "{:?}", began.elapsed());
    assert_eq!(shop.cached(), shop.stored());
    let table = &shop.pipeline()["tables"][0];
    assert_eq!((&table["accepted"], &table["applied"]), (&json!(100), &json!(100)));
}

#[test]
fn comparisons_wait_for_what_is_held_and_a_pause_does_not_keep_it() {
    let shop = Shop::new("{ rows_per_second: 100, burst: 10 }");
    shop.orders("early", 1, 300);
    // Rows of a backfill count.
    let _running = shop.stage.start(&["run", "shop.yaml"]);
    shop.stage.wait("held", || shop.cached().len() > 10 && shop.held("early") > 0);
    shop.stage.wait("streaming", || shop.stage.state() == "streaming");
    assert_eq!(shop.cached(), shop.stored(), "a backfill ends when all of it is there");
    shop.orders("late", 1001, 200);
    let found = shop.stage.run(&["verify", "shop.yaml", "--json"]).ends(0).json();
    assert_eq!(found["drift"], json!(0));
    assert_eq!(shop.count("late"), 200);
    shop.orders("late", 2001, 200);
    shop.stage.wait("held", || shop.held("late") > 0);
    shop.stage.run(&["pause", "shop.yaml"]).ends(0);
    shop.stage.wait("let go", || shop.held("late") == 0 && shop.count("late") == 400);
    assert_eq!(shop.stage.state(), "paused");
    shop.balanced();
}

#[test]
fn a_backfill_leaves_room_for_what_changes_meanwhile() {
    let shop =
        Shop::new("{ rows_per_second: 400, max_held: 1MiB, tenants: { calm: { rows_per_second: 10000 } } }");
    shop.orders("flood", 1, 4000);
    shop.stage.sql("UPDATE orders SET text = hex(zeroblob(500))");
    let file = std::fs::read_to_string(shop.stage.path("shop.yaml")).unwrap();
    let file = file.replace("[\"main.orders\"] }", "[\"main.orders\"], chunk_rows: 100 }");
    std::fs::write(shop.stage.path("shop.yaml"), file).unwrap();
    let _running = shop.stage.start(&["run", "shop.yaml"]);
    shop.stage.wait("held", || shop.count("flood") > 500);
    for n in 0..5 {
        shop.orders("calm", 5001 + n, 1);
        let began = Instant::now();
        shop.stage.wait("applied", || shop.count("calm") as u64 == n + 1);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        assert_eq!(shop.pipeline()["sinks"][0]["held_full"], json!(false));
    }
    assert!(shop.count("flood") < 4000, "the backfill was over before");
    shop.stage.wait("equal", || shop.cached() == shop.stored());
    shop.balanced();
}

#[test]
fn beyond_what_may_be_held_the_source_waits() {
    let shop = Shop::new(
        "{ rows_per_second: 500, burst: 1, max_held: 64KiB, tenants: { calm: { rows_per_second: 10000 } } }",
    );
    let _running = shop.stage.streaming();
    for n in 0..15 {
        shop.orders("flood", 1 + n * 100, 100);
        shop.stage.sql("UPDATE orders SET text = hex(zeroblob(1000)), n = 1 WHERE n = 0");
    }
    shop.orders("calm", 5001, 10);
    shop.stage.wait("full", || shop.pipeline()["sinks"][0]["held_full"] == json!(true));
    let text = shop.stage.run(&["status", "shop.yaml"]).ends(0).stdout;
    assert!(text.contains("the source is read no further"), "{text}");
    assert_eq!(
        std::fs::read_dir(shop.stage.path(".syncline"))
            .unwrap()
            .filter(|f| { f.as_ref().unwrap().file_name().to_string_lossy().contains("held") })
            .count(),
        0,
        "the file of what is held has no name"
    );
    shop.stage.wait("equal", || shop.cached() == shop.stored());
    shop.stage.wait("let go", || shop.pipeline()["sinks"][0]["held_full"] == json!(false));
    shop.balanced();
}
