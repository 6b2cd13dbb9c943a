//! Parts that need no server: names, connections, answers, encoding, pace, memory of deletes, mappings.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use serde_json::{Value, json};
use syncline_engine::error::Code;
use syncline_engine::route::{TargetKind, TransformAction, TransformSpec};
use syncline_engine::schema::ColumnKind;
use syncline_engine::sink::{Address, Delivery};

use super::super::config::Config;
use super::super::deletes::Deletes;
use super::super::encode::Encoder;
use super::super::mapping;
use super::super::names::{in_path, pattern_in_path};
use super::super::pace::Pace;
use super::super::reply::{Class, Failure, bulk_items};
use super::super::server::Product;
use super::super::{valid_index_name, valid_index_template};
use super::at;
use crate::connection::TlsOptions;
use crate::testing;

#[test]
fn index_names_are_checked_as_the_servers_do() {
    let long = "x".repeat(248);
    for good in ["a", "cases_v1", "a-b.c+d", "日本", "1", ".hidden", long.as_str()] {
        valid_index_name(good).unwrap_or_else(|e| panic!("{good}: {e}"));
    }
    let longer = "x".repeat(249);
    let bad = [
        "",
        ".",
        "..",
        "_a",
        "-a",
        "+a",
        "A",
        "aÉ",
        "a b",
        "a/b",
        "a*",
        "a?",
        "a,b",
        "a#",
        "a:b",
        "<a>",
        "a|b",
        "a\\b",
        "a\"b",
        "a\nb",
        longer.as_str(),
    ];
    for bad in bad {
        assert_eq!(valid_index_name(bad).unwrap_err().code(), Code::SearchName, "{bad}");
    }
    for good in ["executions_{YYYY-MM}_v1", "{table}", "a{key|lower}", "{Tenant_ID}-x"] {
        valid_index_template(good).unwrap_or_else(|e| panic!("{good}: {e}"));
    }
    for bad in ["Executions_{YYYY-MM}", "_{table}", "a {table}", "{table}/x"] {
        assert!(valid_index_template(bad).is_err(), "{bad}");
    }
}

#[test]
fn names_in_paths_cannot_leave_their_segment() {
    assert_eq!(in_path("a/../b?c#d%é ,*"), "a%2F..%2Fb%3Fc%23d%25%C3%A9%20%2C%2A");
    assert_eq!(pattern_in_path("a-*,b/c"), "a-*,b%2Fc");
}

fn read(url: &str) -> Result<Config, String> {
    Config::new(&testing::connection("search", url)).map_err(|e| e.message().to_owned())
}

