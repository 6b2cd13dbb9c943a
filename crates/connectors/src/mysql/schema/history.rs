//! The schema history of a pipeline: for each table what it looked like from which version on. The ledger keeps it; this
//! is the part of it that a stream has in hand.

use std::collections::HashMap;
use std::sync::Arc;

use syncline_engine::error::{Code, Error, Result};
use syncline_engine::ledger::{Ledger, SchemaRecord};
use syncline_engine::version::Version;

use super::table::{Known, TableDetail, TableName};

/// What is known of a table from a version on.
#[derive(Clone, Debug)]
pub enum Columns {
    Known(Known),
    /// It was dropped, or has left by its new name.
    Dropped,
    /// It exists, and what it looks like is not known: it was given up, or waits to join.
    Lost,
}

/// A table from a version on.
#[derive(Clone, Debug)]
struct Entry {
    from: Version,
    columns: Columns,
}

/// The detail of a record without columns whose table exists.
const LOST: &str = "lost";

/// All tables of one pipeline.
pub struct History {
    pipeline: String,
    ledger: Arc<dyn Ledger>,
    folds: bool,
    tables: HashMap<TableName, Vec<Entry>>,
}

impl History {
    /// Reads it from the ledger.
    pub async fn load(ledger: Arc<dyn Ledger>, pipeline: &str, folds: bool) -> Result<History> {
        let mut tables: HashMap<TableName, Vec<Entry>> = HashMap::new();
        for record in ledger.schemas(pipeline).await? {
            let name = record_name(&record)?;
            let columns = match &record.schema {
                None if record.detail == LOST => Columns::Lost,
                None => Columns::Dropped,
                Some(_) => {
                    let detail: TableDetail = serde_json::from_str(&record.detail).map_err(|e| {
                        Error::new(Code::LedgerFormat, format!("the schema history of {name} cannot be read"))
                            .cause(e)
                    })?;
                    Columns::Known(Known::new(&name, detail))
                }
            };
            tables.entry(name.key(folds)).or_default().push(Entry { from: record.from, columns });
        }
        for entries in tables.values_mut() {
            entries.sort_by_key(|e| e.from);
        }
        Ok(History { pipeline: pipeline.to_owned(), ledger, folds, tables })
    }

    /// What is in force for changes at `at`; `None` for a table that was never heard of until then.
    pub fn at(&self, name: &TableName, at: Version) -> Option<&Columns> {
        let entries = self.tables.get(&name.key(self.folds))?;
        entries.iter().rev().find(|e| e.from <= at).map(|e| &e.columns)
    }

    /// The columns that an earlier run over the same statement has found.
    pub fn made_at(&self, name: &TableName, at: Version) -> Option<&Known> {
        match &self.tables.get(&name.key(self.folds))?.iter().find(|e| e.from == at)?.columns {
            Columns::Known(known) => Some(known),
            Columns::Dropped | Columns::Lost => None,
        }
    }

    /// Every table whose columns are known at `at`.
    pub fn existing(&self, at: Version) -> Vec<Known> {
        let known = |entries: &Vec<Entry>| match &entries.iter().rev().find(|e| e.from <= at)?.columns {
            Columns::Known(known) => Some(known.clone()),
            Columns::Dropped | Columns::Lost => None,
        };
        self.tables.values().filter_map(known).collect()
    }

    /// Adds an entry, durably.
    pub async fn add(&mut self, name: &TableName, from: Version, columns: Columns) -> Result<()> {
        let (schema, detail) = match &columns {
            Columns::Known(known) => {
                let detail = serde_json::to_string(&*known.detail).map_err(|e| {
                    Error::new(Code::Internal, "a table's detail does not serialise").cause(e)
                })?;
                (Some((*known.schema).clone()), detail)
            }
            Columns::Dropped => (None, String::new()),
            Columns::Lost => (None, LOST.to_owned()),
        };
        let record = SchemaRecord { from, schema, table: name.to_string(), detail };
        self.ledger.add_schema(&self.pipeline, &record).await?;
        let entries = self.tables.entry(name.key(self.folds)).or_default();
        entries.retain(|e| e.from != from);
        let at = entries.partition_point(|e| e.from < from);
        entries.insert(at, Entry { from, columns });
        Ok(())
    }
}

/// A database's name may hold a dot, so the schema says where it ends; without one, the first dot does.
fn record_name(record: &SchemaRecord) -> Result<TableName> {
    if let Some(schema) = &record.schema {
        return Ok(TableName::new(&schema.database, &schema.table));
    }
    let (database, table) = record.table.split_once('.').ok_or_else(|| {
        Error::new(Code::LedgerFormat, format!("the schema history names a table {:?}", record.table))
    })?;
    Ok(TableName::new(database, table))
}
