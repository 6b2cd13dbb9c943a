//! A route bound to one schema of a table: every name resolved to a column, every template and filter ready to run.
//! What it makes of a row is `deliver.rs`.

use std::sync::Arc;

use crate::error::{Code, Error, Result};
use crate::route::address::{Escape, Rendering};
use crate::route::cells::Slots;
use crate::route::document::Projection;
use crate::route::filter::Filter;
use crate::route::line::LineShape;
use crate::route::project::{no_such, project};
use crate::route::reserved::reserved_fields;
use crate::route::template::{Name, Template};
use crate::route::{RouteSpec, TargetKind, TargetPlan, fields};
use crate::schema::TableSchema;

/// A route for one schema. Immutable and shared.
#[derive(Debug)]
pub struct CompiledRoute {
    pub(crate) route: Arc<RouteSpec>,
    pub(crate) schema: Arc<TableSchema>,
    /// How many cells a row has.
    pub(crate) slots: usize,
    pub(crate) key_columns: Vec<usize>,
    pub(crate) key_slots: Vec<usize>,
    pub(crate) filters: Vec<Filter>,
    pub(crate) projection: Projection,
    pub(crate) partition: Option<usize>,
    /// Whether any template uses a date.
    pub(crate) uses_moment: bool,
    pub(crate) line: LineShape,
    pub(crate) targets: Vec<Target>,
    address_columns: Vec<usize>,
    /// Whether after images become documents, and before images too.
    pub(crate) needs_after: bool,
    pub(crate) needs_before: bool,
}

/// One target of the route.
#[derive(Debug)]
pub(crate) struct Target {
    pub plan: Arc<TargetPlan>,
    /// Index of its sink.
    pub sink: usize,
    pub name: Rendered,
    pub id: Rendered,
    /// The cells that the address depends on.
    pub address_slots: Vec<usize>,
}

/// A part of an address.
#[derive(Debug)]
pub(crate) enum Rendered {
    Constant(Arc<str>),
    Key,
    Template(Rendering),
}

impl CompiledRoute {
    /// Binds the route. An error halts the table: it cannot go on before someone corrects the route.
    pub(crate) fn new(
        route: &Arc<RouteSpec>,
        plans: &[(usize, Arc<TargetPlan>)],
        schema: &Arc<TableSchema>,
    ) -> Result<CompiledRoute> {
        let mut slots = Slots::default();
        let mut slot = |name: &str| column(schema, name).map(|column| slots.of(column));
        let key_columns = key_columns(route, schema)?;
        let partition = route.partition_by.as_deref().map(&mut slot).transpose()?;
        let filters =
            route.filters.iter().map(|spec| Filter::bind(spec, &mut slot)).collect::<Result<Vec<_>>>()?;
        let plan_fields = project(route, schema, &mut Vec::new());
        let mut projection = Projection::new(route, schema, &plan_fields, &mut slot)?;
        let key_slots: Vec<usize> = key_columns.iter().map(|column| slots.of(*column)).collect();
        let targets = plans
            .iter()
            .map(|(sink, plan)| target(*sink, plan, schema, &mut slots, &key_slots, partition))
            .collect::<Result<Vec<_>>>()?;
        projection.keep(&slots);
        let address_slots = targets.iter().flat_map(|target| &target.address_slots);
        let mut address_columns: Vec<usize> = address_slots.filter_map(|slot| slots.column(*slot)).collect();
        address_columns.sort_unstable();
        address_columns.dedup();
        let made = fields(route, schema)?;
        if let Some(error) = plans.iter().flat_map(|(_, plan)| reserved_fields(&plan.spec, &made)).next() {
            return Err(error);
        }
        let lines = |(_, plan): &(usize, Arc<TargetPlan>)| plan.spec.kind.keeps_lines();
        let uses_moment =
            projection.uses_moment() || targets.iter().any(|t| t.name.uses_moment() || t.id.uses_moment());
        Ok(CompiledRoute {
            slots: slots.len(),
            line: LineShape::new(schema, &key_columns),
            needs_after: plans.iter().any(|(_, plan)| !plan.spec.invalidate),
            needs_before: plans.iter().any(lines),
            route: Arc::clone(route),
            schema: Arc::clone(schema),
            key_columns,
            key_slots,
            filters,
            projection,
            partition,
            uses_moment,
            targets,
            address_columns,
        })
    }

