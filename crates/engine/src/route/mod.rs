//! From a captured row to what a sink applies: pattern → filter → transform → address → document.
//! Pure functions of row and configuration; nothing here waits, retries or knows a vendor.

mod address;
mod cells;
mod civil;
mod date;
mod decimal;
mod expression;
mod fields;
mod geojson;
mod glob;
mod key;
pub mod overlap;
pub mod pattern;
mod project;
pub mod router;
pub mod spec;
pub mod template;
mod transform;

use std::sync::Arc;

pub use fields::{Field, FieldKind, fields, missing_fields};
pub use key::{MAX_KEY, key_text};
pub use pattern::{Pattern, Selection};
pub use router::*;
pub use spec::*;

/// A route's target as sinks see it.
#[derive(Debug)]
pub struct TargetPlan {
    /// Unique within the pipeline.
    pub id: u32,
    /// The target's part of the configuration.
    pub spec: TargetSpec,
    /// The route it belongs to.
    pub route: Arc<RouteSpec>,
    /// As users see it: the connection, plus `/` and the pattern when a table has several targets on one connection.
    pub label: String,
}