#[test]
fn connections_are_read_whole() {
    let config = read("opensearch://elastic:p%40ss@w/o?r#d@db1,db2:9201,[::1]:9/a/b/?tls=true").unwrap();
    assert_eq!(config.hosts, ["https://db1:9200/a/b", "https://db2:9201/a/b", "https://[::1]:9/a/b"]);
    let login = config.login.unwrap();
    assert_eq!((login.user.as_str(), login.password.as_str()), ("elastic", "p@ss@w/o?r#d"));
    assert!(config.tls.is_some() && config.compress);
    let local = read("elasticsearch://127.0.0.1:9200").unwrap();
    assert!(local.tls.is_none() && local.login.is_none() && !local.compress);
    assert!(read("elasticsearch://127.0.0.1?compress=true").unwrap().compress);
    for bad in [
        "opensearch:x",
        "opensearch://",
        "opensearch://h:x",
        "opensearch://h:99999",
        "opensearch://a b",
        "opensearch://h?tls=1",
        "opensearch://h?x=true",
        "opensearch://:secret@h",
        "opensearch://[::1",
    ] {
        let error = read(bad).map(|_| ()).unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn a_password_file_wins_and_tls_options_mean_tls() {
    let mut connection = testing::connection("search", "opensearch://u:old@h");
    connection.options.password = Some("100% new".into());
    connection.options.tls = Some(TlsOptions::default());
    let config = Config::new(&connection).unwrap();
    assert_eq!(config.login.unwrap().password, "100% new");
    assert_eq!(config.hosts, ["https://h:9200"]);
    connection.url = "opensearch://h?tls=false".into();
    assert_eq!(Config::new(&connection).map(|_| ()).unwrap_err().code(), Code::ConfigConflict);
}

fn failure(status: u16, kind: &str, reason: &str) -> Failure {
    Failure { status, kind: kind.into(), reason: reason.into() }
}

#[test]
fn statuses_decide_and_names_only_where_a_status_is_ambiguous() {
    let cases = [
        (401, "security_exception", "", Class::Denied),
        (403, "security_exception", "", Class::Denied),
        (403, "", "forbidden", Class::Denied),
        (403, "cluster_block_exception", "", Class::Blocked),
        (404, "index_not_found_exception", "", Class::NoIndex),
        (409, "version_conflict_engine_exception", "", Class::Conflict),
        (413, "", "", Class::TooLarge),
        (429, "es_rejected_execution_exception", "", Class::Busy),
        (429, "circuit_breaking_exception", "", Class::Busy),
        (429, "cluster_block_exception", "", Class::Blocked),
        (503, "unavailable_shards_exception", "", Class::Busy),
        (500, "node_not_connected_exception", "", Class::Down),
        (500, "null_pointer_exception", "", Class::Bad),
        (502, "", "", Class::Down),
        (400, "mapper_parsing_exception", "", Class::Bad),
        (400, "document_parsing_exception", "", Class::Bad),
        (400, "index_closed_exception", "closed", Class::Blocked),
        (400, "illegal_argument_exception", "no write index is defined for alias [a]", Class::Misused),
    ];
    for (status, kind, reason, class) in cases {
        assert_eq!(failure(status, kind, reason).class(), class, "{status} {kind}");
    }
}

#[test]
fn the_stored_version_is_read_from_the_words_of_a_conflict() {
    let words =
        "[7]: version conflict, current version [9223372036854775807] is higher than the one provided [3]";
    assert_eq!(failure(409, "", words).current_version(), Some(i64::MAX as u64));
    // An id that looks like the words must not mislead.
    let tricky =
        "[current version [5]]: version conflict, current version [6] is higher than the one provided [3]";
    assert_eq!(failure(409, "", tricky).current_version(), Some(6));
    assert_eq!(failure(409, "", "required seqNo").current_version(), None);
}

#[test]
fn answers_of_bulks_are_read_by_place() {
    let fine = br#"{"errors":false,"items":[{"index":{"status":201}}]}"#;
    assert!(bulk_items(fine, 1).unwrap().is_empty());
    let mixed = br#"{"took":1,"errors":true,"items":[{"index":{"status":200}},{"delete":{"status":404}},
        {"index":{"status":400,"error":{"type":"t","reason":"r","caused_by":{"type":"u","reason":"deeper"}}}},
        {"index":{"status":500,"error":"text"}}]}"#;
    let items = bulk_items(mixed, 4).unwrap();
    assert_eq!(items, [None, None, Some(failure(400, "t", "r: deeper")), Some(failure(500, "", "text"))]);
    for broken in
        ["", "<html>", "{}", r#"{"errors":true,"items":[]}"#, r#"{"errors":true,"items":[{},{},{},{}]}"#]
    {
        assert_eq!(bulk_items(broken.as_bytes(), 4).unwrap_err().code(), Code::Interrupted, "{broken}");
    }
}

fn any_delivery() -> impl Strategy<Value = (String, String, u64, Option<String>)> {
    ("[a-c]", ".{1,20}", 0..u64::MAX >> 1, proptest::option::of("[a-z\"\\\\]{0,20}"))
}

proptest! {
    #[test]
    fn bulks_are_lines_of_json_that_say_what_was_meant(items in proptest::collection::vec(any_delivery(), 1..20)) {
        let plan = testing::plan(testing::target(TargetKind::Search, "search", "x"));
        let version = |v: u64| syncline_engine::version::Version::from_raw(v).unwrap();
        let deliveries: Vec<Delivery> = items.iter().map(|(target, id, v, text)| match text {
            Some(text) => testing::document(&plan, target, id, version(*v), &json!({"t": text}).to_string()),
            None => testing::absent(&plan, target, id, version(*v)),
        }).collect();
        let mut encoder = Encoder::new(BytesMut::new(), false);
        deliveries.iter().for_each(|d| encoder.item(d));
        let (body, guards) = encoder.finish();
        let text = std::str::from_utf8(&body).unwrap();
        prop_assert!(text.ends_with('\n'));
        let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut indexed: BTreeMap<&str, bool> = BTreeMap::new();
        for (target, id, v, text) in &items {
            *indexed.entry(target).or_default() |= text.is_some();
            let action = if text.is_some() { "index" } else { "delete" };
            let meta = json!({"_index": target, "_id": id, "version": v, "version_type": "external_gte"});
            prop_assert_eq!(lines.next().unwrap(), json!({action: meta}));
            if let Some(text) = text {
                prop_assert_eq!(lines.next().unwrap(), json!({"t": text}));
            }
        }
        prop_assert_eq!(guards, indexed.values().filter(|indexed| !**indexed).count());
        for _ in 0..guards {
            let action = lines.next().unwrap();
            prop_assert!(action["update"]["_index"].is_string());
            prop_assert_eq!(lines.next().unwrap(), json!({"doc": {}}));
        }
        prop_assert_eq!(lines.next(), None);
    }
}

#[test]
fn a_bulk_of_one_target_names_it_only_in_the_path() {
    let plan = testing::plan(testing::target(TargetKind::Search, "search", "x"));
    let mut encoder = Encoder::new(BytesMut::from(&b"left over"[..]), true);
    encoder.item(&testing::document(&plan, "x", "1", at(2), r#"{"a":1}"#));
    let expected = "{\"index\":{\"_id\":\"1\",\"version\":2,\"version_type\":\"external_gte\"}}\n{\"a\":1}\n";
    assert_eq!(encoder.finish(), (Bytes::from(expected), 0));
}

#[test]
fn the_pace_slows_and_recovers_within_its_bounds() {
    let pace = Pace::new(1000, 1 << 20);
    pace.slower(1000);
    assert_eq!(pace.items(), 500);
    (0..20).for_each(|_| pace.slower(pace.items()));
    assert_eq!(pace.items(), 32);
    (0..100).for_each(|_| pace.faster());
    assert_eq!(pace.items(), 1000);
    pace.smaller(1 << 20);
    assert_eq!(pace.bytes(), 1 << 19);
    (0..20).for_each(|_| pace.smaller(pace.bytes()));
    assert_eq!(pace.bytes(), 64 << 10);
    let tiny = Pace::new(3, 100);
    tiny.slower(3);
    assert_eq!(tiny.items(), 3);
}

#[test]
fn deletes_are_remembered_within_a_bound() {
    let deletes = Deletes::with_generation(100);
    let address = |n: u64| Address { target: "t".into(), id: n.to_string().into() };
    assert!(!deletes.newer(&address(0), at(0)));
    for n in 0..150 {
        deletes.remember(&address(n), at(10));
    }
    assert!((50..150).all(|n| deletes.newer(&address(n), at(9))), "the newest hundred at least");
    assert!(!deletes.newer(&address(149), at(10)) && !deletes.newer(&address(149), at(11)));
    deletes.remember(&address(149), at(5));
    assert!(deletes.newer(&address(149), at(9)), "an older delete does not hide a newer one");
    for n in 1000..1300 {
        deletes.remember(&address(n), at(10));
    }
    assert!(!deletes.newer(&address(149), at(9)), "forgotten in the end");
    let other = Address { target: "t1".into(), id: "299".into() };
    assert!(!deletes.newer(&other, at(1)) && deletes.newer(&address(1299), at(1)));
}

fn field_of(kind: ColumnKind, transforms: Vec<TransformSpec>, unsigned_long: bool) -> Value {
    let mut route = testing::route(vec![]);
    route.transforms = transforms;
    let column = syncline_engine::schema::Column { name: "c".into(), kind, nullable: true };
    let schema = syncline_engine::schema::TableSchema::new("shop", "t", vec![column], vec![0]);
    let target = testing::target(TargetKind::Search, "search", "x");
    mapping::properties(&route, &target, &schema, unsigned_long).unwrap()["c"].clone()
}

#[test]
fn text_is_searched_only_where_a_transform_says_so() {
    let text = |analyzer: Option<&str>| TransformSpec {
        field: "c".into(),
        action: TransformAction::Text { analyzer: analyzer.map(str::to_owned) },
    };
    let column = || ColumnKind::Text { length: Some(10) };
    assert_eq!(field_of(column(), vec![], true)["type"], json!("keyword"));
    assert_eq!(field_of(column(), vec![text(None)], true)["type"], json!("text"));
    assert_eq!(field_of(column(), vec![text(Some("english"))], true)["analyzer"], json!("english"));
    assert_eq!(field_of(column(), vec![text(Some("keyword"))], true)["type"], json!("keyword"));
    let big = || ColumnKind::Integer { bits: 64, unsigned: true };
    assert_eq!(field_of(big(), vec![], true)["type"], json!("unsigned_long"));
    assert_eq!(field_of(big(), vec![], false)["type"], json!("keyword"));
}

#[test]
fn settings_keep_the_users_in_any_spelling() {
    let mut target = testing::target(TargetKind::Search, "search", "x");
    let ours = mapping::settings(&target, Some(Product::OpenSearch));
    assert_eq!(Value::Object(ours), json!({"gc_deletes": "1h", "mapping.depth.limit": 1000}));
    target.settings =
        json!({"index": {"gc_deletes": "5m"}, "index.mapping": {"depth": {"limit": 7}}, "a.b": [1], "e": {}})
            .as_object()
            .unwrap()
            .clone();
    let both = mapping::settings(&target, Some(Product::OpenSearch));
    assert_eq!(
        Value::Object(both),
        json!({"gc_deletes": "5m", "mapping.depth.limit": 7, "a.b": [1], "e": {}})
    );
}

#[test]
fn analyzers_that_the_target_defines_are_not_looked_for() {
    let mut target = testing::target(TargetKind::Search, "search", "x");
    target.settings =
        json!({"analysis": {"analyzer": {"mine": {"type": "standard"}}}}).as_object().unwrap().clone();
    target
        .mapping
        .insert("a".into(), json!({"type": "text", "analyzer": "mine", "search_analyzer": "ik_smart"}));
    let mut route = testing::route(vec![]);
    let action = TransformAction::Text { analyzer: Some("english".into()) };
    route.transforms = vec![TransformSpec { field: "b".into(), action }];
    assert_eq!(mapping::analyzers(&route, &target), ["english", "ik_smart"]);
}