    /// The route's own part of the configuration.
    pub fn route(&self) -> &Arc<RouteSpec> {
        &self.route
    }

    /// The schema it was compiled for.
    pub fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    /// The columns of the key, in the key's order.
    pub fn key_columns(&self) -> &[usize] {
        &self.key_columns
    }

    /// The columns that the address of some target is made of.
    pub fn address_columns(&self) -> &[usize] {
        &self.address_columns
    }

    /// Where the table goes.
    pub fn plans(&self) -> impl Iterator<Item = &Arc<TargetPlan>> {
        self.targets.iter().map(|target| &target.plan)
    }
}

impl Rendered {
    fn new(rendering: Rendering) -> Rendered {
        match rendering.constant() {
            Some(text) => Rendered::Constant(text.into()),
            None if rendering.is_key() => Rendered::Key,
            None => Rendered::Template(rendering),
        }
    }

    pub fn uses_moment(&self) -> bool {
        matches!(self, Rendered::Template(rendering) if rendering.uses_moment())
    }
}

/// How a target's word is escaped, and whether its names may hold braces.
pub(crate) fn escape_of(kind: TargetKind) -> (Escape, bool) {
    match kind {
        TargetKind::Search => (Escape::Index, false),
        TargetKind::Cache => (Escape::Redis, true),
        TargetKind::Archive => (Escape::Path, false),
        TargetKind::Webhook => (Escape::Url, false),
        TargetKind::Document | TargetKind::Table | TargetKind::Message => (Escape::Word, false),
        TargetKind::Stdout | TargetKind::Discard => (Escape::None, false),
    }
}

fn target(
    sink: usize,
    plan: &Arc<TargetPlan>,
    schema: &TableSchema,
    slots: &mut Slots,
    key_slots: &[usize],
    partition: Option<usize>,
) -> Result<Target> {
    let spec = &plan.spec;
    let empty = || Rendered::Constant("".into());
    let (escape, braces) = escape_of(spec.kind);
    let mut address_slots = Vec::new();
    let mut bind = |text: &str, escape, braces| {
        let template = Template::parse(text, braces)?;
        let mut used = Vec::new();
        let rendering = Rendering::bind(&template, escape, schema, &mut |name| {
            let slot = slots.of(column(schema, name)?);
            used.push(slot);
            Ok(slot)
        })?;
        if template.names(&Name::Key) {
            used.extend_from_slice(key_slots);
        }
        if template.has_date() {
            used.extend(partition);
        }
        address_slots.append(&mut used);
        Ok::<_, Error>(Rendered::new(rendering))
    };
    let (name, id) = match spec.kind {
        TargetKind::Stdout | TargetKind::Discard => (empty(), empty()),
        TargetKind::Cache => (empty(), bind(&spec.template, escape, braces)?),
        _ => {
            // Nothing behind the connection's own URL: it is the address of every row.
            let bare = spec.kind == TargetKind::Webhook && spec.template.is_empty();
            let name = if bare { empty() } else { bind(&spec.template, escape, braces)? };
            (name, bind(spec.id.as_deref().unwrap_or("{key}"), Escape::None, true)?)
        }
    };
    Ok(Target { plan: Arc::clone(plan), sink, name, id, address_slots })
}

pub(crate) fn key_columns(route: &RouteSpec, schema: &TableSchema) -> Result<Vec<usize>> {
    let columns = match &route.key {
        Some(names) => names.iter().map(|name| column(schema, name)).collect::<Result<Vec<_>>>()?,
        None => schema.primary_key.clone(),
    };
    if columns.is_empty() {
        let message = format!("{} has no primary key and its route names no `key:`", schema.name);
        return Err(Error::new(Code::RouteNoKey, message));
    }
    Ok(columns)
}

/// The index of a source column that the route names.
pub(crate) fn column(schema: &TableSchema, name: &str) -> Result<usize> {
    schema.column(name).ok_or_else(|| {
        let names = schema.columns.iter().map(|c| &*c.name);
        no_such(&format!("{} has no column {name:?}", schema.name), name, names)
    })
}
