//! `routes:`: which tables go where, and how.

use std::collections::BTreeMap;

use syncline_engine::error::Place;
use syncline_engine::route::{FilterSpec, FilterTest, OnSchemaChange, RouteSpec};

use super::connections::Connections;
use super::places::{PipelinePlaces, RoutePlaces};
use super::read::{At, Reader, Section, list};
use super::yaml::{Content, Node};
use super::{targets, transforms};

pub(crate) fn read(
    reader: &Reader,
    node: &Node,
    pipeline: &str,
    connections: &Connections,
    used: &mut Vec<String>,
    places: &mut PipelinePlaces,
) -> Vec<RouteSpec> {
    let path = format!("{pipeline}.routes");
    let mut routes = Vec::new();
    for (index, item) in list(reader, node, &path).iter().enumerate() {
        let Some(section) = reader.section(item, &format!("{path}[{index}]")) else { continue };
        if let Some((route, place)) = one(section, connections, used) {
            routes.push(route);
            places.routes.push(place);
        }
    }
    routes
}

fn one(
    mut section: Section<'_>,
    connections: &Connections,
    used: &mut Vec<String>,
) -> Option<(RouteSpec, RoutePlaces)> {
    let reader = section.reader;
    let mut places = RoutePlaces { route: section.place(), keys: key_places(&section), targets: Vec::new() };
    let table = section.needed("table");
    let names = |texts: Option<Vec<At<String>>>| texts.map(|t| t.into_iter().map(|at| at.value).collect());
    let key = names(section.texts("key"));
    let filters = match section.get("filter") {
        Some(node) => filters(reader, node, &section.name),
        None => Vec::new(),
    };
    let transforms = match section.get("transform") {
        Some(node) => transforms::read(reader, node, &section.name),
        None => Vec::new(),
    };
    let only = names(section.texts("only"));
    let partition_by = section.text("partition_by").map(|at| at.value);
    let on_schema_change = section.word(
        "on_schema_change",
        &[
            ("reread", OnSchemaChange::Reread),
            ("continue", OnSchemaChange::Continue),
            ("halt", OnSchemaChange::Halt),
        ],
    );
    let on_drop_delete = section.word("on_drop", &[("keep", false), ("delete", true)]);
    let accept_cascade = section.word("on_cascade", &[("refuse", false), ("accept", true)]);
    let zero_date_text = section.word("zero_date", &[("empty", false), ("text", true)]);
    let targets = match section.get("to") {
        Some(node) => targets::read(reader, node, &section.name, connections, used, &mut places.targets),
        None => {
            section.missing("to");
            Vec::new()
        }
    };
    section.finish();
    let table = pattern(reader, table?)?;
    let plain = RouteSpec::new(&table, targets);
    let route = RouteSpec {
        key,
        filters,
        transforms,
        only,
        partition_by,
        on_schema_change: on_schema_change.unwrap_or(plain.on_schema_change),
        on_drop_delete: on_drop_delete.unwrap_or(plain.on_drop_delete),
        accept_cascade: accept_cascade.unwrap_or(plain.accept_cascade),
        zero_date_text: zero_date_text.unwrap_or(plain.zero_date_text),
        ..plain
    };
    Some((route, places))
}

fn pattern(reader: &Reader, table: At<String>) -> Option<String> {
    match syncline_engine::route::Pattern::parse(&table.value) {
        Ok(_) => Some(table.value),
        Err(error) => {
            reader.note(error.at(table.place));
            None
        }
    }
}

fn key_places(section: &Section<'_>) -> BTreeMap<&'static str, Place> {
    let names = ["table", "key", "filter", "transform", "only", "partition_by", "to"];
    let place = |name: &'static str| {
        let (_, node) = section.entries.iter().find(|(key, _)| key.text == name)?;
        Some((name, section.reader.place(node.line, node.column)))
    };
    names.into_iter().filter_map(place).collect()
}

fn filters(reader: &Reader, node: &Node, route: &str) -> Vec<FilterSpec> {
    let path = format!("{route}.filter");
    let mut filters: Vec<FilterSpec> = Vec::new();
    for (index, item) in list(reader, node, &path).iter().enumerate() {
        let Some(section) = reader.section(item, &format!("{path}[{index}]")) else { continue };
        if let Some(filter) = filter(section, index) {
            if filters.iter().any(|other| other.name == filter.name) {
                reader.bad(item, format!("two filters of {route} have the name `{}`", filter.name));
            }
            filters.push(filter);
        }
    }
    filters
}

fn filter(mut section: Section<'_>, index: usize) -> Option<FilterSpec> {
    let named = section.text("name").map(|at| at.value);
    let field = section.text("field").map(|at| at.value);
    let exclude = filter_values(&mut section, "exclude_values");
    let include = filter_values(&mut section, "include_values");
    let when = section.text("when").map(|at| at.value);
    let test = match (field, exclude, include, when) {
        (Some(field), Some(values), None, None) => Some(FilterTest::Exclude { field, values }),
        (Some(field), None, Some(values), None) => Some(FilterTest::Include { field, values }),
        (None, None, None, Some(when)) => Some(FilterTest::When(when)),
        _ => {
            let form = "a filter is `field` with `exclude_values` or `include_values`, or `when` alone";
            section.reader.bad(section.node, form);
            None
        }
    };
    section.finish();
    Some(FilterSpec { name: named.unwrap_or_else(|| format!("filter-{}", index + 1)), test: test? })
}

/// Values of a filter; a plain `null` in the list stands for NULL.
fn filter_values(section: &mut Section<'_>, key: &'static str) -> Option<Vec<Option<String>>> {
    let node = section.get(key)?;
    let reader = section.reader;
    let items = match &node.content {
        Content::List(items) => &items[..],
        _ => std::slice::from_ref(node),
    };
    let value = |item: &Node| match item.content {
        Content::Null => Some(None),
        _ => reader.text(item, key).map(|at| Some(at.value)),
    };
    Some(items.iter().filter_map(value).collect())
}
