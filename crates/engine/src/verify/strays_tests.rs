//! Keys that an address tells for certain.

use std::sync::Arc;

use super::*;
use crate::route::fixture::{cases, pipeline, route, target};
use crate::route::{RouteTable, TargetSpec};
use crate::schema::{Column, TableSchema};

fn plan(target: TargetSpec) -> Arc<TargetPlan> {
    let spec = pipeline(vec![route("shop.cases", vec![target])]);
    let table = RouteTable::new(&spec, &["to".to_owned()]).unwrap();
    Arc::clone(table.plans().next().unwrap())
}

fn search(id: &str) -> Arc<TargetPlan> {
    plan(TargetSpec { id: Some(id.into()), ..target("to", TargetKind::Search, "cases_{YYYY}") })
}

fn cache(key: &str) -> Arc<TargetPlan> {
    plan(target("to", TargetKind::Cache, key))
}

/// `key`: columns 0 (whole numbers) and 1 (text) of the cases, and what the address tells of them.
fn told(plan: &TargetPlan, key: &[usize], id: &str) -> Option<Vec<OwnedValue>> {
    let address = Address { target: "x".into(), id: id.into() };
    key_told(plan, &cases(), key, &address)
}

#[test]
fn whole_numbers_are_told_by_what_only_they_can_make() {
    let named = plan(target("to", TargetKind::Search, "cases"));
    for (plan, id, expected) in [
        (&named, "7", Some(7)),
        (&named, "-7", Some(-7)),
        (&named, "07", None),
        (&named, "-0", None),
        (&named, "7.5", None),
        (&named, "", None),
        (&named, "-", None),
        (&named, "ä", None),
        (&named, "99999999999999999999", None),
        (&search("{table}:{key}"), "cases:9", Some(9)),
        (&search("{table}:{key}"), "others:9", None),
        (&search("{id}0{id}"), "707", None),
        (&search("{id}-{id}"), "7-7", Some(7)),
        (&search("{id}-{id}"), "7-8", None),
        (&search("{id}{YYYY}"), "72026", None),
        (&search("{id}-{YYYY}"), "7-2026", Some(7)),
        (&search("{id|lower}"), "7", Some(7)),
        (&cache("case:{id}"), "case:7", Some(7)),
        (&cache("case:{id}"), "case:7 ", None),
        (&cache("case:{id}:{title}"), "case:7:1:2", Some(7)),
        // A title may end like a key begins, but no number holds a colon.
        (&cache("case:{title}:{id}"), "case:7:-8", Some(-8)),
        (&cache("case:{title}-{id}"), "case:a--8", None),
        (&cache("case:{title}{id}"), "case:a8", None),
        (&cache("{case:{id}}"), "{case:8}", Some(8)),
    ] {
        assert_eq!(told(plan, &[0], id), expected.map(|number| vec![OwnedValue::Int(number)]), "{id}");
    }
}

#[test]
fn text_is_told_where_nothing_else_of_a_row_is_in_the_id() {
    let named = plan(target("to", TargetKind::Search, "cases_{YYYY}"));
    for (plan, id, expected) in [
        (&named, "a:b%", Some("a:b%")),
        (&named, "%", None),
        (&named, "", None),
        (&named, "sha256:00", None),
        (&cache("{table}:{key}"), "cases:x:y", Some("x:y")),
        (&cache("{table}:{key}"), "other:x", None),
        (&cache("{table}:{key}"), "cases:%7B", None),
        (&cache("{title}"), "x", Some("x")),
        (&cache("{title|lower}"), "x", None),
        (&cache("{id}:{title}"), "7:x", None),
        (&cache("{status}:{title}"), "open:x", None),
    ] {
        let expected = expected.map(|text| vec![OwnedValue::Text(text.into())]);
        assert_eq!(told(plan, &[1], id), expected, "{id}");
    }
}

#[test]
fn keys_of_several_parts() {
    let named = plan(target("to", TargetKind::Search, "cases"));
    let key = |number, text: &str| vec![OwnedValue::Int(number), OwnedValue::Text(text.into())];
    assert_eq!(told(&named, &[0, 1], "7:a%3Ab%25"), Some(key(7, "a:b%")));
    assert_eq!(told(&named, &[0, 1], "7:a:b"), None);
    assert_eq!(told(&named, &[0, 1], "x:a"), None);
    let numbers = TableSchema::new(
        "shop",
        "cases",
        ["a", "b"]
            .map(|name| Column {
                name: name.into(),
                kind: ColumnKind::Integer { bits: 64, unsigned: true },
                nullable: false,
            })
            .to_vec(),
        vec![0, 1],
    );
    let told = |plan: &TargetPlan, id: &str| {
        key_told(plan, &numbers, &[0, 1], &Address { target: "x".into(), id: id.into() })
    };
    let pair = |a, b| Some(vec![OwnedValue::UInt(a), OwnedValue::UInt(b)]);
    assert_eq!(told(&named, "7:8"), pair(7, 8));
    assert_eq!(told(&cache("{c}:{key}"), "x:7:8"), pair(7, 8));
    assert_eq!(told(&cache("{key}:{c}"), "7:8:9"), pair(7, 8));
    assert_eq!(told(&cache("{b}:{c}:{a}"), "8:x:7"), pair(7, 8));
    for id in ["7", "7:8:9", "7:-8", "7:", ":8", "7:08"] {
        assert_eq!(told(&named, id), None, "{id}");
    }
}
