//! `transform:`: what is done to a field of the document.

use serde_json::Value;
use syncline_engine::route::{TransformAction, TransformSpec};

use super::read::{Reader, Section, list};
use super::yaml::{Content, Node};

pub(crate) fn read(reader: &Reader, node: &Node, route: &str) -> Vec<TransformSpec> {
    let path = format!("{route}.transform");
    let items = list(reader, node, &path).iter().enumerate();
    items.filter_map(|(index, item)| one(reader.section(item, &format!("{path}[{index}]"))?)).collect()
}

fn one(mut section: Section<'_>) -> Option<TransformSpec> {
    let field = section.needed("field");
    let mut actions = Vec::new();
    if let Some(from) = section.text("from") {
        actions.push(TransformAction::Rename { from: from.value });
    }
    if section.boolean("drop") == Some(true) {
        actions.push(TransformAction::Drop);
    }
    if section.has("value") {
        let value = section.entries.iter().find(|(key, _)| key.text == "value").map(|(_, node)| node);
        actions.extend(value.map(|node| TransformAction::Constant(json(section.reader, node))));
    }
    if let Some(template) = section.text("template") {
        actions.push(TransformAction::Template(template.value));
    }
    if let Some(split) = section.text("split") {
        actions.push(TransformAction::Split(split.value));
    }
    actions.extend(typed(&mut section));
    let action = match actions.len() {
        1 => actions.pop(),
        0 => {
            section
                .reader
                .bad(section.node, "a transform needs one of from, drop, value, template, split, type");
            None
        }
        _ => {
            section
                .reader
                .bad(section.node, "a transform does one thing: write the others as transforms of their own");
            None
        }
    };
    section.finish();
    Some(TransformSpec { field: field?.value, action: action? })
}

#[derive(Clone, Copy)]
enum Type {
    Date,
    Integer,
    Float,
    Boolean,
    Text,
    Keyword,
    Json,
    GeoJson,
}

fn typed(section: &mut Section<'_>) -> Option<TransformAction> {
    let words = [
        ("date", Type::Date),
        ("integer", Type::Integer),
        ("float", Type::Float),
        ("boolean", Type::Boolean),
        ("text", Type::Text),
        ("keyword", Type::Keyword),
        ("json", Type::Json),
        ("geojson", Type::GeoJson),
    ];
    let kind = section.word("type", &words);
    let mut text = |key: &'static str, fits: bool| {
        let value = section.text(key)?;
        if !fits {
            section.reader.bad(section.node, format!("`{key}` does not go with this type"));
        }
        Some(value.value)
    };
    let is_date = matches!(kind, Some(Type::Date));
    let (format, zone) = (text("format", is_date), text("zone", is_date));
    let analyzer = text("analyzer", matches!(kind, Some(Type::Text)));
    Some(match kind? {
        Type::Date => TransformAction::Date { format, zone },
        Type::Integer => TransformAction::Integer,
        Type::Float => TransformAction::Float,
        Type::Boolean => TransformAction::Boolean,
        Type::Text => TransformAction::Text { analyzer },
        Type::Keyword => TransformAction::Keyword,
        Type::Json => TransformAction::Json,
        Type::GeoJson => TransformAction::GeoJson,
    })
}

/// A YAML value as JSON: plain numbers and truth values are what they look like.
pub(crate) fn json(reader: &Reader, node: &Node) -> Value {
    match &node.content {
        Content::Null => Value::Null,
        Content::List(items) => Value::Array(items.iter().map(|item| json(reader, item)).collect()),
        Content::Map(entries) => Value::Object(
            entries.iter().map(|(key, value)| (key.text.clone(), json(reader, value))).collect(),
        ),
        Content::Scalar { plain, .. } => {
            let text = reader.text(node, "value").map(|at| at.value).unwrap_or_default();
            match (*plain, &*text) {
                (true, "true") => Value::Bool(true),
                (true, "false") => Value::Bool(false),
                (true, number) => match number.parse::<serde_json::Number>() {
                    Ok(number) => Value::Number(number),
                    Err(_) => Value::String(text),
                },
                _ => Value::String(text),
            }
        }
    }
}
