//! What each operation means for each kind of target: documents, moves, filters, lines, refusals.

use super::fixture::*;
use super::*;
use crate::change::Operation::{Delete, Insert, Read, Truncate, Update};

fn search() -> TargetSpec {
    target("search", TargetKind::Search, "cases")
}

fn monthly() -> RouteSpec {
    let to = target("search", TargetKind::Search, "cases_{YYYY-MM}");
    RouteSpec { partition_by: Some("day".into()), ..route("shop.cases", vec![to]) }
}

fn lines() -> RouteSpec {
    route("shop.cases", vec![target("lake", TargetKind::Archive, "c/{table}")])
}

fn live(mut route: RouteSpec) -> RouteTable {
    route.filters = vec![when("live", "status <> 'gone'")];
    table(vec![route])
}

fn document(id: i64, title: &str, status: &str, month: u8) -> String {
    let day = if month == 0 { "null".to_owned() } else { format!("\"2026-{month:02}-01\"") };
    format!("{{\"id\":{id},\"title\":\"{title}\",\"status\":\"{status}\",\"day\":{day}}}")
}

#[test]
fn documents_are_put_and_taken_away() {
    let table = table(vec![route("shop.cases", vec![search()])]);
    let s = cases();
    let a = || Some(case(1, "a", "ok", 1));
    let changes = vec![
        change(&s, Insert, None, a()),
        change(&s, Read, None, a()),
        change(&s, Update, a(), Some(case(1, "b", "ok", 1))),
        change(&s, Delete, a(), None),
    ];
    let a = document(1, "a", "ok", 1);
    let b = document(1, "b", "ok", 1);
    let expected = [
        format!("cases/1 @20 {a}"),
        format!("cases/1 @20 {a}"),
        format!("cases/1 @20 {b}"),
        "cases/1 @20 absent".into(),
    ];
    assert_eq!(deliver(&table, changes), expected);
}

#[test]
fn a_moved_row_leaves_its_old_address_uncounted() {
    let table = table(vec![monthly()]);
    let s = cases();
    let update = |before, after| vec![change(&s, Update, Some(before), Some(after))];
    let moved = deliver(&table, update(case(1, "a", "ok", 1), case(1, "a", "ok", 2)));
    let there = document(1, "a", "ok", 2);
    assert_eq!(
        moved,
        ["cases_2026-01/1 @10 absent uncounted".into(), format!("cases_2026-02/1 @20 {there}")]
    );
    let rekeyed = deliver(&table, update(case(1, "a", "ok", 2), case(5, "a", "ok", 2)));
    let there = document(5, "a", "ok", 2);
    assert_eq!(
        rekeyed,
        ["cases_2026-02/1 @10 absent uncounted".into(), format!("cases_2026-02/5 @20 {there}")]
    );
    let other_day_same_month = deliver(&table, update(case(1, "a", "ok", 2), case(1, "b", "ok", 2)));
    assert_eq!(other_day_same_month.len(), 1);
}

#[test]
fn an_address_that_cannot_be_made_is_refused_and_the_old_one_emptied() {
    let table = table(vec![monthly()]);
    let s = cases();
    let (dated, undated) = (|| Some(case(1, "a", "ok", 1)), || Some(case(1, "a", "ok", 0)));
    let refused =
        "refused shop.cases/1: SYN-1508 the row's address cannot be made: the `partition_by` column is null";
    let changes = vec![
        change(&s, Insert, None, undated()),
        change(&s, Update, dated(), undated()),
        change(&s, Update, undated(), dated()),
        change(&s, Delete, undated(), None),
    ];
    let a = document(1, "a", "ok", 1);
    let expected = [
        refused.to_owned(),
        "cases_2026-01/1 @10 absent uncounted".to_owned(),
        refused.to_owned(),
        format!("cases_2026-01/1 @20 {a}"),
        refused.to_owned(),
    ];
    assert_eq!(deliver(&table, changes), expected);
}

