//! The schema history of a pipeline: for each table what it looked like from which version on. The ledger keeps it; this
//! is the part of it that a stream has in hand.

use std::collections::HashMap;
use std::sync::Arc;

use syncline_engine::error::{Code, Error, Result};
use syncline_engine::ledger::{Ledger, SchemaRecord};
use syncline_engine::version::Version;

use super::table::{Known, TableDetail, TableName};

/// A table from a version on.
#[derive(Clone, Debug)]
pub struct Entry {
    pub from: Version,
    /// `None`: the table is gone.
    pub known: Option<Known>,
}

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
            let known = match &record.schema {
                None => None,
                Some(_) => {
                    let detail: TableDetail = serde_json::from_str(&record.detail).map_err(|e| {
                        Error::new(Code::LedgerFormat, format!("the schema history of {name} cannot be read")).cause(e)
                    })?;
                    Some(Known::new(&name, detail))
                }
            };
            tables.entry(name.key(folds)).or_default().push(Entry { from: record.from, known });
        }
        for entries in tables.values_mut() {
            entries.sort_by_key(|e| e.from);
        }
        Ok(History { pipeline: pipeline.to_owned(), ledger, folds, tables })
    }

    /// The entry in force for changes at `at`.
    pub fn at(&self, name: &TableName, at: Version) -> Option<&Entry> {
        self.tables.get(&name.key(self.folds))?.iter().rev().find(|e| e.from <= at)
    }

    /// The entry that was made at exactly this version, by an earlier run over the same DDL.
    pub fn made_at(&self, name: &TableName, at: Version) -> Option<&Entry> {
        self.tables.get(&name.key(self.folds))?.iter().find(|e| e.from == at)
    }

    /// Every table that exists at `at`.
    pub fn existing(&self, at: Version) -> Vec<Known> {
        self.tables
            .values()
            .filter_map(|entries| entries.iter().rev().find(|e| e.from <= at)?.known.clone())
            .collect()
    }

    /// Adds an entry, durably.
    pub async fn add(&mut self, name: &TableName, from: Version, known: Option<Known>) -> Result<()> {
        let detail = match &known {
            Some(known) => serde_json::to_string(&*known.detail)
                .map_err(|e| Error::new(Code::Internal, "a table's detail does not serialise").cause(e))?,
            None => String::new(),
        };
        let schema = known.as_ref().map(|k| (*k.schema).clone());
        let record = SchemaRecord { from, schema, table: name.to_string(), detail };
        self.ledger.add_schema(&self.pipeline, &record).await?;
        let entries = self.tables.entry(name.key(self.folds)).or_default();
        entries.retain(|e| e.from != from);
        let at = entries.partition_point(|e| e.from < from);
        entries.insert(at, Entry { from, known });
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
