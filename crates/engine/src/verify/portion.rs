//! Which rows and documents of a table a comparison takes, if not all of them: those of a tenant, of a range of keys, or those for
//! which a condition is true. A document tells less than a row: what it cannot be asked counts only if a row stands behind it.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use super::imagined::{self, Members};
use super::report::{Only, VerifyRequest};
use super::strays::key_told;
use super::tenants;
use crate::error::{Code, Error, Result};
use crate::pipeline::Shared;
use crate::route::{RowTest, TargetPlan, compare_numbers, fields, key_parts, key_text, key_values};
use crate::row::RowImage;
use crate::schema::TableSchema;
use crate::sink::Held;
use crate::value::OwnedValue;

/// Some rows of one table.
#[derive(Debug)]
pub(super) enum Portion {
    /// Those that hold this text in a column.
    Tenant { column: usize, name: String },
    /// Those of a range of keys.
    Keys(Range),
    /// Those that pass.
    Where(Arc<RowTest>),
}

/// Keys from one to another, both included; without an end it goes on as far as the table.
#[derive(Clone, Debug)]
pub(super) struct Range {
    pub from: Option<Vec<OwnedValue>>,
    pub to: Option<Vec<OwnedValue>>,
}

/// Which documents of a target are the portion's.
#[derive(Clone, Debug)]
pub(super) enum Owned {
    /// Those that hold this text in one of the members that the tenant's column becomes.
    Tenant { name: String, fields: Vec<Arc<str>> },
    /// Those whose addresses tell a key of numbers between these.
    Keys { of: Arc<Keyed>, range: Range },
    /// Those whose addresses tell a key, and that say what makes the condition true.
    Where { of: Arc<Keyed>, test: Arc<RowTest>, members: Members },
    /// None that can be told.
    Nobody,
}

/// Of which table and target a document's key is told.
#[derive(Debug)]
pub(super) struct Keyed {
    plan: Arc<TargetPlan>,
    schema: Arc<TableSchema>,
    key: Vec<usize>,
}

impl Portion {
    /// What a request leaves of a table; `None` if that is all of it, or if the table has no column that names the tenant: then
    /// none of its rows is the tenant's. Fails if the rows cannot be told.
    pub fn of(
        shared: &Shared,
        schema: &TableSchema,
        key: &[usize],
        request: &VerifyRequest,
    ) -> Result<Option<Portion>> {
        match &request.only {
            None => Ok(None),
            Some(Only::Tenant(name)) => {
                let column = schema.column(tenants::column(shared)?);
                Ok(column.map(|column| Portion::Tenant { column, name: name.clone() }))
            }
            Some(Only::Keys { from, to }) => {
                let named = |text: &String| key_values(schema, key, &key_parts(text, key, schema)?);
                let values = |text: &Option<String>| text.as_ref().map(named).transpose().map_err(untold);
                Ok(Some(Portion::Keys(Range { from: values(from)?, to: values(to)? })))
            }
            Some(Only::Where(text)) => {
                let route = shared.routes.targets_of(&schema.name).next().map(|(_, plan)| &plan.route);
                let zero_date_text = route.is_some_and(|route| route.zero_date_text);
                let test = RowTest::bind(text, schema, zero_date_text).map_err(untold)?;
                Ok(Some(Portion::Where(Arc::new(test))))
            }
        }
    }

    /// Whether a row may be one of these: it is, or the image does not say. (Rows of a range are read as such.)
    pub fn owns(&self, row: &RowImage) -> bool {
        match self {
            Portion::Tenant { column, name } => {
                let present = |values: Vec<Option<_>>| values.into_iter().next().flatten().is_some();
                match row.columns(&[*column]).map(present) {
                    // A null has no text, and is nobody's.
                    Ok(true) => key_text(row, &[*column]).is_ok_and(|text| text == *name),
                    Ok(false) | Err(_) => true,
                }
            }
            Portion::Keys(_) => true,
            Portion::Where(test) => test.passes(row).unwrap_or(true),
        }
    }

    /// The same for documents of a target.
    pub fn documents(
        &self,
        plan: &Arc<TargetPlan>,
        schema: &Arc<TableSchema>,
        key: &[usize],
    ) -> Result<Owned> {
        match self {
            Portion::Tenant { column, name } => {
                let fields = fields(&plan.route, schema)?;
                let of_column = fields.into_iter().filter(|field| field.column == Some(*column));
                let fields = of_column.map(|field| field.name).collect();
                Ok(Owned::Tenant { name: name.clone(), fields })
            }
            Portion::Keys(range) => {
                let all = range.from.iter().chain(&range.to).flatten();
                // Only the source orders anything else.
                let numbers = all.clone().all(|value| number(value).is_some());
                let of = || Arc::new(keyed(plan, schema, key));
                Ok(if numbers { Owned::Keys { of: of(), range: range.clone() } } else { Owned::Nobody })
            }
            Portion::Where(test) => {
                let (of, members) = (keyed(plan, schema, key), imagined::members(&plan.route, schema)?);
                Ok(Owned::Where { of: Arc::new(of), test: Arc::clone(test), members })
            }
        }
    }
}

