//! From a captured row to what a sink applies: pattern → filter → transform → address → document.
//! Pure functions of row and configuration; nothing here waits, retries or knows a vendor.

mod address;
mod cells;
mod civil;
mod collide;
mod compile;
mod date;
mod decimal;
mod deliver;
mod document;
mod expression;
mod fields;
mod filter;
mod findings;
mod findings_online;
mod geojson;
mod glob;
mod key;
mod key_parts;
mod line;
mod load;
pub mod overlap;
pub mod pattern;
mod project;
mod reserved;
mod routed;
mod router;
mod scope;
pub mod spec;
mod standing;
pub mod template;
mod transform;
mod unrender;

#[cfg(test)]
mod convergence_tests;
#[cfg(test)]
mod deliver_tests;
#[cfg(test)]
pub(crate) mod fixture;

use std::sync::Arc;

pub use collide::collisions;
pub use compile::CompiledRoute;
pub(crate) use decimal::compare as compare_numbers;
pub use fields::{Field, FieldKind, fields, missing_fields};
pub use filter::{RowTest, check_when};
pub use findings::{Finding, findings};
pub use findings_online::schema_findings;
pub use key::{MAX_KEY, key_text};
pub(crate) use key::{column_text, part_text};
pub use key_parts::{key_parts, key_values, row_of_key};
pub use line::CapturedLines;
pub use pattern::{Pattern, Selection};
pub use project::Missing;
pub use reserved::{reserved, reserved_fields};
pub use routed::{Deliveries, Routed};
pub use router::{LetterTexts, NO_ROUTE, RouteTable};
pub use scope::Scope;
pub use spec::*;
pub use standing::Standing;
pub use unrender::key_in_address;

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
