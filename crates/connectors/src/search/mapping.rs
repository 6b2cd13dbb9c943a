//! The mapping made for a route: one that never refuses a valid row. What a value cannot be indexed as is ignored for
//! search and still stands in the document. Nothing is sent here.

use serde_json::{Map, Value, json};
use syncline_engine::route::{RouteSpec, TargetSpec, TransformAction};
use syncline_engine::schema::{Column, ColumnKind, TableSchema};

use super::server::Product;

/// A term has at most 32,766 bytes, a UTF-16 unit (which is what the limit counts) at most 3 in UTF-8. Longer text is
/// not indexed as keyword.
const KEYWORD_LIMIT: u32 = 8191;
/// For base64, and for the exact form beside analyzed text: only short ones are worth a term.
const SHORT_KEYWORD_LIMIT: u32 = 256;
/// How long the servers remember deletes unless `settings` says otherwise. Longer than a replay takes in practice, and
/// still bounded: each remembered delete costs the server about 100 bytes of heap.
pub(super) const GC_DELETES: &str = "1h";
/// JSON columns nest up to 100 levels (MySQL) or 1000 (SQLite); OpenSearch counts them even where nothing is indexed.
const DEPTH_LIMIT: u32 = 1000;

/// What a field is to the search server.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// Signed integers and unsigned ones below 64 bits: one type for all, so that a widened column still fits.
    Long,
    /// Unsigned 64 bits.
    UnsignedLong,
    Float,
    Double,
    Boolean,
    Date,
    Address,
    Keyword,
    /// Base64: exact search for short values such as binary ids.
    Encoded,
    Text {
        analyzer: Option<String>,
    },
    /// Any JSON, or anything else that is only kept.
    Opaque,
    Floats,
}

impl Shape {
    fn of_column(kind: &ColumnKind) -> Shape {
        match kind {
            ColumnKind::Integer { bits: 64, unsigned: true } | ColumnKind::Bit { bits: 64 } => {
                Shape::UnsignedLong
            }
            ColumnKind::Integer { .. } | ColumnKind::Year | ColumnKind::Bit { .. } => Shape::Long,
            ColumnKind::Float => Shape::Float,
            ColumnKind::Double | ColumnKind::Decimal { .. } => Shape::Double,
            ColumnKind::Date | ColumnKind::DateTime { .. } | ColumnKind::Timestamp { .. } => Shape::Date,
            ColumnKind::Inet => Shape::Address,
            ColumnKind::Bytes => Shape::Encoded,
            ColumnKind::Json | ColumnKind::Geometry => Shape::Opaque,
            ColumnKind::Vector => Shape::Floats,
            ColumnKind::Text { .. }
            | ColumnKind::Enum { .. }
            | ColumnKind::Set { .. }
            | ColumnKind::Time { .. }
            | ColumnKind::Uuid
            | ColumnKind::Any => Shape::Keyword,
        }
    }

    fn of_constant(value: &Value) -> Shape {
        match value {
            Value::Bool(_) => Shape::Boolean,
            Value::Number(_) => Shape::Double,
            Value::Array(_) | Value::Object(_) => Shape::Opaque,
            Value::Null | Value::String(_) => Shape::Keyword,
        }
    }

    /// What remains of a field after one more transform; `None` if it is gone.
    fn after(self, action: &TransformAction) -> Option<Shape> {
        Some(match action {
            TransformAction::Drop => return None,
            TransformAction::Rename { .. } => self,
            TransformAction::Constant(value) => Shape::of_constant(value),
            TransformAction::Json | TransformAction::GeoJson => Shape::Opaque,
            TransformAction::Date { .. } => Shape::Date,
            TransformAction::Integer if self == Shape::UnsignedLong => self,
            TransformAction::Integer => Shape::Long,
            TransformAction::Float => Shape::Double,
            TransformAction::Boolean => Shape::Boolean,
            // Its only term would be the whole text, which a long one makes the server refuse.
            TransformAction::Text { analyzer: Some(a) } if a == "keyword" => Shape::Keyword,
            TransformAction::Text { analyzer } => Shape::Text { analyzer: analyzer.clone() },
            TransformAction::Template(_) | TransformAction::Split(_) | TransformAction::Keyword => {
                Shape::Keyword
            }
        })
    }

