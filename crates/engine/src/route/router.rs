//! A pipeline's routes in order: which one takes a table, and the compiled form for each schema, made once. The hot
//! call is [`RouteTable::deliver`]: one captured change in, what each target is to hold out.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::change::CaptureBatch;
use crate::error::{Code, Error, Result};
use crate::route::compile::key_columns;
use crate::route::{CapturedLines, CompiledRoute, Deliveries, Pattern, PipelineSpec, Routed, Standing};
use crate::route::{RouteSpec, TargetPlan, TargetSpec};
use crate::row::RowImage;
use crate::schema::TableSchema;
use crate::sink::Delivery;

/// Name of the rule under which rows count that no route takes.
pub const NO_ROUTE: &str = "no-route";

/// Compiled schemas are kept up to this many; then all are made again when needed.
const KEPT: usize = 4096;

/// What a dead letter shows of its change.
#[derive(Clone, Debug, Default)]
pub struct LetterTexts {
    /// Key object as JSON text.
    pub key: String,
    /// The `change` line as captured (all columns, untransformed).
    pub change: String,
}

/// All routes of a pipeline.
#[derive(Debug)]
pub struct RouteTable {
    routes: Vec<Entry>,
    fold_case: bool,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Entry {
    pattern: Pattern,
    route: Arc<RouteSpec>,
    plans: Vec<(usize, Arc<TargetPlan>)>,
}

#[derive(Debug, Default)]
struct Known {
    compiled: HashMap<u64, Option<Arc<CompiledRoute>>>,
    schemas: HashMap<Arc<str>, Arc<TableSchema>>,
}

impl RouteTable {
    /// `sinks`: connection names in the order of their indices.
    pub fn new(pipeline: &PipelineSpec, sinks: &[String]) -> Result<RouteTable> {
        let mut next = 0;
        let mut routes = Vec::new();
        for spec in &pipeline.routes {
            let route = Arc::new(spec.clone());
            let mut plans = Vec::new();
            for target in &spec.targets {
                let sink = sinks.iter().position(|name| *name == target.connection).ok_or_else(|| {
                    Error::new(Code::Internal, format!("no sink was made for {}", target.connection))
                })?;
                let (route, label) = (Arc::clone(&route), label(target, spec));
                plans.push((sink, Arc::new(TargetPlan { id: next, spec: target.clone(), route, label })));
                next += 1;
            }
            routes.push(Entry { pattern: Pattern::parse(&spec.table)?, route, plans });
        }
        Ok(RouteTable { routes, fold_case: false, known: Mutex::default() })
    }

    /// Whether the source's server compares table names without case.
    #[must_use]
    pub fn folding_case(mut self, fold_case: bool) -> RouteTable {
        self.fold_case = fold_case;
        self
    }

    /// Routes one change: what it means for each target is added to `out`. An error says that the route does not fit
    /// the table (a column it names is gone) or that the image cannot be decoded; what is wrong with the row alone is
    /// `out.refused`.
    pub fn deliver(&self, batch: &Arc<CaptureBatch>, index: u32, out: &mut Deliveries) -> Result<Routed> {
        let Some(change) = batch.changes.get(index as usize) else { return Ok(Routed::Taken) };
        let routed = self.routed(&change.schema, out, |route, out| route.deliver(batch, index, out))?;
        Ok(routed.map_or(Routed::NoRoute, |()| Routed::Taken))
    }

