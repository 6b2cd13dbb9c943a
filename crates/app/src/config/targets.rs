//! `to:`: what a target is follows from the word it is given.

use std::collections::BTreeMap;

use syncline_connectors::registry::Role;
use syncline_engine::error::{Code, Error, Place};
use syncline_engine::route::{TargetKind, TargetSpec};

use super::connections::{Connections, role};
use super::read::{At, Reader, Section, list};
use super::transforms::json;
use super::yaml::{Content, Node};

const WORDS: [(&str, TargetKind); 7] = [
    ("index", TargetKind::Search),
    ("key", TargetKind::Cache),
    ("collection", TargetKind::Document),
    ("table", TargetKind::Table),
    ("path", TargetKind::Archive),
    ("topic", TargetKind::Message),
    ("url", TargetKind::Webhook),
];

pub(crate) fn read(
    reader: &Reader,
    node: &Node,
    route: &str,
    connections: &Connections,
    used: &mut Vec<String>,
    places: &mut Vec<Place>,
) -> Vec<TargetSpec> {
    let path = format!("{route}.to");
    let items = list(reader, node, &path);
    if items.is_empty() {
        reader.bad(node, format!("{path} must name at least one target"));
    }
    let mut targets = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let Some(section) = reader.section(item, &format!("{path}[{index}]")) else { continue };
        if let Some(target) = one(section, connections, used) {
            targets.push(target);
            places.push(reader.place(item.line, item.column));
        }
    }
    targets
}

fn one(mut section: Section<'_>, connections: &Connections, used: &mut Vec<String>) -> Option<TargetSpec> {
    let connection = section.text("connection");
    let mut kinds: Vec<(TargetKind, String)> = Vec::new();
    for (word, kind) in WORDS {
        kinds.extend(section.text(word).map(|at| (kind, at.value)));
    }
    for (word, kind) in [("stdout", TargetKind::Stdout), ("discard", TargetKind::Discard)] {
        if section.boolean(word) == Some(true) {
            kinds.push((kind, String::new()));
        }
    }
    let (kind, template) = match kinds.len() {
        1 => kinds.remove(0),
        0 => {
            let all: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
            let text = format!("{} needs one of {}, stdout, discard", section.name, all.join(", "));
            section.reader.note(Error::new(Code::ConfigMissing, text).at(section.place()));
            return finish(section, None);
        }
        _ => {
            let text = format!("{} is two kinds of target at once", section.name);
            let error = Error::new(Code::ConfigConflict, text).fix("write two targets");
            section.reader.note(error.at(section.place()));
            return finish(section, None);
        }
    };
    let name = connection_name(&section, kind, connection, connections, used);
    let target = TargetSpec {
        connection: name.unwrap_or_default(),
        kind,
        template,
        id: fitting(&mut section, "id", kind, &[TargetKind::Search, TargetKind::Document], Section::text)
            .map(|at| at.value),
        ttl: fitting(&mut section, "ttl", kind, &[TargetKind::Cache], Section::duration),
        tombstone_ttl: fitting(&mut section, "tombstone_ttl", kind, &[TargetKind::Cache], Section::duration),
        hash: fitting(&mut section, "format", kind, &[TargetKind::Cache], |s, key| {
            s.word(key, &[("json", false), ("hash", true)])
        })
        .unwrap_or(false),
        invalidate: fitting(&mut section, "invalidate", kind, &[TargetKind::Cache], Section::boolean)
            .unwrap_or(false),
        settings: fitting(&mut section, "settings", kind, &[TargetKind::Search], object).unwrap_or_default(),
        mapping: fitting(&mut section, "mapping", kind, &[TargetKind::Search], object)
            .map(|map| map.into_iter().collect::<BTreeMap<_, _>>())
            .unwrap_or_default(),
        first_index: None,
    };
    finish(section, Some(target))
}

fn finish(section: Section<'_>, target: Option<TargetSpec>) -> Option<TargetSpec> {
    if target.is_some() {
        section.finish();
    }
    target
}

/// An option that only some kinds of target take.
fn fitting<'a, T>(
    section: &mut Section<'a>,
    key: &'static str,
    kind: TargetKind,
    kinds: &[TargetKind],
    read: impl Fn(&mut Section<'a>, &'static str) -> Option<T>,
) -> Option<T> {
    let value = read(section, key)?;
    if !kinds.contains(&kind) {
        let node = section.get(key).unwrap_or(section.node);
        let text = format!("{}: `{key}` does not go with this kind of target", section.name);
        let place = section.reader.place(node.line, node.column);
        section.reader.note(Error::new(Code::ConfigConflict, text).at(place));
    }
    Some(value)
}

fn object(
    section: &mut Section<'_>,
    key: &'static str,
) -> Option<serde_json::Map<String, serde_json::Value>> {
    let node = section.get(key)?;
    if !matches!(node.content, Content::Map(_)) {
        section.reader.bad(node, format!("{}.{key} must be a map, this is {}", section.name, node.kind()));
        return None;
    }
    match json(section.reader, node) {
        serde_json::Value::Object(map) => Some(map),
        _ => None,
    }
}

fn connection_name(
    section: &Section<'_>,
    kind: TargetKind,
    connection: Option<At<String>>,
    connections: &Connections,
    used: &mut Vec<String>,
) -> Option<String> {
    let built_in = match kind {
        TargetKind::Stdout => Some("stdout"),
        TargetKind::Discard => Some("discard"),
        _ => None,
    };
    match (built_in, connection) {
        (Some(name), None) => Some(name.to_owned()),
        (Some(name), Some(at)) => {
            let error = Error::new(Code::ConfigConflict, format!("`{name}: true` takes no connection"));
            section.reader.note(error.fix("remove `connection`").at(at.place));
            None
        }
        (None, Some(at)) => {
            role(section.reader, &at, Role::Target(kind), connections, used);
            Some(at.value)
        }
        (None, None) => {
            section.missing("connection");
            None
        }
    }
}