fn keyed(plan: &Arc<TargetPlan>, schema: &Arc<TableSchema>, key: &[usize]) -> Keyed {
    Keyed { plan: Arc::clone(plan), schema: Arc::clone(schema), key: key.to_vec() }
}

impl Keyed {
    fn told(&self, held: &Held) -> Option<Vec<OwnedValue>> {
        key_told(&self.plan, &self.schema, &self.key, &held.address)
    }
}

impl Range {
    /// Whether a key lies there; `false` for what only the source orders.
    fn holds(&self, key: &[OwnedValue]) -> bool {
        let is = |end: &Option<Vec<OwnedValue>>, side: Ordering| match end {
            Some(end) => compare(key, end).is_some_and(|order| order != side),
            None => true,
        };
        is(&self.from, Ordering::Less) && is(&self.to, Ordering::Greater)
    }
}

/// Two keys of numbers, part by part.
fn compare(left: &[OwnedValue], right: &[OwnedValue]) -> Option<Ordering> {
    let mut order = (left.len() == right.len()).then_some(Ordering::Equal)?;
    for (left, right) in left.iter().zip(right) {
        order = order.then(compare_numbers(&number(left)?, &number(right)?)?);
    }
    Some(order)
}

fn number(value: &OwnedValue) -> Option<String> {
    match value {
        OwnedValue::Int(number) => Some(number.to_string()),
        OwnedValue::UInt(number) => Some(number.to_string()),
        OwnedValue::Decimal(text) => Some(text.to_string()),
        _ => None,
    }
}

/// Why rows cannot be told from the others.
fn untold(error: Error) -> Error {
    Error::new(Code::ResyncPart, error.message())
}

impl Owned {
    /// Whether a document says that it is one of these.
    pub fn owns(&self, held: &Held) -> bool {
        match self {
            Owned::Tenant { name, fields } => {
                let document = held.document.as_deref().unwrap_or_default();
                let Ok(members) = serde_json::from_slice::<HashMap<String, &RawValue>>(document) else {
                    return false;
                };
                let is = |value: &RawValue| match serde_json::from_str(value.get()) {
                    Ok(Value::String(text)) => text == *name,
                    _ => value.get() == name,
                };
                fields.iter().any(|field| members.get(&**field).is_some_and(|value| is(value)))
            }
            Owned::Keys { of, range } => of.told(held).is_some_and(|key| range.holds(&key)),
            Owned::Where { of, test, members } => of.told(held).is_some_and(|key| {
                let row = imagined::row(held, &of.schema, members, (&of.key, &key));
                // What the document does not say keeps it from being asked.
                test.passes(&row).unwrap_or(false)
            }),
            Owned::Nobody => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::sink::Address;
    use crate::version::Version;

    #[test]
    fn a_document_is_its_tenants_by_the_member_that_the_column_became() {
        let owned = Owned::Tenant { name: "7".into(), fields: vec!["tenant".into()] };
        let address = Address { target: "t".into(), id: "1".into() };
        let held = |text: &str| Held {
            address: address.clone(),
            version: Version::ZERO,
            document: Some(Bytes::copy_from_slice(text.as_bytes())),
        };
        let owns = |text: &str| owned.owns(&held(text));
        assert!(owns(r#"{"tenant":7}"#) && owns(r#"{"a":1,"tenant":"7"}"#));
        assert!(
            !owns(r#"{"tenant":70}"#) && !owns(r#"{"other":7}"#) && !owns("7") && !owns(r#"{"tenant":null}"#)
        );
    }

    #[test]
    fn a_range_holds_keys_of_numbers_between_its_ends() {
        let decimal = |text: &str| OwnedValue::Decimal(text.into());
        let range = Range {
            from: Some(vec![OwnedValue::Int(-3), decimal("9.50")]),
            to: Some(vec![OwnedValue::UInt(7), decimal("10.00")]),
        };
        let holds = |number: i64, text: &str| range.holds(&[OwnedValue::Int(number), decimal(text)]);
        assert!(
            holds(-3, "9.5")
                && holds(-3, "10.00")
                && holds(0, "-99.00")
                && holds(7, "9.99")
                && holds(7, "10")
        );
        assert!(!holds(-3, "9.49") && !holds(-4, "99.00") && !holds(7, "10.01") && !holds(8, "0.00"));
        assert!(!range.holds(&[OwnedValue::Int(0)]) && !range.holds(&[OwnedValue::Int(0), OwnedValue::Null]));
        let open = Range { from: None, to: range.from.clone() };
        assert!(open.holds(&[OwnedValue::Int(-3), decimal("9.50")]));
        assert!(
            !open.holds(&[OwnedValue::Text("a".into()), decimal("1.00")]),
            "only the source orders texts"
        );
    }
}
