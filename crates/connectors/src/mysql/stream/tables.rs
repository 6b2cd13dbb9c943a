//! What the stream does with each table: captures it, will capture it from a later place on, or has given it up. And
//! which table the ids of row events stand for.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use syncline_engine::error::Result;
use syncline_engine::schema::TableSchema;
use syncline_engine::version::Version;

use super::formats::Formats;
use crate::mysql::binlog::{BinlogFormat, TableMap};
use crate::mysql::schema::{Known, TableName};

/// A table that the patterns name.
pub enum State {
    /// Its rows are captured.
    Captured(Known),
    /// The catalog was read at `at`; what is before that is not captured, since the rows are read anew from there.
    Joins { at: Version, known: Known, back: bool },
    /// Its rows are passed over until somebody asks for it again.
    Halted,
    /// Not captured, but it may take a captured table's name: what gh-ost and pt-osc work in.
    Shadow(Known),
}

/// What the ids in row events stand for.
pub struct Mapped {
    pub name: TableName,
    pub map: Arc<TableMap>,
    /// The table has changed since.
    pub stale: bool,
    /// `None`: nobody wants its rows.
    pub target: Option<Target>,
}

/// A table whose rows are captured.
pub struct Target {
    pub name: TableName,
    pub schema: Arc<TableSchema>,
    pub formats: Formats,
}

impl Target {
    pub fn new(name: TableName, known: &Known, map: &Arc<TableMap>) -> Result<Target> {
        let base = BinlogFormat::new(map, &known.detail.columns)?;
        let formats = Formats::new(base, &known.detail.columns);
        Ok(Target { name, schema: Arc::clone(&known.schema), formats })
    }
}

/// All tables of one stream.
pub struct Tables {
    folds: bool,
    states: HashMap<TableName, (TableName, State)>,
    ids: HashMap<u64, Mapped>,
    joining: usize,
}

impl Tables {
    pub fn new(folds: bool) -> Tables {
        Tables { folds, states: HashMap::new(), ids: HashMap::new(), joining: 0 }
    }

    /// The state of a table that the patterns name.
    pub fn state(&self, name: &TableName) -> Option<&State> {
        self.states.get(&name.key(self.folds)).map(|(_, state)| state)
    }

    /// The columns in force, of a captured table.
    pub fn known(&self, name: &TableName) -> Option<&Known> {
        match self.state(name)? {
            State::Captured(known) => Some(known),
            _ => None,
        }
    }

    /// The columns in force, of a captured table or a shadow.
    pub fn columns(&self, name: &TableName) -> Option<&Known> {
        match self.state(name)? {
            State::Captured(known) | State::Shadow(known) => Some(known),
            _ => None,
        }
    }

    /// Changes a state, or forgets the table. Its next table map is looked at anew; rows of the one at hand go nowhere.
    pub fn set(&mut self, name: &TableName, state: Option<State>) {
        let key = name.key(self.folds);
        for mapped in self.ids.values_mut().filter(|m| m.name.key(self.folds) == key) {
            mapped.stale = true;
            mapped.target = None;
        }
        match state {
            Some(state) => drop(self.states.insert(key, (name.clone(), state))),
            None => drop(self.states.remove(&key)),
        }
        self.joining = self.states.values().filter(|(_, s)| matches!(s, State::Joins { .. })).count();
    }

    /// The names of all tables in a database.
    pub fn in_database(&self, database: &str) -> Vec<TableName> {
        let database = TableName::new(database, "").key(self.folds).database;
        let in_it = self.states.iter().filter(|(key, _)| key.database == database);
        in_it.map(|(_, (name, _))| name.clone()).collect()
    }

    /// Names of those that are captured.
    pub fn captured(&self) -> Vec<TableName> {
        let captured = self.states.values().filter(|(_, state)| matches!(state, State::Captured(_)));
        captured.map(|(name, _)| name.clone()).collect()
    }

    /// Names of those that were given up.
    pub fn halted(&self) -> BTreeSet<TableName> {
        let halted = self.states.values().filter(|(_, state)| matches!(state, State::Halted));
        halted.map(|(name, _)| name.clone()).collect()
    }

    /// Whether some wait for their place to join.
    pub fn any_joining(&self) -> bool {
        self.joining > 0
    }

    /// Those that may be captured from `at` on; whether each was halted before.
    pub fn due(&self, at: Version) -> Vec<(TableName, Known, bool)> {
        if self.joining == 0 {
            return Vec::new();
        }
        let due = |(name, state): &(TableName, State)| match state {
            State::Joins { at: joins, known, back } if *joins <= at => {
                Some((name.clone(), known.clone(), *back))
            }
            _ => None,
        };
        self.states.values().filter_map(due).collect()
    }

    /// Whether this id still stands for this very map.
    pub fn is_mapped(&self, table_id: u64, map: &Arc<TableMap>) -> bool {
        self.ids.get(&table_id).is_some_and(|mapped| !mapped.stale && Arc::ptr_eq(&mapped.map, map))
    }

    /// What an id stands for from here on.
    pub fn map(&mut self, table_id: u64, mapped: Mapped) {
        self.ids.insert(table_id, mapped);
    }

    /// What an id stands for.
    pub fn mapped(&mut self, table_id: u64) -> Option<&mut Mapped> {
        self.ids.get_mut(&table_id)
    }

    /// Another file begins: ids start over.
    pub fn forget_ids(&mut self) {
        self.ids.clear();
    }
}
