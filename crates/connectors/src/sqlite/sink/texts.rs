//! The searchable text of a document: every string in it, whatever its depth, without the fields that hold bytes. Names of
//! fields are not searched.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use syncline_engine::error::Result;
use syncline_engine::route::{FieldKind, TargetPlan, fields};
use syncline_engine::schema::TableSchema;

/// Names of fields whose strings are bytes in base64.
pub type Names = HashSet<Arc<str>>;

/// Those of each plan.
#[derive(Default)]
pub struct BinaryFields(HashMap<u32, Names>);

impl BinaryFields {
    /// Fields of a plan; several tables of one plan add up.
    pub fn set(&mut self, plan: u32, names: Names) {
        self.0.entry(plan).or_default().extend(names);
    }

    /// What is known of a plan.
    pub fn of(&self, plan: u32) -> Option<&Names> {
        self.0.get(&plan)
    }
}

/// Which fields of a table's documents hold bytes.
pub fn binary_fields(plan: &TargetPlan, schema: &TableSchema) -> Result<Names> {
    let all = fields(&plan.route, schema)?.into_iter();
    let bytes = all.filter(|field| matches!(field.kind, FieldKind::Binary | FieldKind::Geometry));
    Ok(bytes.map(|field| field.name).collect())
}

/// Appends the document's strings, one a line.
pub fn collect(document: &str, binary: Option<&Names>, out: &mut String) -> serde_json::Result<()> {
    let mut reader = serde_json::Deserializer::from_str(document);
    Strings { binary, out }.deserialize(&mut reader)?;
    reader.end()
}

/// Walks a JSON value without building it.
struct Strings<'a> {
    /// Only of the outermost object.
    binary: Option<&'a Names>,
    out: &'a mut String,
}

impl<'de> DeserializeSeed<'de> for Strings<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> std::result::Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strings<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<(), E> {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out.push_str(text);
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> std::result::Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<(), A::Error> {
        while items.next_element_seed(Strings { binary: None, out: self.out })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> std::result::Result<(), A::Error> {
        while let Some(name) = members.next_key::<std::borrow::Cow<'_, str>>()? {
            if name == NUMBER || self.binary.is_some_and(|binary| binary.contains(&*name)) {
                members.next_value::<IgnoredAny>()?;
            } else {
                members.next_value_seed(Strings { binary: None, out: self.out })?;
            }
        }
        Ok(())
    }
}

/// Under this name serde_json hands on numbers with all their digits.
const NUMBER: &str = "$serde_json::private::Number";
