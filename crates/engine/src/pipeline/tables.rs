//! States of tables that are not simply `ok`: halted ones are left out of capture until they are read again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::ledger::{TableRecord, TableState};

/// All tables of one pipeline that are not `ok`.
#[derive(Default)]
pub(crate) struct Tables {
    records: Mutex<BTreeMap<String, TableRecord>>,
    halted: Mutex<Arc<BTreeSet<String>>>,
}

impl Tables {
    pub fn new(records: BTreeMap<String, TableRecord>) -> Tables {
        let tables = Tables { records: Mutex::new(records), halted: Mutex::default() };
        tables.refresh();
        tables
    }

    fn refresh(&self) {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let halted = records.iter().filter(|(_, r)| r.state == TableState::Halted);
        let halted = halted.map(|(table, _)| table.clone()).collect();
        *self.halted.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(halted);
    }

    /// Names of the halted ones.
    pub fn halted(&self) -> Arc<BTreeSet<String>> {
        Arc::clone(&self.halted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is the matter with a table.
    pub fn get(&self, table: &str) -> Option<TableRecord> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).get(table).cloned()
    }

    /// Sets or clears a state; answers whether that changed anything.
    pub fn set(&self, table: &str, record: TableRecord) -> bool {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match record.state {
            TableState::Ok => records.remove(table),
            _ => records.insert(table.to_owned(), record.clone()),
        };
        drop(records);
        self.refresh();
        before != Some(record)
    }

    /// All of them.
    pub fn look(&self) -> BTreeMap<String, TableRecord> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