    /// Calls `into` for what each target should hold of a row that stands in the source: [`CompiledRoute::standing`].
    pub fn standing(
        &self,
        schema: &Arc<TableSchema>,
        row: &RowImage,
        committed_at: i64,
        out: &mut Deliveries,
        into: impl FnMut(Standing<'_>) -> Result<()>,
    ) -> Result<()> {
        self.routed(schema, out, |route, out| route.standing(row, committed_at, out, into)).map(drop)
    }

    /// Calls `with` with the route of a schema, if it has one; neighbours usually share it.
    fn routed(
        &self,
        schema: &Arc<TableSchema>,
        out: &mut Deliveries,
        with: impl FnOnce(&CompiledRoute, &mut Deliveries) -> Result<()>,
    ) -> Result<Option<()>> {
        let last = match out.last.take() {
            Some(last) if last.0 == schema.id => last,
            _ => (schema.id, self.plan(schema)?),
        };
        let routed = last.1.as_ref().map(|route| with(route, out)).transpose();
        out.last = Some(last);
        routed
    }

    /// The route that takes the table, bound to this schema; `None` if none does.
    pub fn plan(&self, schema: &Arc<TableSchema>) -> Result<Option<Arc<CompiledRoute>>> {
        let mut known = self.known();
        known.schemas.insert(Arc::clone(&schema.name), Arc::clone(schema));
        if let Some(compiled) = known.compiled.get(&schema.id) {
            return Ok(compiled.clone());
        }
        let made = match self.entry(&schema.name) {
            None => None,
            Some(entry) => Some(Arc::new(CompiledRoute::new(&entry.route, &entry.plans, schema)?)),
        };
        if known.compiled.len() >= KEPT {
            known.compiled.clear();
        }
        known.compiled.insert(schema.id, made.clone());
        Ok(made)
    }

    /// Key columns of a table: the route's `key:`, else the primary key; `None` if it has neither.
    pub fn key_columns(&self, schema: &TableSchema) -> Option<Vec<usize>> {
        match self.entry(&schema.name) {
            Some(entry) => key_columns(&entry.route, schema).ok(),
            None => Some(schema.primary_key.clone()).filter(|key| !key.is_empty()),
        }
    }

    /// Sinks that a table's route feeds; empty if no route takes it.
    pub fn sinks_of(&self, schema: &TableSchema) -> Vec<usize> {
        let mut sinks: Vec<usize> =
            self.entry(&schema.name).into_iter().flat_map(|e| &e.plans).map(|(sink, _)| *sink).collect();
        sinks.sort_unstable();
        sinks.dedup();
        sinks
    }

    /// The route that takes a table of this name (`database.table`).
    pub fn route(&self, table: &str) -> Option<&Arc<RouteSpec>> {
        self.entry(table).map(|entry| &entry.route)
    }

    /// Where tables of this name go.
    pub fn plans_of(&self, table: &str) -> impl Iterator<Item = &Arc<TargetPlan>> {
        self.entry(table).into_iter().flat_map(|entry| &entry.plans).map(|(_, plan)| plan)
    }

    /// Where tables of this name go, with the index of each target's sink.
    pub fn targets_of(&self, table: &str) -> impl Iterator<Item = &(usize, Arc<TargetPlan>)> {
        self.entry(table).into_iter().flat_map(|entry| &entry.plans)
    }

    /// Whether one of them keeps every change.
    pub fn keeps_lines(&self, table: &str) -> bool {
        self.plans_of(table).any(|plan| plan.spec.kind.keeps_lines())
    }

    /// All targets of the pipeline, in file order.
    pub fn plans(&self) -> impl Iterator<Item = &Arc<TargetPlan>> {
        self.routes.iter().flat_map(|entry| &entry.plans).map(|(_, plan)| plan)
    }

    /// The schema of a table as last routed, for `get` and redrive.
    pub fn schema(&self, table: &str) -> Option<Arc<TableSchema>> {
        self.known().schemas.get(table).cloned()
    }

    /// For parking.
    pub fn letter_texts(&self, delivery: &Delivery) -> LetterTexts {
        let change = delivery.change();
        let key = self.key_columns(&change.schema).unwrap_or_default();
        let mut lines = CapturedLines::new(&change.schema, &key);
        let mut text = Vec::new();
        lines.write_whole(change, &mut text);
        let row = change.after.as_ref().or(change.before.as_ref());
        LetterTexts {
            key: row.map_or_else(|| "{}".to_owned(), |row| lines.key_json(row)),
            change: String::from_utf8(text).unwrap_or_default(),
        }
    }

    /// The key object of a row as JSON; `None` for a table without a key.
    pub fn key_json(&self, schema: &Arc<TableSchema>, row: &RowImage) -> Option<String> {
        let key = self.key_columns(schema)?;
        Some(CapturedLines::new(schema, &key).key_json(row))
    }

    fn entry(&self, table: &str) -> Option<&Entry> {
        self.routes.iter().find(|entry| entry.pattern.matches(table, self.fold_case))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection, plus `/` and the pattern when a table has several targets on one connection.
fn label(target: &TargetSpec, route: &RouteSpec) -> String {
    let mut per_connection = BTreeMap::<&str, usize>::new();
    for other in &route.targets {
        *per_connection.entry(&other.connection).or_default() += 1;
    }
    let several = per_connection.get(&*target.connection).is_some_and(|n| *n > 1);
    if several && !target.template.is_empty() {
        format!("{}/{}", target.connection, target.template)
    } else {
        target.connection.clone()
    }
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
