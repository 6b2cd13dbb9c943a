//! Which addresses of a target a table can have: for reading a target back and finding what no row stands behind.
//! A value is taken to hold neither `:` nor `/`, as `lint` does when it looks for collisions: so the addresses of another
//! route are never taken for the table's own; a row with such a value in a column of a template is passed over.

use std::sync::Arc;

use crate::error::Result;
use crate::route::address::{Escape, substitute};
use crate::route::compile::escape_of;
use crate::route::overlap::{Shape, shapes_overlap};
use crate::route::template::Template;
use crate::route::{TargetKind, TargetPlan};
use crate::sink::Address;

/// The addresses that one table can have at one target.
#[derive(Debug)]
pub struct Scope {
    /// The target.
    pub plan: Arc<TargetPlan>,
    /// `database.table`.
    pub table: String,
    name: Vec<Shape>,
    id: Vec<Shape>,
}

impl Scope {
    /// For a table of this name (`database.table`).
    pub fn new(plan: &Arc<TargetPlan>, table: &str) -> Result<Scope> {
        let whole = table.to_owned();
        let (database, table) = table.split_once('.').unwrap_or(("", table));
        let shape = |text: &str, escape, braces| {
            let literal = |name: &str| {
                let mut escaped = String::new();
                substitute(&mut escaped, name, false, escape);
                escaped.chars().map(Shape::Char).collect::<Vec<_>>()
            };
            Ok::<_, crate::error::Error>(
                Template::parse(text, braces)?.shape(&literal(database), &literal(table)),
            )
        };
        let spec = &plan.spec;
        let (escape, braces) = escape_of(spec.kind);
        let (name, id) = match spec.kind {
            TargetKind::Stdout | TargetKind::Discard => Default::default(),
            TargetKind::Cache => (Vec::new(), shape(&spec.template, escape, braces)?),
            _ => {
                // A webhook's URL may be all of its connection's.
                let bare = spec.template.is_empty();
                let name = if bare { Vec::new() } else { shape(&spec.template, escape, braces)? };
                (name, shape(spec.id.as_deref().unwrap_or("{key}"), Escape::None, true)?)
            }
        };
        Ok(Scope { plan: Arc::clone(plan), table: whole, name, id })
    }

    /// Whether the table can have this address.
    pub fn holds(&self, address: &Address) -> bool {
        fits(&self.name, &address.target) && fits(&self.id, &address.id)
    }

    /// Whether the table can have this target name.
    pub fn names_hold(&self, name: &str) -> bool {
        fits(&self.name, name)
    }

    /// The target names as text with `*` where anything may stand; `None` if a name itself holds one.
    pub fn names(&self) -> Option<String> {
        wildcard(&self.name)
    }

    /// The ids as text with `*` where anything may stand; `None` if an id itself holds one.
    pub fn ids(&self) -> Option<String> {
        wildcard(&self.id)
    }
}

/// Most shapes are some characters with a value behind them: asked of every document of a scan, they cost no memory.
fn fits(mut shape: &[Shape], text: &str) -> bool {
    let mut left = text.chars();
    while let [Shape::Char(wanted), rest @ ..] = shape {
        if left.next() != Some(*wanted) {
            return false;
        }
        shape = rest;
    }
    match shape {
        [] => left.next().is_none(),
        [Shape::Any] => true,
        [Shape::Word] => !left.as_str().contains([':', '/']),
        shape => shapes_overlap(shape, &left.map(Shape::Char).collect::<Vec<_>>()),
    }
}

fn wildcard(shape: &[Shape]) -> Option<String> {
    let mut text = String::new();
    for piece in shape {
        match piece {
            Shape::Char('*') => return None,
            Shape::Char(c) => text.push(*c),
            _ if text.ends_with('*') => {}
            _ => text.push('*'),
        }
    }
    Some(text)
}