#[test]
fn rows_that_stop_matching_are_taken_out() {
    let table = live(route("shop.cases", vec![search()]));
    let s = cases();
    let (ok, gone) = (|| Some(case(1, "a", "ok", 1)), || Some(case(1, "a", "gone", 1)));
    let a = document(1, "a", "ok", 1);
    let cases = [
        (change(&s, Insert, None, gone()), "dropped by live".to_owned()),
        (change(&s, Read, None, gone()), "cases/1 @20 absent filtered by live".to_owned()),
        (change(&s, Update, ok(), gone()), "cases/1 @20 absent filtered by live".to_owned()),
        (change(&s, Update, gone(), gone()), "dropped by live".to_owned()),
        (change(&s, Update, gone(), ok()), format!("cases/1 @20 {a}")),
        (change(&s, Delete, gone(), None), "dropped by live".to_owned()),
        (change(&s, Delete, ok(), None), "cases/1 @20 absent".to_owned()),
        (
            change(&s, Update, ok(), Some(case(2, "a", "gone", 1))),
            "cases/1 @10 absent filtered by live".to_owned(),
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(deliver(&table, vec![change]), [expected]);
    }
}

#[test]
fn the_first_rule_that_drops_a_row_is_named() {
    let mut spec = route("shop.cases", vec![search()]);
    let listed = |values: &[Option<&str>]| values.iter().map(|v| v.map(str::to_owned)).collect::<Vec<_>>();
    spec.filters = vec![
        FilterSpec {
            name: "dead".into(),
            test: FilterTest::Exclude { field: "STATUS".into(), values: listed(&[Some("deleted"), None]) },
        },
        FilterSpec {
            name: "small".into(),
            test: FilterTest::Include { field: "id".into(), values: listed(&[Some("1"), Some("2.0")]) },
        },
    ];
    let table = table(vec![spec]);
    let s = cases();
    let outcome = |id, status| {
        deliver(&table, vec![change(&s, Insert, None, Some(case(id, "a", status, 1)))])[0].clone()
    };
    assert_eq!(outcome(1, "deleted"), "dropped by dead");
    assert_eq!(outcome(3, "ok"), "dropped by small");
    assert!(outcome(2, "ok").starts_with("cases/2"));
}

#[test]
fn targets_that_keep_lines_get_every_change() {
    let table = table(vec![lines()]);
    let s = cases();
    let source = "\"committed_at\":\"2026-01-31T12:00:00.000Z\",\"source\":{\"server_id\":7,\"file\":\"bin.1\",\"pos\":20,\"gtid\":null}}";
    let line = |op: &str, id: i64, before: &str, after: &str, offset: u64| {
        let version = crate::version::Version::new(0, 1, offset);
        format!(
            "c/cases/{id} @{offset} {{\"table\":\"shop.cases\",\"op\":\"{op}\",\"key\":{{\"id\":{id}}},\"before\":{before},\"after\":{after},\"version\":\"{version}\",{source}"
        )
    };
    let (a, b, c) = (document(1, "a", "ok", 1), document(1, "b", "ok", 1), document(2, "b", "ok", 1));
    let row = |id, title| Some(case(id, title, "ok", 1));
    let changes = vec![
        change(&s, Insert, None, row(1, "a")),
        change(&s, Read, None, row(1, "a")),
        change(&s, Update, row(1, "a"), row(1, "b")),
        change(&s, Update, row(1, "b"), row(2, "b")),
        change(&s, Delete, row(2, "b"), None),
    ];
    let expected = [
        line("insert", 1, "null", &a, 20),
        line("read", 1, "null", &a, 20),
        line("update", 1, &a, &b, 20),
        line("delete", 1, &b, "null", 10) + " uncounted",
        line("insert", 2, "null", &c, 20),
        line("delete", 2, &c, "null", 20),
    ];
    assert_eq!(deliver(&table, changes), expected);
}

#[test]
fn a_row_of_which_not_all_is_known_before_may_stand_in_the_target() {
    let table = live(route("shop.cases", vec![search(), target("lake", TargetKind::Archive, "c")]));
    let s = cases();
    let (ok, gone) = (|| Some(case(1, "a", "ok", 1)), || Some(case(1, "a", "gone", 1)));
    let before = || Some(only_id(1));
    let shown = |operation, after| deliver(&table, vec![change(&s, operation, before(), after)]);
    assert_eq!(shown(Update, ok())[0], format!("cases/1 @20 {}", document(1, "a", "ok", 1)));
    assert!(shown(Update, ok())[1].contains("\"op\":\"update\",\"key\":{\"id\":1},\"before\":{\"id\":1},"));
    assert_eq!(shown(Update, gone())[0], "cases/1 @20 absent filtered by live");
    assert_eq!(shown(Delete, None)[0], "cases/1 @20 absent");
    let moved = deliver(&table, vec![change(&s, Update, Some(only_id(7)), ok())]);
    assert_eq!(moved[0], "cases/7 @10 absent uncounted");
}

#[test]
fn an_address_of_columns_that_are_not_known_before_halts_the_table() {
    let table = table(vec![monthly()]);
    let changes = vec![change(&cases(), Update, Some(only_id(1)), Some(case(1, "a", "ok", 1)))];
    let error = table.deliver(&batch(changes), 0, &mut Deliveries::default()).unwrap_err();
    assert_eq!(error.code(), crate::error::Code::MysqlPartialImage);
}

#[test]
fn targets_that_keep_lines_are_told_of_an_emptied_table_where_all_its_rows_may_be() {
    let to = |kind, name| target("lake", kind, name);
    let targets = vec![
        to(TargetKind::Archive, "c/{table}/{status}"),
        to(TargetKind::Stdout, ""),
        to(TargetKind::Webhook, ""),
        to(TargetKind::Webhook, "/cases"),
        // Every row has its own: there is none that stands for all.
        to(TargetKind::Webhook, "/cases?id={key}"),
        // Holds rows, not lines: it is swept.
        search(),
    ];
    let shown =
        deliver(&table(vec![route("shop.cases", targets)]), vec![change(&cases(), Truncate, None, None)]);
    let line = "{\"table\":\"shop.cases\",\"op\":\"truncate\",\"key\":{},\"before\":null,\"after\":null,\"version\":";
    let places: Vec<&str> = shown.iter().map(|text| text.split(" @20 ").next().unwrap()).collect();
    assert_eq!(places, ["c/cases/*/", "/", "/", "/cases/"]);
    for text in &shown {
        assert!(text.contains(line) && text.ends_with(" uncounted"), "{text}");
    }
}

#[test]
fn lines_show_a_filtered_table_as_if_it_were_one() {
    let table = live(lines());
    let s = cases();
    let (ok, gone) = (|| Some(case(1, "a", "ok", 1)), || Some(case(1, "a", "gone", 1)));
    let one = |change| {
        let shown = deliver(&table, vec![change]);
        assert_eq!(shown.len(), 1);
        let op = shown[0].split("\"op\":\"").nth(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        (op.unwrap_or_else(|| shown[0].clone()), shown[0].ends_with("filtered by live"))
    };
    assert_eq!(one(change(&s, Update, gone(), ok())), ("insert".into(), false));
    assert_eq!(one(change(&s, Update, ok(), gone())), ("delete".into(), true));
    assert_eq!(one(change(&s, Update, gone(), gone())), ("dropped by live".into(), false));
    assert_eq!(one(change(&s, Read, None, gone())), ("dropped by live".into(), false));
    assert_eq!(one(change(&s, Delete, gone(), None)), ("dropped by live".into(), false));
}

#[test]
fn webhooks_are_lines_at_urls_that_may_be_empty() {
    let to = |url| target("hook", TargetKind::Webhook, url);
    let table = table(vec![route("shop.cases", vec![to(""), to("/cases/{title}?id={key}")])]);
    let s = cases();
    let shown = deliver(&table, vec![change(&s, Insert, None, Some(case(1, "a/b", "ok", 1)))]);
    let line = shown[0].strip_prefix("/1 @20 ").unwrap();
    assert!(line.starts_with("{\"table\":\"shop.cases\",\"op\":\"insert\""), "{line}");
    assert_eq!(shown[1], format!("/cases/a%2Fb?id=1/1 @20 {line}"));
    let refused = deliver(&table, vec![change(&s, Insert, None, Some(case(2, "..", "ok", 1)))]);
    assert!(refused[1].contains("SYN-1508"), "{refused:?}");
}

#[test]
fn a_value_that_does_not_fit_harms_its_row_only() {
    let mut spec = monthly();
    spec.transforms = vec![transform("title", TransformAction::Integer)];
    spec.filters = vec![when("live", "status <> 'gone'")];
    spec.targets.push(target("lake", TargetKind::Archive, "c"));
    let table = table(vec![spec]);
    let s = cases();
    let shown = deliver(
        &table,
        vec![
            change(&s, Insert, None, Some(case(1, "x", "ok", 1))),
            change(&s, Insert, None, Some(case(2, "7", "ok", 1))),
            change(&s, Insert, None, Some(case(3, "x", "gone", 1))),
        ],
    );
    assert_eq!(shown[0], "refused cases_2026-01/1: SYN-1507 field title: \"x\" is no integer");
    assert_eq!(shown[1], "refused c/1: SYN-1507 field title: \"x\" is no integer");
    assert_eq!(
        shown[2],
        "cases_2026-01/2 @20 {\"id\":2,\"title\":7,\"status\":\"ok\",\"day\":\"2026-01-01\"}"
    );
    assert_eq!(shown[4..], ["dropped by live", "dropped by live"]);
}

#[test]
fn invalidation_only_takes_away() {
    let mut to = target("hot", TargetKind::Cache, "case:{id}:{title|lower}");
    to.invalidate = true;
    let table = table(vec![route("shop.*", vec![to])]);
    let s = cases();
    let shown = deliver(
        &table,
        vec![
            change(&s, Insert, None, Some(case(1, "A{b}", "ok", 1))),
            change(&s, Update, Some(case(1, "A", "ok", 1)), Some(case(1, "B", "ok", 1))),
        ],
    );
    let expected = ["/case:1:a%7Bb%7D @20 absent", "/case:1:a @10 absent uncounted", "/case:1:b @20 absent"];
    assert_eq!(shown, expected);
}

#[test]
fn a_null_key_is_refused() {
    let spec =
        RouteSpec { key: Some(vec!["status".into(), "day".into()]), ..route("shop.cases", vec![search()]) };
    let table = table(vec![spec]);
    let shown = deliver(&table, vec![change(&cases(), Insert, None, Some(case(1, "a", "x", 0)))]);
    assert_eq!(shown, ["refused shop.cases/{\"status\":\"x\",\"day\":null}: SYN-1509 a key column is null"]);
}

#[test]
fn the_first_route_takes_the_table() {
    let one = route("shop.cases", vec![target("search", TargetKind::Search, "one")]);
    let two = route("shop.*", vec![target("search", TargetKind::Search, "two_{table}")]);
    let table = table(vec![one, two]);
    let s = cases();
    assert!(
        deliver(&table, vec![change(&s, Insert, None, Some(case(1, "a", "x", 1)))])[0].starts_with("one/1")
    );
    let other =
        std::sync::Arc::new(crate::schema::TableSchema::new("shop", "Orders", s.columns.clone(), vec![0]));
    assert!(
        deliver(&table, vec![change(&other, Insert, None, Some(case(1, "a", "x", 1)))])[0]
            .starts_with("two_orders/1")
    );
    let foreign =
        std::sync::Arc::new(crate::schema::TableSchema::new("bank", "cases", s.columns.clone(), vec![0]));
    assert_eq!(
        deliver(&table, vec![change(&foreign, Insert, None, Some(case(1, "a", "x", 1)))]),
        ["no route"]
    );
}
