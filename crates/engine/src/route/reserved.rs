//! Field names that a target keeps for itself, found before the first row is sent.

use crate::error::{Code, Error};
use crate::route::{Field, TargetKind, TargetSpec};

/// Members that Elasticsearch and OpenSearch refuse or give a meaning of their own.
const SEARCH: [&str; 16] = [
    "_id",
    "_index",
    "_type",
    "_source",
    "_version",
    "_seq_no",
    "_primary_term",
    "_routing",
    "_field_names",
    "_ignored",
    "_ignored_source",
    "_nested_path",
    "_tier",
    "_doc_count",
    "_data_stream_timestamp",
    "_feature",
];

/// What a target cannot take among these fields, one error each.
pub fn reserved_fields(target: &TargetSpec, fields: &[Field]) -> Vec<Error> {
    let mut errors = Vec::new();
    if target.invalidate {
        return errors;
    }
    for (n, field) in fields.iter().enumerate() {
        let name = &*field.name;
        if let Some(why) = reserved(target.kind, name) {
            errors.push(refused(target, name, &why));
            continue;
        }
        let inside =
            |other: &Field| name.strip_prefix(&*other.name).is_some_and(|rest| rest.starts_with('.'));
        if matches!(target.kind, TargetKind::Search | TargetKind::Document)
            && let Some((_, other)) = fields.iter().enumerate().find(|(m, other)| *m != n && inside(other))
        {
            let why = format!("it stands inside {:?}, which is a field of its own", &*other.name);
            errors.push(refused(target, name, &why));
        }
    }
    errors
}

/// Why a target cannot take a field of this name.
pub fn reserved(kind: TargetKind, name: &str) -> Option<String> {
    let reserved = || Some("the target keeps that name for itself".to_owned());
    match kind {
        TargetKind::Search if SEARCH.contains(&name) => reserved(),
        TargetKind::Search if name.split('.').any(|part| part.trim().is_empty()) => {
            Some("a part of it between dots is empty".to_owned())
        }
        TargetKind::Cache | TargetKind::Table | TargetKind::Document if name == "_version" => reserved(),
        TargetKind::Document if name == "_id" || name.starts_with('$') => reserved(),
        _ => None,
    }
}

/// A name of its own, which no target keeps and no other field can stand around.
fn free(name: &str) -> String {
    let bare = name.trim_matches(['_', '.', '$', ' ']);
    match bare.contains('.') {
        true => bare.replace('.', "_"),
        false => format!("{bare}_"),
    }
}

fn refused(target: &TargetSpec, name: &str, why: &str) -> Error {
    Error::new(Code::RouteReserved, format!("the field {name:?} cannot go to {}: {why}", target.connection))
        .fix(format!("rename it with a transform: {{ field: {}, from: {name} }}", free(name)))
}
