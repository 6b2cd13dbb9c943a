//! Which rows and documents of a table a comparison takes, if not all of them: those of a tenant, of a range of keys, or those for
//! which a condition is true. A document tells less than a row: what it cannot be asked counts only if a row stands behind it.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use super::report::{Only, VerifyRequest};
use super::tenants;
use crate::error::{Code, Error, Result};
use crate::pipeline::Shared;
use crate::route::{RowTest, TargetPlan, fields, key_parts, key_text, key_values, whole_numbers_in_address};
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
    Where(RowTest),
}

/// Keys from one to another, both included; without an end it goes on as far as the table.
#[derive(Debug)]
pub(super) struct Range {
    pub from: Option<Vec<OwnedValue>>,
    pub to: Option<Vec<OwnedValue>>,
}

/// Which documents of a target are the portion's.
#[derive(Clone, Debug)]
pub(super) enum Owned {
    /// Those that hold this text in one of the members that the tenant's column becomes.
    Tenant { name: String, fields: Vec<Arc<str>> },
    /// Those whose addresses tell a key of whole numbers between these.
    Keys { plan: Arc<TargetPlan>, schema: Arc<TableSchema>, key: Vec<usize>, from: Number, to: Number },
    /// None that can be told.
    Nobody,
}

/// The end of a range as whole numbers; `None` where there is no end.
type Number = Option<Vec<i128>>;

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
                Ok(Some(Portion::Where(RowTest::bind(text, schema, zero_date_text).map_err(untold)?)))
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
            Portion::Keys(Range { from, to }) => {
                let (Some(from), Some(to)) = (numbers(from.as_deref()), numbers(to.as_deref())) else {
                    return Ok(Owned::Nobody);
                };
                let (plan, schema, key) = (Arc::clone(plan), Arc::clone(schema), key.to_vec());
                Ok(Owned::Keys { plan, schema, key, from, to })
            }
            Portion::Where(_) => Ok(Owned::Nobody),
        }
    }
}

/// Why rows cannot be told from the others.
fn untold(error: Error) -> Error {
    Error::new(Code::ResyncPart, error.message())
}

/// The end of a range as whole numbers; `None` if it is none. Only the source orders anything else.
fn numbers(values: Option<&[OwnedValue]>) -> Option<Number> {
    let Some(values) = values else { return Some(None) };
    let number = |value: &OwnedValue| match value {
        OwnedValue::Int(number) => Some(i128::from(*number)),
        OwnedValue::UInt(number) => Some(i128::from(*number)),
        _ => None,
    };
    values.iter().map(number).collect::<Option<Vec<i128>>>().map(Some)
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
            Owned::Keys { plan, schema, key, from, to } => {
                let numbers = whole_numbers_in_address(plan, schema, key, &held.address);
                numbers.is_some_and(|numbers| {
                    from.as_ref().is_none_or(|from| numbers >= *from)
                        && to.as_ref().is_none_or(|to| numbers <= *to)
                })
            }
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
}
