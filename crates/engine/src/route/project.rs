//! Which fields a route's documents have: a table's columns after the route's transforms and `only`.
//! How a field's value is made is `transform.rs`; how a document is written is `document.rs`.

use std::sync::Arc;

use crate::error::{Code, Error};
use crate::route::{RouteSpec, TransformAction};
use crate::schema::TableSchema;

/// One field of a document, in the document's order.
#[derive(Clone, Debug)]
pub(crate) struct FieldPlan {
    pub name: Arc<str>,
    pub source: FieldSource,
    /// What is done to the value, in order: indices into the route's transforms.
    pub actions: Vec<usize>,
}

/// Where a field's value comes from.
#[derive(Clone, Debug)]
pub(crate) enum FieldSource {
    Column(usize),
    /// The transform's constant or template.
    Transform(usize),
}

/// A field that the route names and the table lacks.
#[derive(Clone, Debug)]
pub struct Missing {
    /// Its name.
    pub field: String,
    /// The route's key that names it: `transform` or `only`.
    pub key: &'static str,
    /// Which entry of the key's list.
    pub index: usize,
    pub error: Error,
}

/// The fields. A transform or `only` that names a field which this table lacks is left out and reported in `missing`:
/// older rows of a lagging stream lack columns that newer ones have, and that must not stop them.
pub(crate) fn project(route: &RouteSpec, schema: &TableSchema, missing: &mut Vec<Missing>) -> Vec<FieldPlan> {
    let column = |(n, column): (usize, &crate::schema::Column)| FieldPlan {
        name: column.name.clone(),
        source: FieldSource::Column(n),
        actions: Vec::new(),
    };
    let mut fields: Vec<FieldPlan> = schema.columns.iter().enumerate().map(column).collect();
    for (n, transform) in route.transforms.iter().enumerate() {
        let named = match &transform.action {
            TransformAction::Rename { from } => from,
            _ => &transform.field,
        };
        let found = find(&fields, named);
        match (&transform.action, found) {
            (TransformAction::Constant(_) | TransformAction::Template(_), found) => {
                let plan = FieldPlan {
                    name: transform.field.as_str().into(),
                    source: FieldSource::Transform(n),
                    actions: Vec::new(),
                };
                match found {
                    Some(at) => fields[at] = plan,
                    None => fields.push(plan),
                }
            }
            (_, None) => missing.push(lacks(schema, named, &fields, ("transform", n))),
            (TransformAction::Rename { .. }, Some(at)) => rename(&mut fields, at, &transform.field),
            (TransformAction::Drop, Some(at)) => drop(fields.remove(at)),
            (_, Some(at)) => fields[at].actions.push(n),
        }
    }
    if let Some(only) = &route.only {
        for (n, name) in only.iter().enumerate() {
            if find(&fields, name).is_none() {
                missing.push(lacks(schema, name, &fields, ("only", n)));
            }
        }
        fields.retain(|field| only.iter().any(|name| name.eq_ignore_ascii_case(&field.name)));
    }
    fields
}

fn find(fields: &[FieldPlan], name: &str) -> Option<usize> {
    let exact = fields.iter().position(|field| &*field.name == name);
    exact.or_else(|| fields.iter().position(|field| field.name.eq_ignore_ascii_case(name)))
}

fn rename(fields: &mut Vec<FieldPlan>, at: usize, name: &str) {
    let replaced = find(fields, name).filter(|other| *other != at);
    fields[at].name = name.into();
    if let Some(replaced) = replaced {
        fields.remove(replaced);
    }
}

fn lacks(
    schema: &TableSchema,
    name: &str,
    fields: &[FieldPlan],
    (key, index): (&'static str, usize),
) -> Missing {
    let names = fields.iter().map(|field| &*field.name);
    let error = no_such(&format!("the documents of {} have no field {name:?}", schema.name), name, names);
    Missing { field: name.to_owned(), key, index, error }
}

/// `message`, with the nearest name that exists.
pub(crate) fn no_such<'a>(message: &str, name: &str, names: impl Iterator<Item = &'a str> + Clone) -> Error {
    let distance = |other: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
    let nearest = names.clone().map(|n| (distance(n), n)).min().filter(|(d, n)| *d <= 2.max(n.len() / 3));
    let error = Error::new(Code::RouteColumn, message);
    match nearest {
        Some((_, nearest)) => error.fix(format!("did you mean {nearest}?")),
        None => error.fix(format!("use one of: {}", names.collect::<Vec<_>>().join(", "))),
    }
}
