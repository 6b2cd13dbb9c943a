//! The fields of a route's documents with what their values are, so that a target can make a mapping that refuses no
//! valid row. How a vendor spells a mapping is its connector's.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::error::Result;
use crate::route::project::{FieldPlan, FieldSource, Missing, project};
use crate::route::transform::Action;
use crate::route::{RouteSpec, TransformAction, TransformSpec};
use crate::schema::{ColumnKind, TableSchema};

/// One field of the documents.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name in the document.
    pub name: Arc<str>,
    /// What its values are; arrays of it count as it.
    pub kind: FieldKind,
    /// The analyzer that a transform names.
    pub analyzer: Option<String>,
    /// The source column, for fields that come from one.
    pub column: Option<usize>,
}

/// What a field's values are in documents.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldKind {
    Boolean,
    /// `bits` is 8, 16, 32 or 64; YEAR, MEDIUMINT and BIT(n) are rounded up.
    Integer {
        bits: u8,
        unsigned: bool,
    },
    Float,
    Double,
    /// Exact decimal text.
    Decimal {
        precision: u16,
        scale: u16,
    },
    /// Text to search in; `length` in characters where the source tells.
    Text {
        length: Option<u32>,
    },
    /// Text that is compared as a whole: labels, identifiers, times, zero dates kept as text.
    Keyword,
    Uuid,
    /// IPv4 or IPv6.
    Inet,
    /// Base64 text.
    Binary,
    /// `2026-01-31`.
    Date,
    /// `2026-01-31T12:00:00.123456`, with `Z` if `utc`.
    DateTime {
        utc: bool,
    },
    /// Any JSON value.
    Json,
    /// `{"srid": n, "wkb": "base64"}`.
    Geometry,
    /// GeoJSON.
    GeoJson,
    /// Array of numbers.
    Vector,
    /// Each row says what its value is (SQLite columns without a type).
    Any,
}

/// The fields of the route's documents for this table, in the document's order.
///
/// Fails where [`crate::route::RouteTable::plan`] would: a transform that cannot be read.
pub fn fields(route: &RouteSpec, schema: &TableSchema) -> Result<Vec<Field>> {
    let plans = project(route, schema, &mut Vec::new());
    let made = |plan: FieldPlan| {
        actions(route, schema, &plan)?;
        Ok(field(route, schema, plan))
    };
    plans.into_iter().map(made).collect()
}

/// What the route names and the table lacks: worth telling in `check`, no reason to stop.
pub fn missing_fields(route: &RouteSpec, schema: &TableSchema) -> Vec<Missing> {
    let mut missing = Vec::new();
    project(route, schema, &mut missing);
    missing
}

fn field(route: &RouteSpec, schema: &TableSchema, plan: FieldPlan) -> Field {
    let (mut kind, column) = source_kind(route, schema, &plan);
    let mut analyzer = None;
    for transform in plan.actions.iter().filter_map(|n| route.transforms.get(*n)) {
        if let TransformAction::Text { analyzer: Some(named) } = &transform.action {
            analyzer = Some(named.clone());
        }
        kind = changed_kind(&transform.action, kind);
    }
    Field { name: plan.name, kind, analyzer, column }
}

/// The field's transforms, ready to run.
pub(crate) fn actions(route: &RouteSpec, schema: &TableSchema, plan: &FieldPlan) -> Result<Vec<Action>> {
    let (mut kind, _) = source_kind(route, schema, plan);
    let mut actions = Vec::new();
    for transform in plan.actions.iter().filter_map(|n| route.transforms.get(*n)) {
        actions.extend(Action::new(transform, is_unsigned(&kind))?);
        kind = changed_kind(&transform.action, kind);
    }
    Ok(actions)
}

/// The kind before any transform, and the column.
fn source_kind(route: &RouteSpec, schema: &TableSchema, plan: &FieldPlan) -> (FieldKind, Option<usize>) {
    match plan.source {
        FieldSource::Column(n) => {
            let column = schema.columns.get(n);
            (column.map_or(FieldKind::Any, |c| column_kind(&c.kind, route.zero_date_text)), Some(n))
        }
        FieldSource::Transform(n) => (made_kind(route.transforms.get(n)), None),
    }
}

