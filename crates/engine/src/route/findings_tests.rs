//! Findings about routes, offline and with the tables' columns, as whole lists.

use std::sync::Arc;

use super::*;
use crate::route::fixture::*;
use crate::route::schema_findings;
use crate::schema::TableSchema;

fn show(findings: &[Finding]) -> Vec<String> {
    let text = |f: &Finding| {
        let target = f.target.map_or(String::new(), |n| format!(".to[{n}]"));
        let index = f.index.map_or(String::new(), |n| format!("[{n}]"));
        let place = format!("routes[{}]{target}.{}{index}", f.route, f.field);
        format!("{place} {} {} | {}", f.error.code(), f.error.message(), f.error.fix_text())
    };
    findings.iter().map(text).collect()
}

fn offline(route: RouteSpec) -> Vec<String> {
    show(&findings(&pipeline(vec![route])))
}

fn search(template: &str) -> TargetSpec {
    target("search", TargetKind::Search, template)
}

#[test]
fn a_good_route_has_none() {
    let mut spec = route(
        "shop.cases",
        vec![search("cases_{YYYY-MM}_v1"), target("hot", TargetKind::Cache, "case:{id}")],
    );
    spec.partition_by = Some("day".into());
    spec.filters = vec![when("live", "status <> 'gone' and id > 0")];
    spec.transforms = vec![
        transform("state", TransformAction::Rename { from: "status".into() }),
        transform("label", TransformAction::Template("{id}-{title}".into())),
        transform("day", TransformAction::Date { format: None, zone: Some("Europe/Berlin".into()) }),
    ];
    spec.only = Some(vec!["id".into(), "state".into(), "label".into()]);
    assert_eq!(offline(spec.clone()), Vec::<String>::new());
    assert_eq!(show(&schema_findings(&pipeline(vec![spec]), &[cases()], false)), Vec::<String>::new());
}

#[test]
fn everything_is_found_at_once() {
    let mut spec =
        route("cases", vec![search("Cases {id"), target("hot", TargetKind::Cache, "syncline:{id}")]);
    spec.key = Some(vec!["id".into(), "ID".into()]);
    spec.filters = vec![when("a", "id >"), when("a", "id > 0"), when("no-route", "true")];
    spec.transforms = vec![
        transform("secret", TransformAction::Drop),
        transform("secret", TransformAction::Float),
        transform("day", TransformAction::Date { format: Some("jj".into()), zone: None }),
        transform("_id", TransformAction::Rename { from: "title".into() }),
        transform("tags", TransformAction::Split(String::new())),
    ];
    spec.only = Some(vec!["id".into(), "title".into()]);
    spec.targets[0].id = Some("{a|upper}".into());
    let letters = "use the letters of yyyy-MM-dd HH:mm:ss.SSSSSSXXX, with other text in single quotes";
    let placeholders =
        "write placeholders as {column}, {column|lower}, {database}, {table}, {key} or {YYYY-MM}";
    let expected = [
        "routes[0].table SYN-1003 \"cases\" names no database: a table is written database.table | write database.cases, or *.cases for every database".to_owned(),
        "routes[0].key[1] SYN-1007 `key:` names ID twice | keep one of them".to_owned(),
        "routes[0].filter[0] SYN-1503 the expression ends where a value is expected at character 5 of \"id >\" | correct the expression".to_owned(),
        "routes[0].filter[1] SYN-1007 two filters of the route are called a | choose another name".to_owned(),
        "routes[0].filter[2] SYN-1007 a filter cannot be called no-route: rows without a route count under it | choose another name".to_owned(),
        "routes[0].transform[1] SYN-1501 the documents have no field \"secret\" any more: a transform drops it | correct the name".to_owned(),
        format!("routes[0].transform[2] SYN-1504 field day: the date format \"jj\" cannot be read: `jj` is unknown | {letters}"),
        "routes[0].transform[3] SYN-1505 the field \"_id\" cannot go to search: the target keeps that name for itself | choose another name".to_owned(),
        "routes[0].transform[4] SYN-1504 field tags: `split` needs a separator | correct the transform".to_owned(),
        "routes[0].only[1] SYN-1501 the documents have no field \"title\" any more: it was renamed to _id | correct the name".to_owned(),
        format!("routes[0].to[0].index SYN-1502 the template \"Cases {{id\" cannot be read: a `{{` is not closed | {placeholders}"),
        format!("routes[0].to[0].id SYN-1502 the template \"{{a|upper}}\" cannot be read: `|upper` is unknown; there is `|lower` | {placeholders}"),
        "routes[0].to[1].key SYN-1505 key \"syncline:{id}\" stands where Syncline keeps its own keys | begin the key with another word".to_owned(),
    ];
    assert_eq!(offline(spec), expected);
}

