//! The hot call: one captured change in, what each target is to hold out. Compiled once per schema, pure.

use std::sync::Arc;

use super::PipelineSpec;
use crate::change::CaptureBatch;
use crate::error::{Code, Error, Result};
use crate::schema::TableSchema;
use crate::sink::Delivery;

/// Name of the rule under which rows count that no route takes.
pub const NO_ROUTE: &str = "no-route";

/// What routing one change gives, reused from change to change.
///
/// `usize` is the sink: the index of its connection in the names that [`RouteTable::new`] was given.
#[derive(Default)]
pub struct Deliveries {
    /// To be applied.
    pub items: Vec<(usize, Delivery)>,
    /// Kept out by the named rule, and nothing to take out of the target either.
    pub dropped: Vec<(usize, Arc<str>)>,
    /// Cannot be routed (bad value, no address): parked under the error. The delivery is `Absent` at the best address
    /// that is known (the key's text if the template fails).
    pub refused: Vec<(usize, Delivery, Error)>,
}

impl Deliveries {
    /// Forgets the last change's.
    pub fn clear(&mut self) {
        self.items.clear();
        self.dropped.clear();
        self.refused.clear();
    }
}

/// Whether a route took the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routed {
    /// One did.
    Taken,
    /// None matches the table.
    NoRoute,
}

/// What a dead letter shows of its change.
#[derive(Clone, Debug, Default)]
pub struct LetterTexts {
    /// Key object as JSON text.
    pub key: String,
    /// The `change` line as captured (all columns, untransformed).
    pub change: String,
}

/// All routes of a pipeline.
pub struct RouteTable {}

impl RouteTable {
    /// `sinks`: connection names in the order of their indices.
    pub fn new(_spec: &PipelineSpec, _sinks: &[String]) -> Result<RouteTable> {
        Err(Error::new(Code::Internal, "routes are not built yet"))
    }

    /// Key columns of a table: the route's `key:`, else the primary key; `None` if it has neither.
    pub fn key_columns(&self, _schema: &TableSchema) -> Option<Vec<usize>> {
        None
    }

    /// Sinks that a table's route feeds; empty if no route takes it.
    pub fn sinks_of(&self, _schema: &TableSchema) -> Vec<usize> {
        Vec::new()
    }

    /// Routes one change. `Err` only for what harms more than the row (a route that does not fit the table at all).
    pub fn deliver(&self, _batch: &Arc<CaptureBatch>, _index: u32, _out: &mut Deliveries) -> Result<Routed> {
        Err(Error::new(Code::Internal, "routes are not built yet"))
    }

    /// For parking.
    pub fn letter_texts(&self, _delivery: &Delivery) -> LetterTexts {
        LetterTexts::default()
    }

    /// The schema of a table as last routed, for `get` and redrive.
    pub fn schema(&self, _table: &str) -> Option<Arc<TableSchema>> {
        None
    }
}
