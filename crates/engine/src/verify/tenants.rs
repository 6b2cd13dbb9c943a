//! Whose the rows and documents of a table are, for a comparison that counts by tenant: names become numbers that ride in the
//! records of a bucket. What is counted of each tenant is `tally`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::consistency::MOST_TENANTS;
use crate::error::{Code, Error, Result};
use crate::pipeline::Shared;
use crate::route::{TargetPlan, fields, key_text, part_text};
use crate::row::RowImage;
use crate::schema::TableSchema;

/// Whose something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Whose(u32);

impl Whose {
    pub const NOBODY: Whose = Whose(0);
    /// One of those that have no number of their own.
    pub const BEYOND: Whose = Whose(1);
    const FIRST: usize = 2;

    /// As the number of a record on the source's side: even, so that it is never taken for the one that marks a refused row.
    pub fn number(self) -> u64 {
        u64::from(self.0) << 1
    }

    /// Back again.
    pub fn of(number: u64) -> Whose {
        Whose(u32::try_from(number >> 1).unwrap_or(0))
    }

    /// Its place in a list.
    pub fn place(self) -> usize {
        self.0 as usize
    }
}

/// The tenants of one comparison, in the order in which they were met.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    numbers: HashMap<Arc<str>, Whose>,
    names: Vec<Arc<str>>,
}

impl Names {
    /// The number of a name.
    pub fn whose(&self, name: &str) -> Whose {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(whose) = known.numbers.get(name) {
            return *whose;
        }
        if known.names.len() >= MOST_TENANTS {
            return Whose::BEYOND;
        }
        let number = u32::try_from(known.names.len() + Whose::FIRST);
        let whose = number.map_or(Whose::BEYOND, Whose);
        let name: Arc<str> = name.into();
        known.names.push(Arc::clone(&name));
        known.numbers.insert(name, whose);
        whose
    }

    /// The name of what stands at a place; `None` for what has none.
    pub fn at(&self, place: usize) -> Option<Arc<str>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.names.get(place.checked_sub(Whose::FIRST)?).cloned()
    }
}

/// Whose the rows of one table are.
#[derive(Debug)]
pub(super) struct Owners {
    column: usize,
    pub names: Arc<Names>,
}

impl Owners {
    /// `None` if the table has no column that names the tenant.
    pub fn of(shared: &Shared, schema: &TableSchema, names: &Arc<Names>) -> Option<Owners> {
        let column = schema.column(shared.spec.tenant.as_deref()?)?;
        Some(Owners { column, names: Arc::clone(names) })
    }

    /// Whose a row is. A null is nobody's.
    pub fn row(&self, row: Option<&RowImage>) -> Whose {
        let text = row.and_then(|row| key_text(row, &[self.column]).ok());
        text.map_or(Whose::NOBODY, |text| self.names.whose(&text))
    }
}

/// Whose the documents of one target are.
#[derive(Debug)]
pub(super) struct Holders {
    pub owners: Arc<Owners>,
    /// The members that the tenant's column becomes.
    fields: Vec<Arc<str>>,
}

impl Holders {
    pub fn of(owners: &Arc<Owners>, plan: &TargetPlan, schema: &TableSchema) -> Result<Holders> {
        let fields = fields(&plan.route, schema)?;
        let of_column = fields.into_iter().filter(|field| field.column == Some(owners.column));
        Ok(Holders { owners: Arc::clone(owners), fields: of_column.map(|field| field.name).collect() })
    }

    /// Whose a document says that it is.
    pub fn document(&self, document: &[u8]) -> Whose {
        self.name(document).map_or(Whose::NOBODY, |name| self.owners.names.whose(&name))
    }

    fn name(&self, document: &[u8]) -> Option<String> {
        let members = serde_json::from_slice::<HashMap<String, &RawValue>>(document).ok()?;
        let text = |value: &RawValue| match serde_json::from_str(value.get()) {
            Ok(Value::String(text)) => Some(part_text(&text)),
            Ok(Value::Number(_) | Value::Bool(_)) => Some(value.get().to_owned()),
            _ => None,
        };
        self.fields.iter().find_map(|field| members.get(&**field).and_then(|value| text(value)))
    }
}

/// The column that names the tenant.
pub(super) fn column(shared: &Shared) -> Result<&str> {
    shared.spec.tenant.as_deref().ok_or_else(|| {
        let what = format!("pipeline {} does not say which column names the tenant", shared.spec.name);
        Error::new(Code::Unknown, what).fix("write `tenant: COLUMN` in the pipeline")
    })
}

#[cfg(test)]
mod tests {
    use super::super::join::REFUSED;
    use super::*;

    #[test]
    fn a_name_keeps_its_number_and_only_so_many_have_one() {
        let names = Names::default();
        let first = names.whose("first");
        for n in 1..MOST_TENANTS {
            assert_ne!(names.whose(&n.to_string()), Whose::BEYOND, "{n}");
        }
        assert_eq!((names.whose("one more"), names.whose("and another")), (Whose::BEYOND, Whose::BEYOND));
        assert_eq!((names.whose("first"), names.at(first.place()).as_deref()), (first, Some("first")));
        let last = names.whose(&(MOST_TENANTS - 1).to_string());
        assert_eq!(Whose::of(last.number()), last);
        for whose in [Whose::NOBODY, Whose::BEYOND, first, last] {
            assert_ne!(whose.number(), REFUSED);
        }
        for nameless in [Whose::NOBODY, Whose::BEYOND] {
            assert_eq!(names.at(nameless.place()), None);
        }
    }

    #[test]
    fn a_document_tells_its_tenant_as_its_row_would() {
        let names = Arc::new(Names::default());
        let owners = Arc::new(Owners { column: 0, names });
        let holders = Holders { owners, fields: vec!["whose".into(), "owner".into()] };
        let long = "x".repeat(600);
        for (document, name) in [
            (r#"{"a":1,"whose":"seven"}"#.to_owned(), Some("seven".to_owned())),
            (r#"{"whose":7}"#.to_owned(), Some("7".to_owned())),
            (r#"{"owner":12.50,"whose":null}"#.to_owned(), Some("12.50".to_owned())),
            (r#"{"whose":""}"#.to_owned(), Some("%".to_owned())),
            (format!(r#"{{"whose":"{long}"}}"#), Some(part_text(&long))),
            (r#"{"whose":null}"#.to_owned(), None),
            (r#"{"whose":["seven"]}"#.to_owned(), None),
            ("seven".to_owned(), None),
        ] {
            assert_eq!(holders.name(document.as_bytes()), name, "{document}");
        }
        assert!(part_text(&long).starts_with("sha256:"));
    }
}