    fn mapping(&self, unsigned_long: bool) -> Value {
        match self {
            Shape::Long => json!({"type": "long", "ignore_malformed": true}),
            Shape::UnsignedLong if unsigned_long => {
                json!({"type": "unsigned_long", "ignore_malformed": true})
            }
            Shape::UnsignedLong | Shape::Keyword => json!({"type": "keyword", "ignore_above": KEYWORD_LIMIT}),
            Shape::Float => json!({"type": "float", "ignore_malformed": true}),
            Shape::Double => json!({"type": "double", "ignore_malformed": true}),
            Shape::Boolean => json!({"type": "boolean"}),
            Shape::Date => {
                json!({"type": "date", "format": "strict_date_optional_time", "ignore_malformed": true})
            }
            Shape::Address => json!({"type": "ip", "ignore_malformed": true}),
            Shape::Encoded => json!({"type": "keyword", "ignore_above": SHORT_KEYWORD_LIMIT}),
            Shape::Text { analyzer } => {
                let exact = json!({"type": "keyword", "ignore_above": SHORT_KEYWORD_LIMIT});
                let mut mapping = json!({"type": "text", "fields": {"keyword": exact}});
                if let Some(analyzer) = analyzer {
                    mapping["analyzer"] = json!(analyzer);
                }
                mapping
            }
            Shape::Opaque => json!({"type": "object", "enabled": false}),
            Shape::Floats => {
                json!({"type": "float", "index": false, "doc_values": false, "ignore_malformed": true})
            }
        }
    }
}

/// The fields of a table's documents after the route's transforms, in order.
pub(super) fn shapes(route: &RouteSpec, schema: &TableSchema) -> Vec<(String, Shape)> {
    let column = |c: &Column| (c.name.to_string(), Shape::of_column(&c.kind));
    let mut fields: Vec<(String, Shape)> = schema.columns.iter().map(column).collect();
    for transform in &route.transforms {
        let made = matches!(transform.action, TransformAction::Constant(_) | TransformAction::Template(_));
        let named = match &transform.action {
            TransformAction::Rename { from } => from,
            _ => &transform.field,
        };
        let Some(at) = find(&fields, named) else {
            if let Some(shape) = Shape::Keyword.after(&transform.action).filter(|_| made) {
                fields.push((transform.field.clone(), shape));
            }
            continue;
        };
        let (name, shape) = fields[at].clone();
        let Some(shape) = shape.after(&transform.action) else {
            fields.remove(at);
            continue;
        };
        if matches!(transform.action, TransformAction::Rename { .. }) {
            fields[at].0 = transform.field.clone();
            if let Some(replaced) = find(&fields, &transform.field).filter(|other| *other != at) {
                fields.remove(replaced);
            }
        } else {
            fields[at] = (if made { transform.field.clone() } else { name }, shape);
        }
    }
    if let Some(only) = &route.only {
        fields.retain(|(name, _)| only.iter().any(|kept| kept.eq_ignore_ascii_case(name)));
    }
    fields
}

fn find(fields: &[(String, Shape)], name: &str) -> Option<usize> {
    let exact = fields.iter().position(|(other, _)| other == name);
    exact.or_else(|| fields.iter().position(|(other, _)| other.eq_ignore_ascii_case(name)))
}

/// `properties` of the mapping: the fields' own, then what the target's `mapping:` says instead.
pub(super) fn properties(
    route: &RouteSpec,
    target: &TargetSpec,
    schema: &TableSchema,
    unsigned_long: bool,
) -> Map<String, Value> {
    let mut properties = Map::new();
    for (name, shape) in shapes(route, schema) {
        properties.insert(name, shape.mapping(unsigned_long));
    }
    for (name, mapping) in &target.mapping {
        properties.insert(name.clone(), mapping.clone());
    }
    properties
}

/// The settings of a new index: the user's, in their dotted form, and ours where the user has none.
pub(super) fn settings(target: &TargetSpec, product: Option<Product>) -> Map<String, Value> {
    let mut settings = Map::new();
    for (key, value) in &target.settings {
        flatten(key, value, &mut settings);
    }
    settings.entry("gc_deletes").or_insert_with(|| json!(GC_DELETES));
    if product == Some(Product::OpenSearch) {
        settings.entry("mapping.depth.limit").or_insert_with(|| json!(DEPTH_LIMIT));
    }
    settings
}

/// `{"index": {"a": {"b": 1}}}`, `{"index.a.b": 1}` and `{"a.b": 1}` all become `a.b`.
fn flatten(key: &str, value: &Value, out: &mut Map<String, Value>) {
    match value {
        Value::Object(inside) if !inside.is_empty() => {
            for (name, value) in inside {
                let joined = if key == "index" { name.clone() } else { format!("{key}.{name}") };
                flatten(&joined, value, out);
            }
        }
        _ => {
            out.insert(key.strip_prefix("index.").unwrap_or(key).to_owned(), value.clone());
        }
    }
}

/// Analyzers that the fields' mappings name.
pub(super) fn analyzers(route: &RouteSpec, target: &TargetSpec) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for transform in &route.transforms {
        if let TransformAction::Text { analyzer: Some(analyzer) } = &transform.action {
            found.push(analyzer.clone());
        }
    }
    for mapping in target.mapping.values() {
        for key in ["analyzer", "search_analyzer"] {
            found.extend(mapping.get(key).and_then(Value::as_str).map(str::to_owned));
        }
    }
    found.sort();
    found.dedup();
    let own = settings(target, None);
    found.retain(|name| !own.keys().any(|k| k.starts_with(&format!("analysis.analyzer.{name}."))));
    found
}
