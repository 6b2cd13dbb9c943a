//! Keys read back out of ids.

use std::sync::Arc;

use super::*;
use crate::route::fixture::{cases, pipeline, route, target};
use crate::route::{RouteTable, TargetSpec};

fn plan(target: TargetSpec) -> Arc<TargetPlan> {
    let spec = pipeline(vec![route("shop.cases", vec![target])]);
    let table = RouteTable::new(&spec, &["to".to_owned()]).unwrap();
    Arc::clone(table.plans().next().unwrap())
}

fn key_of(plan: &TargetPlan, key: &[usize], id: &str) -> Option<String> {
    let address = Address { target: "x".into(), id: id.into() };
    key_in_address(plan, &cases(), key, &address)
}

#[test]
fn a_key_is_read_back_where_the_id_tells_all_of_it() {
    let search = plan(target("to", TargetKind::Search, "cases"));
    let cache = plan(target("to", TargetKind::Cache, "{case:{id}}:{YYYY-MM}:{title}"));
    let shared =
        plan(TargetSpec { id: Some("{table}:{key}".into()), ..target("to", TargetKind::Search, "all") });
    let cases = [
        (&search, &[0][..], "7", Some(r#"{"id":7}"#)),
        (&search, &[1], "7", Some(r#"{"title":"7"}"#)),
        (&search, &[1], "%", Some(r#"{"title":""}"#)),
        (&search, &[0], "seven", Some(r#"{"id":"seven"}"#)),
        (&search, &[0, 1], "7:a%3Ab%25", Some(r#"{"id":7,"title":"a:b%"}"#)),
        (&search, &[0, 1], "7", None),
        (&search, &[1], "sha256:00", None),
        (&cache, &[0, 1], "{case:7}:2026-11:a%7Bb", Some(r#"{"id":7,"title":"a{b"}"#)),
        (&cache, &[0], "{case:7}:2026-11:", Some(r#"{"id":7}"#)),
        (&cache, &[2], "{case:7}:2026-11:x", None),
        (&cache, &[0], "{case:7", None),
        (&cache, &[0], "{case:7}:20", None),
        (&shared, &[0], "cases:9", Some(r#"{"id":9}"#)),
        (&shared, &[0], "others:9", None),
    ];
    for (plan, key, id, expected) in cases {
        assert_eq!(key_of(plan, key, id).as_deref(), expected, "{id}");
    }
}
