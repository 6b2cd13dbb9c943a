//! Targets of routes and pipelines whose addresses can meet: two of them would overwrite each other's documents.
//! Only the configuration is looked at, so a column may hold any text without `:` and `/`.

use crate::error::{Code, Error};
use crate::route::findings::Finding;
use crate::route::overlap::{Shape, shapes_overlap};
use crate::route::template::{Name, Template};
use crate::route::{PipelineSpec, RouteSpec, TargetKind, TargetSpec};

/// A target in its place, with the shapes of its addresses.
struct Place<'a> {
    pipeline: usize,
    route: usize,
    target: usize,
    route_spec: &'a RouteSpec,
    spec: &'a TargetSpec,
    name: Vec<Shape>,
    id: Vec<Shape>,
}

/// Collisions within and between pipelines, each with the pipeline's index. `same` says whether two connection names
/// lead to the same place.
pub fn collisions(pipelines: &[PipelineSpec], same: &dyn Fn(&str, &str) -> bool) -> Vec<(usize, Finding)> {
    let places: Vec<Place<'_>> = pipelines.iter().enumerate().flat_map(|(n, p)| places(n, p)).collect();
    let mut found = Vec::new();
    for (n, one) in places.iter().enumerate() {
        if let Some(error) = own_tables(one) {
            found.push(one.finding(error));
        }
        for other in &places[..n] {
            let together = one.spec.connection == other.spec.connection
                || same(&one.spec.connection, &other.spec.connection);
            if together && let Some(error) = meeting(other, one) {
                found.push(one.finding(error));
                break;
            }
        }
    }
    found
}

impl Place<'_> {
    fn finding(&self, error: Error) -> (usize, Finding) {
        let field = self.spec.kind.word();
        let finding = Finding { route: self.route, target: Some(self.target), field, index: None, error };
        (self.pipeline, finding)
    }

    fn show(&self) -> String {
        format!("{} {:?} of {}", self.spec.kind.word(), self.spec.template, self.route_spec.table)
    }
}

fn places(pipeline: usize, spec: &PipelineSpec) -> Vec<Place<'_>> {
    let mut places = Vec::new();
    for (route, route_spec) in spec.routes.iter().enumerate() {
        let (database, table) = table_shapes(&route_spec.table);
        for (target, spec) in route_spec.targets.iter().enumerate() {
            let shape = |text: &str| {
                Template::parse(text, true).map_or_else(|_| Vec::new(), |t| t.shape(&database, &table))
            };
            let (name, id) = match spec.kind {
                TargetKind::Cache => (Vec::new(), shape(&spec.template)),
                _ => (shape(&spec.template), shape(spec.id.as_deref().unwrap_or("{key}"))),
            };
            places.push(Place { pipeline, route, target, route_spec, spec, name, id });
        }
    }
    places
}

fn table_shapes(pattern: &str) -> (Vec<Shape>, Vec<Shape>) {
    let shape = |text: &str| -> Vec<Shape> {
        let each = |c| match c {
            '*' => Shape::Any,
            '?' => Shape::One,
            c => Shape::Char(c),
        };
        text.chars().map(each).collect()
    };
    match pattern.split_once('.') {
        Some((database, table)) => (shape(database), shape(table)),
        None => (shape(pattern), vec![Shape::Any]),
    }
}

/// Two tables of one pattern write to one target.
fn own_tables(place: &Place<'_>) -> Option<Error> {
    if place.spec.kind.keeps_lines() || place.spec.invalidate {
        return None;
    }
    let (database, table) = table_shapes(&place.route_spec.table);
    let templates = templates(place.spec);
    let names = |name: &Name| templates.iter().any(|t| t.names(name));
    for (shape, name, word) in [(&table, Name::Table, "{table}"), (&database, Name::Database, "{database}")] {
        if is_open(shape) && !names(&name) {
            let what = format!(
                "tables that match {} can write the same address as {}",
                place.route_spec.table,
                place.show()
            );
            let cure = match place.spec.kind {
                TargetKind::Cache => format!("put {word} into the key"),
                kind => format!("put {word} into `{}:` or `id:`", kind.word()),
            };
            return Some(Error::new(Code::RouteCollision, what).fix(cure));
        }
    }
    None
}

/// Two routes of a pipeline that name their tables in one and the same way: no table belongs to both, so no address does.
fn told_apart(one: &Place<'_>, two: &Place<'_>) -> bool {
    let alike = one.spec.template == two.spec.template && one.spec.id == two.spec.id;
    if one.pipeline != two.pipeline || one.route == two.route || !alike {
        return false;
    }
    let (database, _) = table_shapes(&one.route_spec.table);
    let (other_database, _) = table_shapes(&two.route_spec.table);
    let one_database = !is_open(&database) && database == other_database;
    let templates = templates(one.spec);
    let names = |name: &Name| templates.iter().any(|t| t.names(name));
    names(&Name::Table) && (one_database || names(&Name::Database))
}

fn is_open(shape: &[Shape]) -> bool {
    shape.iter().any(|s| matches!(s, Shape::Any | Shape::One))
}

fn templates(spec: &TargetSpec) -> Vec<Template> {
    let texts = [Some(spec.template.as_str()), spec.id.as_deref()];
    texts.into_iter().flatten().filter_map(|text| Template::parse(text, true).ok()).collect()
}

fn meeting(one: &Place<'_>, two: &Place<'_>) -> Option<Error> {
    if one.spec.kind != two.spec.kind {
        return None;
    }
    if one.spec.kind == TargetKind::Archive && one.pipeline != two.pipeline {
        let message =
            format!("two pipelines write to the archive {}: it has one writer", one.spec.connection);
        return Some(
            Error::new(Code::RouteCollision, message)
                .fix("give each pipeline an archive connection of its own"),
        );
    }
    if one.spec.kind.keeps_lines() || (one.spec.invalidate && two.spec.invalidate) {
        return None;
    }
    if !shapes_overlap(&one.name, &two.name) || !shapes_overlap(&one.id, &two.id) || told_apart(one, two) {
        return None;
    }
    let message =
        format!("{} and {} can write the same address at {}", two.show(), one.show(), two.spec.connection);
    let cure = match two.spec.kind {
        TargetKind::Cache => "give them different keys, for example with {table} in front".to_owned(),
        kind => format!("give them different values of `{}:`, or put {{table}} into `id:`", kind.word()),
    };
    Some(Error::new(Code::RouteCollision, message).fix(cure))
}

#[cfg(test)]
#[path = "collide_tests.rs"]
mod tests;
