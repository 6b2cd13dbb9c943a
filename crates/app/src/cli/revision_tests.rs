//! What counts as a change of the file, what it is called, and that no secret is part of it.

use super::*;
use crate::config;

const FILE: &str = r#"
version: 1
connections:
  shop: sqlite:shop.db
  hooks: { url: "https://user:URLPASS@example.com/in", secret: "whsec_c2VjcmV0c2VjcmV0c2VjcmV0U0VDUkVU", headers: { X-Key: "HEADER" } }
pipelines:
  shop:
    source: { connection: shop, tables: ["main.*"] }
    routes:
      - table: main.orders
        to: [{ connection: hooks, url: "/orders?token=TOKEN" }]
"#;

fn revision(text: &str) -> Revision {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.yaml");
    std::fs::write(&file, text).unwrap();
    let mut config = config::load(&file).unwrap_or_else(|errors| panic!("{errors:?}"));
    // Where the file lies is no part of what is compared here.
    config.connections.get_mut("shop").unwrap().url = "sqlite:shop.db".to_owned();
    Revision::of(&config, &config.pipelines[0])
}

#[test]
fn changes_are_named_by_their_part() {
    let before = revision(FILE);
    assert!(revision(FILE).differs_from(&before).is_empty());
    assert_eq!(revision(FILE).hash, before.hash);
    let cases = [
        ("tables: [\"main.*\"]", "tables: [\"main.orders\"]", vec!["source"]),
        ("    routes:", "    memory: 64MiB\n    routes:", vec!["limits"]),
        ("    routes:", "    keep_reports: 1d\n    routes:", vec!["schedule"]),
        ("    routes:", "    schedule: [{ task: verify, cron: '@daily' }]\n    routes:", vec!["schedule"]),
        ("example.com/in", "example.com/out", vec!["connection hooks"]),
        ("to: [", "filter: [{ name: f, when: \"id > 1\" }]\n        to: [", vec!["route main.orders"]),
        ("main.orders", "main.items", vec!["route main.items", "route main.orders", "routes"]),
    ];
    for (old, new, expected) in cases {
        let now = revision(&FILE.replace(old, new));
        assert_ne!(now.hash, before.hash, "{new}");
        assert_eq!(now.differs_from(&before), expected, "{new}");
    }
}

#[test]
fn no_secret_is_hashed() {
    let before = revision(FILE);
    for (secret, other) in [
        ("URLPASS", "other"),
        ("TOKEN", "other"),
        ("HEADER", "other"),
        ("c2VjcmV0c2VjcmV0c2VjcmV0U0VDUkVU", "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"),
    ] {
        assert!(FILE.contains(secret));
        assert_eq!(revision(&FILE.replace(secret, other)).hash, before.hash, "{secret}");
    }
    let unsigned = revision(&FILE.replace("secret: \"whsec_c2VjcmV0c2VjcmV0c2VjcmV0U0VDUkVU\", ", ""));
    assert_eq!(unsigned.differs_from(&before), ["connection hooks"]);
}

#[test]
fn the_order_of_routes_counts() {
    let two = |first: &str, second: &str| {
        let route =
            |table: &str| format!("      - table: {table}\n        to: [{{ connection: hooks, url: /x }}]\n");
        let head = FILE.split("      - table").next().unwrap().to_owned();
        revision(&(head + &route(first) + &route(second)))
    };
    let (before, now) = (two("main.a", "main.*"), two("main.*", "main.a"));
    assert_eq!(now.differs_from(&before), ["routes"]);
}