#[test]
fn names_that_no_row_could_make_good_are_found() {
    let cases = [
        (search("Cases"), "SYN-1606 index \"Cases\" holds 'C'"),
        (search("a,b"), "SYN-1606 index \"a,b\" holds ','"),
        (search("-a"), "SYN-1606 index \"-a\" begins with '-'"),
        (search("a_{YYYY}"), "SYN-1512 the address at search holds the date of the change"),
        (target("lake", TargetKind::Archive, "/etc"), "SYN-1502 path \"/etc\" is no plain relative path"),
        (target("lake", TargetKind::Archive, "a/../b"), "SYN-1502 path \"a/../b\" is no plain relative path"),
        (
            target("lake", TargetKind::Archive, "a/{{id}}"),
            "SYN-1502 the template \"a/{{id}}\" cannot be read: braces inside braces",
        ),
    ];
    for (target, expected) in cases {
        let found = offline(route("shop.cases", vec![target]));
        assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
    }
    let hook = |url: &str| target("hook", TargetKind::Webhook, url);
    let cases = [
        ("orders", "SYN-1502 url \"orders\" does not begin with `/`"),
        ("{key}", "SYN-1502 url \"{key}\" does not begin with `/`"),
        ("/a b", "SYN-1502 url \"/a b\" holds ' '"),
        ("/a#b", "SYN-1502 url \"/a#b\" holds '#'"),
        ("/a%2", "SYN-1502 url \"/a%2\" has a `%` without two hexadecimal digits behind it"),
        ("/a//b", "SYN-1502 url \"/a//b\" has an empty or a dotted part"),
        ("/a/../b", "SYN-1502 url \"/a/../b\" has an empty or a dotted part"),
        ("/a/%2E./b", "SYN-1502 url \"/a/%2E./b\" has an empty or a dotted part"),
    ];
    for (url, expected) in cases {
        let found = offline(route("shop.cases", vec![hook(url)]));
        assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
    }
    for url in ["", "/", "/a/", "/a/{key}?b={id}", "/{database}/{YYYY/MM}/~x%20y"] {
        assert_eq!(offline(route("shop.cases", vec![hook(url)])), Vec::<String>::new());
    }
    let dated_path = target("lake", TargetKind::Archive, "a/{YYYY-MM}");
    assert_eq!(offline(route("shop.cases", vec![dated_path])), Vec::<String>::new());
}

#[test]
fn columns_are_checked_against_the_tables() {
    let mut spec =
        route("shop.cases", vec![search("c_{titel}"), target("hot", TargetKind::Cache, "case:{title}")]);
    spec.key = Some(vec!["idd".into(), "id".into()]);
    spec.filters = vec![when("a", "statuss = 'x'")];
    spec.partition_by = Some("dya".into());
    spec.transforms = vec![
        transform("label", TransformAction::Template("{nothing}".into())),
        transform("titel", TransformAction::Keyword),
    ];
    spec.only = Some(vec!["id".into(), "stat".into()]);
    let found = show(&schema_findings(&pipeline(vec![spec]), &[cases()], false));
    let expected = [
        "routes[0].key[0] SYN-1501 shop.cases has no column \"idd\" | did you mean id?",
        "routes[0].filter[0] SYN-1501 shop.cases has no column \"statuss\" at character 1 of \"statuss = 'x'\" | did you mean status?",
        "routes[0].partition_by SYN-1501 shop.cases has no column \"dya\" | did you mean day?",
        "routes[0].transform[0] SYN-1501 shop.cases has no column \"nothing\" | use one of: id, title, status, day",
        "routes[0].to[0].index SYN-1501 shop.cases has no column \"titel\" | did you mean title?",
        "routes[0].transform[1] SYN-1501 the documents of shop.cases have no field \"titel\" | did you mean title?",
        "routes[0].only[1] SYN-1501 the documents of shop.cases have no field \"stat\" | did you mean status?",
    ];
    assert_eq!(found, expected);
}

#[test]
fn tables_without_a_key_and_reserved_columns_are_found() {
    let columns = vec![column("_id", integer()), column("a", text()), column("a.b", text())];
    let keyless = Arc::new(TableSchema::new("shop", "t", columns, vec![]));
    let other = Arc::new(TableSchema::new("shop", "u", vec![column("x", integer())], vec![0]));
    let mut spec = route("shop.*", vec![search("all_{table}")]);
    spec.transforms = vec![transform("a", TransformAction::Keyword)];
    let found = show(&schema_findings(&pipeline(vec![spec]), &[keyless, other], false));
    let rename = "rename it with a transform: { field: ";
    let expected = [
        "routes[0].table SYN-1511 shop.t has no primary key and its route names no `key:` | add a primary key, or name `key:` in its route".to_owned(),
        format!("routes[0].to[0].index SYN-1505 the field \"_id\" cannot go to search: the target keeps that name for itself | {rename}id_, from: _id }}"),
        format!("routes[0].to[0].index SYN-1505 the field \"a.b\" cannot go to search: it stands inside \"a\", which is a field of its own | {rename}a_b, from: a.b }}"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn addresses_that_rows_would_share_are_found() {
    let cases_of = |template: &str| {
        let spec = route("shop.cases", vec![target("hot", TargetKind::Cache, template)]);
        schema_findings(&pipeline(vec![spec]), &[cases()], false).len()
    };
    assert_eq!(cases_of("case:{status}"), 1);
    assert_eq!(cases_of("case:{ID}"), 0);
    assert_eq!(cases_of("case:{status}:{key}"), 0);
    assert_eq!(cases_of("case:{status}{id}"), 1);
}
