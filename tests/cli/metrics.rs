//! What `/metrics` says of trouble, which the alerts of `deploy/prometheus` wait for: drift, repairs that do not hold, tables and sinks
//! that halt or retry. That the rules ask for nothing else is shown in `tests/alerts`.

use std::net::{SocketAddr, TcpListener};

use super::http::get;
use super::stage::{Running, Stage};
use super::verify::change;

/// A stage whose process serves HTTP.
fn serving() -> (Stage, Running, SocketAddr) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let stage = Stage::new(&format!(
        r#"version: 1
http: {{ listen: "{address}" }}
connections:
  shop: sqlite:shop.db
  shelf: sqlite:search.db
pipelines:
  shop:
    source: {{ connection: shop, tables: ["main.*"] }}
    schedule: [{{ task: verify, cron: "0 3 * * *" }}]
    routes:
      - table: main.*
        to: [{{ connection: shelf, index: "{{table}}" }}]
"#
    ));
    let running = stage.streaming();
    (stage, running, address)
}

/// The value of a series.
pub fn value(address: SocketAddr, series: &str) -> Option<f64> {
    let (_, _, metrics) = get(address, "/metrics", "");
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map(|text| text.parse().unwrap())
}

#[test]
fn drift_and_repairs_that_do_not_hold() {
    let (stage, _running, address) = serving();
    let drift = "syncline_drift_documents{pipeline=\"shop\"}";
    let unconfirmed = "syncline_repairs_total{pipeline=\"shop\",result=\"unconfirmed\"}";
    let confirmed = "syncline_repairs_total{pipeline=\"shop\",result=\"confirmed\"}";
    assert_eq!(value(address, drift), None, "nobody has compared");
    stage.run(&["verify", "shop.yaml"]).ends(0);
    assert_eq!(value(address, drift), Some(0.0));
    let at = value(address, "syncline_verified_timestamp_seconds{pipeline=\"shop\"}").unwrap();
    assert!(at > 1.7e9 && at < 1e11, "{at} is not in seconds");
    // Another program takes one of the documents away each time that it is written.
    change(
        &stage,
        "search.db",
        "CREATE TRIGGER other AFTER INSERT ON documents WHEN NEW.id = '1'
           BEGIN DELETE FROM documents WHERE id = '1'; END;
         DELETE FROM documents WHERE id IN ('1', '2')",
    );
    stage.run(&["repair", "shop.yaml", "--yes"]).ends(5);
    assert_eq!((value(address, confirmed), value(address, unconfirmed)), (Some(1.0), Some(1.0)));
    assert_eq!(value(address, drift), Some(1.0));
    change(&stage, "search.db", "DROP TRIGGER other");
    stage.run(&["repair", "shop.yaml", "--yes"]).ends(0);
    assert_eq!((value(address, confirmed), value(address, unconfirmed)), (Some(2.0), Some(1.0)));
    assert_eq!(value(address, drift), Some(0.0));
    assert_eq!(
        value(address, "syncline_scheduled_failed{pipeline=\"shop\",task=\"verify\"}"),
        Some(0.0),
        "it never came"
    );
}

#[test]
fn tables_that_halt_and_sinks_that_retry() {
    let (stage, _running, address) = serving();
    let things = "syncline_table_up{pipeline=\"shop\",table=\"main.things\"}";
    let retrying = "syncline_sink_state{pipeline=\"shop\",sink=\"shelf\",state=\"retrying\"}";
    let ok = retrying.replace("retrying", "ok");
    assert_eq!((value(address, things), value(address, retrying)), (Some(1.0), None));
    assert_eq!(
        (value(address, &ok), value(address, "syncline_source_up{pipeline=\"shop\"}")),
        (Some(1.0), Some(1.0))
    );
    let shelf = rusqlite::Connection::open(stage.path("search.db")).unwrap();
    shelf.execute_batch("BEGIN IMMEDIATE").unwrap();
    stage.sql("INSERT INTO things VALUES (4, 'four')");
    stage.wait("retrying", || value(address, retrying) == Some(1.0));
    assert_eq!(value(address, &ok), None);
    shelf.execute_batch("COMMIT").unwrap();
    stage.wait("taking it", || value(address, &ok) == Some(1.0));
    stage.sql("CREATE TABLE keyless (name TEXT); INSERT INTO keyless VALUES ('one')");
    let keyless = "syncline_table_up{pipeline=\"shop\",table=\"main.keyless\"}";
    stage.wait("halted", || value(address, keyless) == Some(0.0));
    assert_eq!(value(address, things), Some(1.0));
}
