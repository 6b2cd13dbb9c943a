//! Which addresses of a target a table can have: for reading a target back and finding what no row stands behind.
//! A value is taken to hold neither `:` nor `/`, as `lint` does when it looks for collisions: so the addresses of another
//! route are never taken for the table's own; a row with such a value in a column of a template is passed over.

use std::sync::Arc;

use crate::route::TargetPlan;
use crate::route::address::Rendering;
use crate::route::compile::{Rendered, Target};
use crate::route::overlap::{Shape, shapes_overlap};
use crate::sink::Address;

/// The addresses that one table can have at one target.
#[derive(Debug)]
pub struct Scope {
    /// The target.
    pub plan: Arc<TargetPlan>,
    /// Index of its sink in the pipeline.
    pub sink: usize,
    name: Vec<Shape>,
    id: Vec<Shape>,
}

impl Scope {
    pub(crate) fn of(target: &Target) -> Scope {
        Scope {
            plan: Arc::clone(&target.plan),
            sink: target.sink,
            name: shape(&target.name),
            id: shape(&target.id),
        }
    }

    /// Whether the table can have this address.
    pub fn holds(&self, address: &Address) -> bool {
        let fits = |shape: &[Shape], text: &str| {
            shapes_overlap(shape, &text.chars().map(Shape::Char).collect::<Vec<_>>())
        };
        fits(&self.name, &address.target) && fits(&self.id, &address.id)
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

fn shape(rendered: &Rendered) -> Vec<Shape> {
    match rendered {
        Rendered::Constant(text) => text.chars().map(Shape::Char).collect(),
        Rendered::Key => vec![Shape::Any],
        Rendered::Template(rendering) => Rendering::shape(rendering),
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