fn column_kind(kind: &ColumnKind, zero_date_text: bool) -> FieldKind {
    let rounded = |bits: u8| match bits {
        0..=8 => 8,
        9..=16 => 16,
        17..=32 => 32,
        _ => 64,
    };
    match kind {
        ColumnKind::Integer { bits, unsigned } => {
            FieldKind::Integer { bits: rounded(*bits), unsigned: *unsigned }
        }
        ColumnKind::Year => FieldKind::Integer { bits: 16, unsigned: true },
        ColumnKind::Bit { bits } => FieldKind::Integer { bits: rounded(*bits), unsigned: true },
        ColumnKind::Float => FieldKind::Float,
        ColumnKind::Double => FieldKind::Double,
        ColumnKind::Decimal { precision, scale } => {
            FieldKind::Decimal { precision: *precision, scale: *scale }
        }
        ColumnKind::Text { length } => FieldKind::Text { length: *length },
        ColumnKind::Date | ColumnKind::DateTime { .. } | ColumnKind::Timestamp { .. } if zero_date_text => {
            FieldKind::Keyword
        }
        ColumnKind::Enum { .. } | ColumnKind::Set { .. } | ColumnKind::Time { .. } => FieldKind::Keyword,
        ColumnKind::Bytes => FieldKind::Binary,
        ColumnKind::Date => FieldKind::Date,
        ColumnKind::DateTime { .. } => FieldKind::DateTime { utc: false },
        ColumnKind::Timestamp { .. } => FieldKind::DateTime { utc: true },
        ColumnKind::Json => FieldKind::Json,
        ColumnKind::Geometry => FieldKind::Geometry,
        ColumnKind::Vector => FieldKind::Vector,
        ColumnKind::Uuid => FieldKind::Uuid,
        ColumnKind::Inet => FieldKind::Inet,
        ColumnKind::Any => FieldKind::Any,
    }
}

/// The kind of a field that a transform makes without a column.
fn made_kind(transform: Option<&TransformSpec>) -> FieldKind {
    match transform.map(|t| &t.action) {
        Some(TransformAction::Constant(value)) => constant_kind(value),
        _ => FieldKind::Text { length: None },
    }
}

fn constant_kind(value: &Json) -> FieldKind {
    match value {
        Json::Bool(_) => FieldKind::Boolean,
        Json::Number(n) if n.is_i64() => FieldKind::Integer { bits: 64, unsigned: false },
        Json::Number(n) if n.is_u64() => FieldKind::Integer { bits: 64, unsigned: true },
        Json::Number(_) => FieldKind::Double,
        Json::String(_) => FieldKind::Keyword,
        Json::Array(list) if list.iter().all(Json::is_string) => FieldKind::Keyword,
        _ => FieldKind::Json,
    }
}

fn changed_kind(action: &TransformAction, before: FieldKind) -> FieldKind {
    match action {
        TransformAction::Split(_) | TransformAction::Keyword => FieldKind::Keyword,
        TransformAction::Json => FieldKind::Json,
        TransformAction::Date { .. } => FieldKind::DateTime { utc: true },
        TransformAction::Integer => FieldKind::Integer { bits: 64, unsigned: is_unsigned(&before) },
        TransformAction::Float => match before {
            FieldKind::Float => FieldKind::Float,
            _ => FieldKind::Double,
        },
        TransformAction::Boolean => FieldKind::Boolean,
        TransformAction::Text { .. } => match before {
            FieldKind::Text { length } => FieldKind::Text { length },
            _ => FieldKind::Text { length: None },
        },
        TransformAction::GeoJson => FieldKind::GeoJson,
        TransformAction::Rename { .. }
        | TransformAction::Drop
        | TransformAction::Constant(_)
        | TransformAction::Template(_) => before,
    }
}

/// Whether an integer made of such values may exceed 2⁶³−1.
fn is_unsigned(kind: &FieldKind) -> bool {
    matches!(kind, FieldKind::Integer { bits: 64, unsigned: true })
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
