//! The way back from an address to the key of the row that should stand behind it, for people to read. A template may lose
//! what it is given, so nothing is decided by this.

use crate::json;
use crate::route::address::{Escape, substitute};
use crate::route::compile::escape_of;
use crate::route::template::{DatePiece, Name, Piece, Template};
use crate::route::{TargetKind, TargetPlan};
use crate::schema::{ColumnKind, TableSchema};
use crate::sink::Address;

/// What a key's digest begins with, where the key is too long for an id.
const DIGEST: &str = "sha256:";

/// The key as an object, JSON text; `None` if the id does not tell all of it. `key`: its columns.
pub fn key_in_address(
    plan: &TargetPlan,
    schema: &TableSchema,
    key: &[usize],
    address: &Address,
) -> Option<String> {
    let spec = &plan.spec;
    let (text, escape) = match spec.kind {
        TargetKind::Cache => (&*spec.template, escape_of(spec.kind).0),
        _ => (spec.id.as_deref().unwrap_or("{key}"), Escape::None),
    };
    let template = Template::parse(text, true).ok()?;
    let mut values: Vec<Option<String>> = vec![None; key.len()];
    let mut rest = &*address.id;
    let mut pieces = template.pieces.iter().peekable();
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Literal(text) => rest = rest.strip_prefix(&**text)?,
            Piece::Date(parts) => rest = rest.get(parts.iter().map(|part| width(*part)).sum()..)?,
            Piece::Field { name: Name::Database, lower } => {
                rest = after(rest, &schema.database, *lower, escape)?
            }
            Piece::Field { name: Name::Table, lower } => rest = after(rest, &schema.table, *lower, escape)?,
            Piece::Field { name, .. } => {
                let end = match pieces.peek() {
                    None => rest.len(),
                    Some(Piece::Literal(next)) => rest.find(&**next)?,
                    Some(_) => return None,
                };
                let (value, behind) = rest.split_at(end);
                rest = behind;
                take(name, &unescaped(value, escape), schema, key, &mut values)?;
            }
        }
    }
    if !rest.is_empty() {
        return None;
    }
    let members = key.iter().zip(values).map(|(column, value)| member(schema, *column, &value?));
    Some(format!("{{{}}}", members.collect::<Option<Vec<_>>>()?.join(",")))
}

fn width(part: DatePiece) -> usize {
    match part {
        DatePiece::Year => 4,
        DatePiece::Month | DatePiece::Day | DatePiece::Hour => 2,
        DatePiece::Separator(c) => c.len_utf8(),
    }
}

fn after<'t>(text: &'t str, name: &str, lower: bool, escape: Escape) -> Option<&'t str> {
    let mut written = String::new();
    substitute(&mut written, name, lower, escape);
    text.strip_prefix(&*written)
}

fn unescaped(value: &str, escape: Escape) -> String {
    match escape {
        Escape::Redis => value.replace("%7B", "{").replace("%7D", "}"),
        _ => value.to_owned(),
    }
}

/// Puts what a placeholder stood for where it belongs.
fn take(
    name: &Name,
    value: &str,
    schema: &TableSchema,
    key: &[usize],
    values: &mut [Option<String>],
) -> Option<()> {
    match name {
        Name::Column(column) => {
            let column = schema.column(column)?;
            let places = key.iter().zip(values).filter(|(part, _)| **part == column);
            places.for_each(|(_, place)| *place = Some(value.to_owned()));
        }
        Name::Key if value.starts_with(DIGEST) => return None,
        Name::Key if key.len() == 1 => values[0] = Some(part(value)),
        Name::Key => {
            let parts: Vec<&str> = value.split(':').collect();
            if parts.len() != key.len() {
                return None;
            }
            for (place, text) in values.iter_mut().zip(parts) {
                *place = Some(part(text).replace("%3A", ":").replace("%25", "%"));
            }
        }
        Name::Database | Name::Table => {}
    }
    Some(())
}

/// Empty text is written as `%`.
fn part(text: &str) -> String {
    if text == "%" { String::new() } else { text.to_owned() }
}

fn member(schema: &TableSchema, column: usize, value: &str) -> Option<String> {
    let column = schema.columns.get(column)?;
    let number = matches!(
        column.kind,
        ColumnKind::Integer { .. }
            | ColumnKind::Year
            | ColumnKind::Bit { .. }
            | ColumnKind::Float
            | ColumnKind::Double
            | ColumnKind::Any
    );
    let mut text = Vec::new();
    json::write_string(&mut text, &column.name);
    text.push(b':');
    match number && value.parse::<serde_json::Number>().is_ok() {
        true => text.extend_from_slice(value.as_bytes()),
        false => json::write_string(&mut text, value),
    }
    String::from_utf8(text).ok()
}

#[cfg(test)]
#[path = "unrender_tests.rs"]
mod tests;
