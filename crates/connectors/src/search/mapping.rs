//! The mapping made for a route: one that never refuses a valid row. What a value cannot be indexed as is ignored for
//! search and still stands in the document. Nothing is sent here.

use serde_json::{Map, Value, json};
use syncline_engine::error::Result;
use syncline_engine::route::{
    Field, FieldKind, RouteSpec, TargetSpec, TransformAction, TransformSpec, fields,
};
use syncline_engine::schema::TableSchema;

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

/// The mapping of one field. Integers below unsigned 64 bits are all `long`, so that a widened column still fits.
fn field_mapping(route: &RouteSpec, field: &Field, unsigned_long: bool) -> Value {
    let keyword = |limit: u32| json!({"type": "keyword", "ignore_above": limit});
    let lenient = |kind: &str| json!({"type": kind, "ignore_malformed": true});
    match &field.kind {
        FieldKind::Integer { bits: 64, unsigned: true } if unsigned_long => lenient("unsigned_long"),
        FieldKind::Integer { bits: 64, unsigned: true } => keyword(KEYWORD_LIMIT),
        FieldKind::Integer { .. } => lenient("long"),
        FieldKind::Float => lenient("float"),
        FieldKind::Double | FieldKind::Decimal { .. } => lenient("double"),
        FieldKind::Boolean => json!({"type": "boolean"}),
        FieldKind::Date | FieldKind::DateTime { .. } => {
            json!({"type": "date", "format": "strict_date_optional_time", "ignore_malformed": true})
        }
        FieldKind::Inet => lenient("ip"),
        FieldKind::Text { .. } if is_searched(route, field) => text(field.analyzer.as_deref()),
        FieldKind::Text { .. } | FieldKind::Keyword | FieldKind::Uuid | FieldKind::Any => {
            keyword(KEYWORD_LIMIT)
        }
        FieldKind::Binary => keyword(SHORT_KEYWORD_LIMIT),
        FieldKind::Json | FieldKind::Geometry | FieldKind::GeoJson => {
            json!({"type": "object", "enabled": false})
        }
        // Not searched without a plugin, and never refused whatever its length.
        FieldKind::Vector => {
            json!({"type": "float", "index": false, "doc_values": false, "ignore_malformed": true})
        }
    }
}

/// Whether a transform says `type: text`. The analyzer `keyword` makes one term of the whole text, which the servers
/// refuse when it is long: the keyword mapping does the same and refuses nothing.
fn is_searched(route: &RouteSpec, field: &Field) -> bool {
    let says_text = |t: &TransformSpec| {
        matches!(t.action, TransformAction::Text { .. }) && t.field.eq_ignore_ascii_case(&field.name)
    };
    field.analyzer.as_deref() != Some("keyword")
        && (field.analyzer.is_some() || route.transforms.iter().any(says_text))
}

fn text(analyzer: Option<&str>) -> Value {
    let exact = json!({"type": "keyword", "ignore_above": SHORT_KEYWORD_LIMIT});
    let mut mapping = json!({"type": "text", "fields": {"keyword": exact}});
    if let Some(analyzer) = analyzer {
        mapping["analyzer"] = json!(analyzer);
    }
    mapping
}

/// `properties` of the mapping: the fields' own, then what the target's `mapping:` says instead.
pub(super) fn properties(
    route: &RouteSpec,
    target: &TargetSpec,
    schema: &TableSchema,
    unsigned_long: bool,
) -> Result<Map<String, Value>> {
    let mut properties = Map::new();
    for field in fields(route, schema)? {
        properties.insert(field.name.to_string(), field_mapping(route, &field, unsigned_long));
    }
    for (name, mapping) in &target.mapping {
        properties.insert(name.clone(), mapping.clone());
    }
    Ok(properties)
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
