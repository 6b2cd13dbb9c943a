//! Good files become what they say; bad files name every mistake with place, nearest name and code.

use std::path::Path;

use syncline_engine::route::{FilterTest, TargetKind, TransformAction};

use super::{Config, parse};

pub(super) fn good(text: &str) -> Config {
    parse(text, "f.yaml", Path::new("/folder")).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// The errors as a person reads them.
pub(super) fn bad(text: &str) -> Vec<String> {
    let errors = parse(text, "f.yaml", Path::new("/folder")).err().expect("the file is bad");
    let shown = |e: &syncline_engine::error::Error| match e.fix_text() {
        fix if fix.starts_with("did you mean") => format!("{e}; {fix}"),
        _ => e.to_string(),
    };
    errors.iter().map(shown).collect()
}

pub(super) const SMALL: &str = r#"
version: 1
connections:
  shop: sqlite:shop.db
  found: sqlite:search.db
pipelines:
  shop:
    source: { connection: shop, tables: ["main.*"] }
    routes:
      - table: main.orders
        to: [{ connection: found, index: orders }]
"#;

#[test]
fn a_small_file_gets_sane_defaults() {
    let config = good(SMALL);
    assert_eq!(config.data, Path::new("/folder/.syncline"));
    assert_eq!(config.connections["shop"].url, "sqlite:/folder/shop.db");
    let pipeline = &config.pipelines[0];
    assert!(pipeline.source.backfill && pipeline.source.chunk_rows == 10_000);
    assert_eq!(pipeline.routes[0].targets[0].kind, TargetKind::Search);
}

#[test]
fn every_option_is_read() {
    let config = good(
        r#"
version: 1
data: ./d
http: { listen: 127.0.0.1:7070 }
connections:
  shop: { url: "mysql://u:p@h:3306/shop", connect_timeout: 500ms, request_timeout: 1m, lanes: 2, batch_items: 7, batch_bytes: 64KiB, tls: { verify: false } }
  hot: redis://h:6379/0
  search: opensearch://h:9200
pipelines:
  p:
    source: { connection: shop, tables: [shop.*], exclude: [shop.tmp_*], server_id: 9, backfill: false, chunk_rows: 5, chunk_workers: 3, max_rows_per_second: 100 }
    log: none
    tenant: tenant_id
    max_dead_letters: 5
    memory: 1MiB
    routes:
      - table: shop.cases
        key: [case_id]
        filter:
          - { name: live, field: status, exclude_values: [deleted, null, 3] }
          - { when: "price > 0" }
        transform:
          - { field: at, type: date, format: "yyyy", zone: UTC }
          - { field: body, type: text, analyzer: standard }
          - { field: state, from: review }
          - { field: tags, split: "," }
          - { field: secret, drop: true }
          - { field: kind, value: 5 }
        only: [at, body]
        partition_by: at
        on_schema_change: halt
        on_drop: delete
        on_cascade: accept
        zero_date: text
        to:
          - { connection: search, index: "c_{YYYY}", id: "{table}:{key}", settings: { number_of_shards: 3 }, mapping: { title: { type: keyword } } }
          - { connection: hot, key: "case:{case_id}", ttl: 1h, tombstone_ttl: 2d, format: hash }
          - { stdout: true }
"#,
    );
    let route = &config.pipelines[0].routes[0];
    let values = vec![Some("deleted".to_owned()), None, Some("3".into())];
    assert_eq!(route.filters[0].test, FilterTest::Exclude { field: "status".into(), values });
    assert_eq!(route.filters[1].name, "filter-2");
    assert_eq!(route.transforms[5].action, TransformAction::Constant(5.into()));
    assert!(route.on_drop_delete && route.accept_cascade && route.zero_date_text);
    assert_eq!(route.targets[0].settings["number_of_shards"], 3);
    assert!(route.targets[1].hash);
    assert_eq!(route.targets[1].ttl, Some(std::time::Duration::from_secs(3600)));
    assert_eq!(route.targets[2].connection, "stdout");
    assert_eq!(config.connections["shop"].options.batch_bytes, Some(65_536));
}

#[test]
fn all_mistakes_of_a_file_at_once() {
    let errors = bad(r#"
version: 2
conections: {}
connections:
  shop: sqlite:shop.db
  spare: redis://h:6379
  secret: mysql://u:${SYNCLINE_TEST_UNSET_VARIABLE}@h/x
pipelines:
  p:
    source: { connection: shopp, tables: [main.*], backfil: true }
    log: embedded
    routes:
      - table: main.orders
        on_drop: forget
        to:
          - { connection: shop, path: "x" }
          - { index: x, key: y, connection: shop }
          - { connection: shop, index: x, ttl: 5 }
entities: { user: {} }
"#);
    let expected = [
        "f.yaml:2:10: SYN-1003: the file.version must be 1",
        "f.yaml:3:1: SYN-1002: unknown key `conections` in the file; did you mean connections?",
        "f.yaml:6:3: SYN-1006: connection `spare` is not used",
        "f.yaml:7:11: SYN-1005: variable SYNCLINE_TEST_UNSET_VARIABLE is not set",
        "f.yaml:10:27: SYN-1006: there is no connection `shopp`; did you mean shop?",
        "f.yaml:10:52: SYN-1002: unknown key `backfil` in pipelines.p.source; did you mean backfill?",
        "f.yaml:11:10: SYN-1009: pipelines.p.log: only `none` can be used in this version",
        "f.yaml:14:18: SYN-1003: pipelines.p.routes[0].on_drop must be one of keep, delete",
    ];
    assert_eq!(errors[..expected.len()], expected);
    let rest = errors[expected.len()..].join("\n");
    for part in [
        "f.yaml:16:27: SYN-1006",
        "f.yaml:17:13: SYN-1007: pipelines.p.routes[0].to[1] is two kinds of target at once",
        "f.yaml:18:48: SYN-1003: pipelines.p.routes[0].to[2].ttl must be a duration",
        "f.yaml:19:11: SYN-1009: `entities` cannot be used in this version yet",
    ] {
        assert!(rest.contains(part), "{part} is not among\n{rest}");
    }
}

#[test]
fn webhooks_have_options_of_their_own() {
    let text = |hook: &str| {
        let hook = format!("  hook: {hook}\npipelines:");
        let target = r#"to: [{ connection: hook, url: "/orders/{key}" }, { connection: hook, url: "" }, "#;
        SMALL.trim_start().replace("pipelines:", &hook).replace("to: [", target)
    };
    let config = good(&text(
        "{ url: 'https://h/in', secret: whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX, headers: { x-a: 1, X-B: two }, requests: 3 }",
    ));
    let options = &config.connections["hook"].options;
    assert_eq!(options.headers, [("x-a".to_owned(), "1".to_owned()), ("X-B".to_owned(), "two".to_owned())]);
    assert_eq!((options.requests, options.secret.is_some()), (Some(3), true));
    let targets = &config.pipelines[0].routes[0].targets;
    assert_eq!((targets[0].kind, targets[1].template.as_str()), (TargetKind::Webhook, ""));
    for (hook, expected) in [
        ("http://h/in?a=b", "f.yaml:5:9: SYN-1003: connection hook: the URL has a query"),
        ("{ url: 'http://h', secret: '' }", "SYN-1003: connection hook: the secret is empty"),
        ("{ url: 'http://h', secret_file: nowhere }", "SYN-1008: the secret file nowhere cannot be read"),
        ("{ url: 'http://h', secret: a, secret_file: b }", "SYN-1007: connections.hook has `secret` and"),
        ("{ url: 'http://h', headers: [a] }", "SYN-1003: connections.hook.headers must be a map"),
        ("{ url: 'http://h', requests: 0 }", "SYN-1003: connections.hook.requests must be a whole number"),
        ("{ url: 'http://h', lanes: 2 }", "SYN-1007: connections.hook: `lanes` does not go with this kind"),
        ("{ url: 'redis://h', requests: 2 }", "SYN-1007: connections.hook: `requests` does not go with"),
    ] {
        let errors = bad(&text(hook)).join("\n");
        assert!(errors.contains(expected), "{expected} is not among\n{errors}");
    }
}

#[test]
fn broken_yaml_is_one_error_with_its_place() {
    assert_eq!(bad("version: 1\nversion: 1\n").len(), 1);
    assert!(bad("a: [1, 2\nb: 3")[0].starts_with("f.yaml:"));
    assert!(bad("a: &x 1\nb: *x\n")[0].contains("anchors"));
    assert!(bad(&"[".repeat(100_000))[0].contains("SYN-1001"));
    assert!(!bad("").is_empty());
    assert!(!bad("- 1").is_empty());
}

#[test]
fn an_address_that_others_reach_needs_tokens() {
    let text = format!("http: {{ listen: 0.0.0.0:7070 }}\n{}", SMALL.trim_start());
    assert!(bad(&text)[0].contains("needs `tokens_file`"));
}

#[test]
fn the_schema_knows_the_keys_that_are_read() {
    let schema: serde_json::Value = serde_json::from_str(super::schema()).expect("the schema is JSON");
    let pipeline = &schema["properties"]["pipelines"]["additionalProperties"]["properties"];
    let names = |value: &serde_json::Value| {
        let mut names: Vec<String> = value.as_object().expect("an object").keys().cloned().collect();
        names.sort();
        names
    };
    let schedule =
        "    schedule: [{ task: verify, cron: '@daily' }, { task: reprocess, cron: '@daily' }]\n    routes:";
    let mut file = SMALL.trim_start().replace("    routes:", schedule);
    for (anchor, place) in [
        ("    source: { ", &pipeline["source"]["properties"]),
        ("{ task: ", &pipeline["schedule"]["items"]["properties"]),
        ("to: [{ ", &pipeline["routes"]["items"]["properties"]["to"]["items"]["properties"]),
    ] {
        let unknown = names(place).iter().map(|name| format!("{name}_: 1, ")).collect::<String>();
        let (open, rest) = anchor.split_at(anchor.find("{ ").map_or(anchor.len(), |at| at + 2));
        file = file.replace(anchor, &format!("{open}{unknown}{rest}"));
        let errors = bad(&file);
        for name in names(place) {
            let unknown = format!("unknown key `{name}_`");
            let near = format!("did you mean {name}?");
            assert!(errors.iter().any(|e| e.contains(&unknown) && e.ends_with(&near)), "{name}: {errors:#?}");
        }
    }
}
