//! What the tables' columns say about a pipeline's routes (`check`): names that no column has, tables without a key,
//! reserved columns, addresses that several rows of a table would share.

use std::sync::Arc;

use crate::error::{Code, Error};
use crate::route::compile::{column, key_columns};
use crate::route::findings::Finding;
use crate::route::template::{Name, Piece, Template};
use crate::route::{FilterTest, Pattern, PipelineSpec, RouteSpec, TargetSpec, TransformAction};
use crate::route::{fields, missing_fields, reserved_fields};
use crate::schema::TableSchema;

/// Findings about tables that the source has. Each table is judged with the first route that matches it.
pub fn schema_findings(
    pipeline: &PipelineSpec,
    schemas: &[Arc<TableSchema>],
    fold_case: bool,
) -> Vec<Finding> {
    let patterns: Vec<_> = pipeline.routes.iter().map(|route| Pattern::parse(&route.table).ok()).collect();
    let takes = |schema: &TableSchema| {
        patterns.iter().position(|p| p.as_ref().is_some_and(|p| p.matches(&schema.name, fold_case)))
    };
    let mut found = Vec::new();
    for (n, route) in pipeline.routes.iter().enumerate() {
        let tables: Vec<&Arc<TableSchema>> = schemas.iter().filter(|s| takes(s) == Some(n)).collect();
        let mut add = |target, field, index, error| {
            found.push(Finding { route: n, target, field, index, error });
        };
        for schema in &tables {
            check_columns(route, schema, &mut add);
            check_targets(route, schema, &mut add);
        }
        check_fields(route, &tables, &mut add);
    }
    found
}

type Add<'a> = &'a mut dyn FnMut(Option<usize>, &'static str, Option<usize>, Error);

fn check_columns(route: &RouteSpec, schema: &TableSchema, add: Add<'_>) {
    for (at, name) in route.key.iter().flatten().enumerate() {
        let _ = column(schema, name).map_err(|error| add(None, "key", Some(at), error));
    }
    if route.key.is_none()
        && let Err(error) = key_columns(route, schema)
    {
        add(None, "table", None, error);
    }
    for (at, filter) in route.filters.iter().enumerate() {
        let result = match &filter.test {
            FilterTest::Exclude { field, .. } | FilterTest::Include { field, .. } => {
                column(schema, field).map(drop)
            }
            FilterTest::When(text) => {
                crate::route::expression::Expression::parse(text, &mut |name| column(schema, name)).map(drop)
            }
        };
        // What no table could satisfy was told by the offline findings.
        let _ = result.map_err(|e| {
            if e.code() == Code::RouteColumn {
                add(None, "filter", Some(at), e)
            }
        });
    }
    if let Some(name) = &route.partition_by {
        let _ = column(schema, name).map_err(|error| add(None, "partition_by", None, error));
    }
    for (at, transform) in route.transforms.iter().enumerate() {
        if let TransformAction::Template(text) = &transform.action {
            for error in unknown(text, schema) {
                add(None, "transform", Some(at), error);
            }
        }
    }
}

/// The columns that a template names and the table lacks.
fn unknown(template: &str, schema: &TableSchema) -> Vec<Error> {
    let Ok(template) = Template::parse(template, true) else { return Vec::new() };
    template.columns().filter_map(|name| column(schema, name).err()).collect()
}

fn check_targets(route: &RouteSpec, schema: &TableSchema, add: Add<'_>) {
    let made = fields(route, schema).unwrap_or_default(); // What cannot be read is an offline finding.
    for (n, target) in route.targets.iter().enumerate() {
        let word = target.kind.word();
        let names = unknown(&target.template, schema);
        let ids = target.id.iter().flat_map(|id| unknown(id, schema));
        let complete = names.is_empty();
        names.into_iter().for_each(|error| add(Some(n), word, None, error));
        ids.for_each(|error| add(Some(n), "id", None, error));
        reserved_fields(target, &made).into_iter().for_each(|error| add(Some(n), word, None, error));
        if complete && let Some(error) = shared(route, schema, target) {
            add(Some(n), word, None, error);
        }
    }
}

/// Fields that a route names and none of its tables has.
fn check_fields(route: &RouteSpec, tables: &[&Arc<TableSchema>], add: Add<'_>) {
    let Some((first, others)) = tables.split_first() else { return };
    let messages = |schema: &TableSchema| -> Vec<String> {
        missing_fields(route, schema).iter().map(|missing| missing.field.clone()).collect()
    };
    let elsewhere: Vec<Vec<String>> = others.iter().map(|schema| messages(schema)).collect();
    for missing in missing_fields(route, first) {
        if elsewhere.iter().all(|fields| fields.contains(&missing.field)) {
            add(None, missing.key, Some(missing.index), missing.error);
        }
    }
}

/// Two rows of the table would share an address: the key is not told apart by it.
fn shared(route: &RouteSpec, schema: &TableSchema, target: &TargetSpec) -> Option<Error> {
    if target.kind.keeps_lines() || target.invalidate {
        return None;
    }
    let whole_id = target.kind != crate::route::TargetKind::Cache && target.id.is_none();
    if whole_id {
        return None;
    }
    let key = key_columns(route, schema).ok()?;
    let templates: Vec<Template> = [Some(&target.template), target.id.as_ref()]
        .into_iter()
        .flatten()
        .filter_map(|text| Template::parse(text, true).ok())
        .collect();
    if templates.iter().any(|t| t.names(&Name::Key)) {
        return None;
    }
    let named =
        |column: usize| templates.iter().any(|t| t.columns().any(|name| schema.column(name) == Some(column)));
    let name = |column: usize| schema.columns.get(column).map_or("", |c| &c.name);
    let missing: Vec<&str> = key.iter().copied().filter(|c| !named(*c)).map(name).collect();
    let text = target.id.as_ref().unwrap_or(&target.template);
    if !missing.is_empty() {
        let message = format!(
            "rows of {} would share an address at {}: {text:?} does not name the key column {}",
            schema.name,
            target.connection,
            missing.join(", ")
        );
        return Some(Error::new(Code::RouteCollision, message).fix(
            "put {key} into it; or, if other columns tell the rows apart, name those in the route's `key:`",
        ));
    }
    let touching = templates.iter().any(|t| t.pieces.windows(2).any(|pair| pair.iter().all(is_column)));
    touching.then(|| {
        let message = format!(
            "rows of {} could share an address at {}: two columns of {text:?} stand side by side",
            schema.name, target.connection
        );
        Error::new(Code::RouteCollision, message).fix("put a separator such as : between them")
    })
}

fn is_column(piece: &Piece) -> bool {
    matches!(piece, Piece::Field { name: Name::Column(_), .. })
}
