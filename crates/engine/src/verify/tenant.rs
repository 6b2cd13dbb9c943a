//! Whose rows and documents a comparison of one tenant takes.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Code, Error, Result};
use crate::pipeline::Shared;
use crate::route::{TargetPlan, fields, key_text};
use crate::row::RowImage;
use crate::schema::TableSchema;

/// One tenant in one table.
#[derive(Debug)]
pub(super) struct Tenant {
    column: usize,
    name: String,
}

/// Which documents of a target are the tenant's.
#[derive(Clone, Debug)]
pub(super) struct Owned {
    name: String,
    /// Members that the tenant's column becomes.
    fields: Vec<Arc<str>>,
}

impl Tenant {
    /// `None` if the table has no such column: then none of its rows is the tenant's. Fails if the pipeline names none.
    pub fn of(shared: &Shared, schema: &TableSchema, name: &str) -> Result<Option<Tenant>> {
        let Some(column) = &shared.spec.tenant else {
            let what = format!("pipeline {} does not say which column names the tenant", shared.spec.name);
            return Err(Error::new(Code::Unknown, what).fix("write `tenant: COLUMN` in the pipeline"));
        };
        Ok(schema.column(column).map(|column| Tenant { column, name: name.to_owned() }))
    }

    /// Whether a row may be the tenant's: it is, or the image does not say.
    pub fn owns(&self, row: &RowImage) -> bool {
        let present = |values: Vec<Option<_>>| values.into_iter().next().flatten().is_some();
        match row.columns(&[self.column]).map(present) {
            // A null has no text, and is nobody's.
            Ok(true) => key_text(row, &[self.column]).is_ok_and(|text| text == self.name),
            Ok(false) | Err(_) => true,
        }
    }

    /// The same for documents of a target.
    pub fn documents(&self, plan: &TargetPlan, schema: &TableSchema) -> Result<Owned> {
        let fields = fields(&plan.route, schema)?;
        let of_column = fields.into_iter().filter(|field| field.column == Some(self.column));
        Ok(Owned { name: self.name.clone(), fields: of_column.map(|field| field.name).collect() })
    }
}

impl Owned {
    /// Whether a document says that it is the tenant's.
    pub fn owns(&self, document: &[u8]) -> bool {
        let Ok(members) = serde_json::from_slice::<HashMap<String, &RawValue>>(document) else {
            return false;
        };
        let is = |value: &RawValue| match serde_json::from_str(value.get()) {
            Ok(Value::String(text)) => text == self.name,
            _ => value.get() == self.name,
        };
        self.fields.iter().any(|field| members.get(&**field).is_some_and(|value| is(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_its_tenants_by_the_member_that_the_column_became() {
        let owned = Owned { name: "7".into(), fields: vec!["tenant".into()] };
        let owns = |text: &str| owned.owns(text.as_bytes());
        assert!(owns(r#"{"tenant":7}"#) && owns(r#"{"a":1,"tenant":"7"}"#));
        assert!(
            !owns(r#"{"tenant":70}"#) && !owns(r#"{"other":7}"#) && !owns("7") && !owns(r#"{"tenant":null}"#)
        );
    }
}
