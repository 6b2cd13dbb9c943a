//! The triggers that record a table's changes, as SQL. Each entry they write is true at the moment it is written, whatever
//! order the user's own triggers run in: images after a write are read from the table, and a removed row is noted as gone
//! only if it is.
//!
//! `REPLACE` removes rows without firing their delete trigger (unless `recursive_triggers` is on). So before a row is
//! written, every row it could push out is kept in `_syncline_replaced`; after the write, those that are no longer there are
//! noted as deleted. Entries that turn out otherwise (`OR IGNORE`, upserts) stay until [`KEPT`] newer ones push them out,
//! follow their row's updates, and are dropped with its deletion: so what is noted is always the row's last state.
//!
//! Two cases are beyond it: a `BEFORE` trigger of the user's that itself makes a row which the same statement then replaces,
//! and a trigger made after ours (SQLite runs newer ones first) that fails under `OR FAIL` before a stream has renewed ours.

use super::catalog::{Identity, Table, Term, Unique};
use super::layout::PREFIX;
use crate::sqlite::file::quote;

const KEPT_ROWS: &str = "_syncline_replaced";

/// Rows that may be waiting in `_syncline_replaced`: more than statements nested in each other's triggers leave there.
const KEPT: usize = 16;

const NOW: &str = "CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)";

/// A trigger: its name and its whole SQL.
#[derive(Debug, PartialEq, Eq)]
pub struct Trigger {
    pub name: String,
    pub sql: String,
}

/// What the names of a shape's triggers begin with.
pub fn prefix(shape: i64) -> String {
    format!("{PREFIX}_{shape}_")
}

/// All triggers of a table whose changes are recorded under a shape.
pub fn all(table: &Table, shape: i64) -> Vec<Trigger> {
    let sql = Sql { table, shape, name: quote(&table.schema.table) };
    let mut triggers = Vec::with_capacity(5);
    let mut add = |what: &str, moment: String, body: Vec<String>| {
        let name = format!("{}{what}_{}", prefix(shape), table.schema.table);
        let body: String = body.iter().map(|s| format!("\n  {s};")).collect();
        let sql = format!("CREATE TRIGGER {} {moment} BEGIN{body}\nEND", quote(&name));
        triggers.push(Trigger { name, sql });
    };
    let on = &sql.name;
    add("replace", format!("BEFORE INSERT ON {on}"), sql.keep(None));
    let changed = sql.unique_changed().map_or(String::new(), |when| format!(" WHEN {when}"));
    add("move", format!("BEFORE UPDATE ON {on}{changed}"), sql.keep(Some("OLD")));
    add("insert", format!("AFTER INSERT ON {on}"), sql.inserted());
    add("update", format!("AFTER UPDATE ON {on}"), sql.updated());
    add("delete", format!("AFTER DELETE ON {on}"), sql.deleted());
    triggers
}

struct Sql<'a> {
    table: &'a Table,
    shape: i64,
    /// Quoted.
    name: String,
}

impl Sql<'_> {
    fn column(&self, index: usize) -> String {
        quote(&self.table.schema.columns[index].name)
    }

    /// `v0, v1, …`
    fn slots(&self) -> String {
        (0..self.table.schema.columns.len()).map(|n| format!(", v{n}")).collect()
    }

    /// `, OLD."a", OLD."b", …`
    fn values(&self, row: &str) -> String {
        (0..self.table.schema.columns.len()).map(|n| format!(", {row}.{}", self.column(n))).collect()
    }

    /// Whether two rows (`OLD`, `NEW`, `t`) are the same row.
    fn same(&self, a: &str, b: &str) -> String {
        match (&self.table.identity, self.table.rowid) {
            (Identity::Key { columns, .. }, _) => {
                let same = |n: &usize| {
                    let column = self.column(*n);
                    format!("{a}.{column} COLLATE BINARY IS {b}.{column}")
                };
                and(columns.iter().map(same))
            }
            (Identity::Rowid, rowid) => {
                let rowid = rowid.unwrap_or("rowid");
                format!("{a}.{rowid} IS {b}.{rowid}")
            }
        }
    }

    /// Whether an entry of `_syncline_replaced` is this row.
    fn kept_is(&self, row: &str) -> String {
        match &self.table.identity {
            Identity::Key { columns, .. } => {
                and(columns.iter().map(|n| format!("{KEPT_ROWS}.v{n} IS {row}.{}", self.column(*n))))
            }
            Identity::Rowid => format!("{KEPT_ROWS}.rid IS {row}.{}", self.table.rowid.unwrap_or("rowid")),
        }
    }

    /// Whether an entry has a newer one for the same row.
    fn kept_again(&self) -> String {
        let same = match &self.table.identity {
            Identity::Key { columns, .. } => {
                and(columns.iter().map(|n| format!("newer.v{n} IS {KEPT_ROWS}.v{n}")))
            }
            Identity::Rowid => format!("newer.rid IS {KEPT_ROWS}.rid"),
        };
        format!(
            "EXISTS (SELECT 1 FROM {KEPT_ROWS} AS newer WHERE newer.seq > {KEPT_ROWS}.seq AND newer.shape = {} AND {same})",
            self.shape
        )
    }

    /// Finds the row `t` that was just written: by rowid where there is one, else by its key.
    fn written(&self, row: &str) -> String {
        match self.table.rowid {
            Some(rowid) => format!("t.{rowid} = {row}.{rowid}"),
            None => self.at_key(row),
        }
    }

    /// Finds whatever row `t` now has another one's key: through the index as the key compares, then exactly.
    fn at_key(&self, row: &str) -> String {
        match (&self.table.identity, self.folds()) {
            (Identity::Rowid, _) => self.same("t", row),
            (Identity::Key { columns, .. }, folds) => {
                let by = and(columns.iter().map(|n| format!("t.{0} IS {row}.{0}", self.column(*n))));
                if folds { format!("{by} AND {}", self.same("t", row)) } else { by }
            }
        }
    }

    fn folds(&self) -> bool {
        matches!(self.table.identity, Identity::Key { folds: true, .. })
    }

    /// Whether the row of an entry is still in the table.
    fn kept_is_there(&self) -> String {
        let by = match &self.table.identity {
            Identity::Key { columns, .. } => {
                let by = and(columns.iter().map(|n| format!("t.{} IS {KEPT_ROWS}.v{n}", self.column(*n))));
                match self.folds() {
                    true => {
                        let exact = columns
                            .iter()
                            .map(|n| format!("t.{} COLLATE BINARY IS {KEPT_ROWS}.v{n}", self.column(*n)));
                        format!("{by} AND {}", and(exact))
                    }
                    false => by,
                }
            }
            Identity::Rowid => format!("t.{} = {KEPT_ROWS}.rid", self.table.rowid.unwrap_or("rowid")),
        };
        format!("EXISTS (SELECT 1 FROM {} AS t WHERE {by})", self.name)
    }

    fn log_row(&self, op: &str, row: &str) -> String {
        format!(
            "INSERT INTO _syncline_changes (shape, op, at{}) VALUES ({}, '{op}', {NOW}{})",
            self.slots(),
            self.shape,
            self.values(row)
        )
    }

    /// Notes the row that a condition finds, as the table has it now.
    fn log_found(&self, op: &str, found: &str) -> String {
        format!(
            "INSERT INTO _syncline_changes (shape, op, at{}) SELECT {}, '{op}', {NOW}{} FROM {} AS t WHERE {found}",
            self.slots(),
            self.shape,
            self.values("t"),
            self.name,
        )
    }

    /// Keeps what the row to be written may push out.
    fn keep(&self, except: Option<&str>) -> Vec<String> {
        let mut ways: Vec<String> = self.table.uniques.iter().map(|u| self.conflict(u)).collect();
        if let Some(rowid) = self.table.rowid {
            ways.push(format!("t.{rowid} = NEW.{rowid}"));
        }
        let not_itself = match (except, self.table.rowid) {
            (None, _) => String::new(),
            (Some(row), Some(rowid)) => format!(" AND t.{rowid} IS NOT {row}.{rowid}"),
            (Some(row), None) => format!(" AND NOT ({})", self.same("t", row)),
        };
        let (rid, rid_value) = match (&self.table.identity, self.table.rowid) {
            (Identity::Rowid, Some(rowid)) => (", rid", format!(", t.{rowid}")),
            _ => ("", String::new()),
        };
        let drop_old =
            format!("DELETE FROM {KEPT_ROWS} WHERE seq <= (SELECT max(seq) FROM {KEPT_ROWS}) - {KEPT}");
        let keep = format!(
            "INSERT INTO {KEPT_ROWS} (shape{rid}{}) SELECT {}{rid_value}{} FROM {} AS t WHERE ({}){not_itself}",
            self.slots(),
            self.shape,
            self.values("t"),
            self.name,
            ways.join(" OR ")
        );
        vec![drop_old, keep]
    }

    /// Whether row `t` and the new row cannot both stand in a unique index.
    fn conflict(&self, unique: &Unique) -> String {
        let terms = unique.terms.iter().map(|term| match term {
            Term::Column { column, collation } => {
                let name = self.column(*column);
                // REPLACE puts the default in the place of a null that is not allowed.
                let new = match &self.table.details[*column].not_null_default {
                    Some(default) => format!("coalesce(NEW.{name}, ({default}))"),
                    None => format!("NEW.{name}"),
                };
                format!("t.{name} = {new} COLLATE {}", quote(collation))
            }
            Term::Expression { sql, collation } => {
                let new = format!("(SELECT ({sql}) FROM (SELECT {}))", self.new_as_table());
                format!("({sql}) = {new} COLLATE {}", quote(collation))
            }
        });
        let terms = and(terms);
        match &unique.filter {
            Some(filter) => format!("({terms} AND ({filter}))"),
            None => format!("({terms})"),
        }
    }

    /// The new row under its columns' bare names, as an index's expression says them.
    fn new_as_table(&self) -> String {
        let columns = (0..self.table.schema.columns.len()).map(|n| self.column(n));
        columns.map(|name| format!("NEW.{name} AS {name}")).collect::<Vec<_>>().join(", ")
    }

    /// Whether an update touches anything that must be unique; `None` where only trying would tell.
    fn unique_changed(&self) -> Option<String> {
        let mut columns = Vec::new();
        for unique in &self.table.uniques {
            for term in &unique.terms {
                match term {
                    Term::Column { column, .. } if unique.filter.is_none() => columns.push(*column),
                    _ => return None,
                }
            }
        }
        columns.sort_unstable();
        columns.dedup();
        let mut changed: Vec<String> = columns
            .into_iter()
            .map(|n| format!("NEW.{0} COLLATE BINARY IS NOT OLD.{0}", self.column(n)))
            .collect();
        if let Some(rowid) = self.table.rowid {
            changed.push(format!("NEW.{rowid} IS NOT OLD.{rowid}"));
        }
        Some(changed.join(" OR "))
    }

    /// Notes the kept rows whose key is taken or that are gone, and lets go of them. Nothing here needs a temporary table:
    /// making one costs more than all the rest of a trigger.
    fn removed(&self, taken: &str, but: &str) -> [String; 2] {
        let gone = format!("shape = {}{but} AND ({taken} OR NOT {})", self.shape, self.kept_is_there());
        let slots = self.slots();
        [
            format!(
                "INSERT INTO _syncline_changes (shape, op, at{slots}) SELECT {}, 'D', {NOW}{slots} \
                 FROM {KEPT_ROWS} WHERE {gone} AND NOT {}",
                self.shape,
                self.kept_again()
            ),
            format!("DELETE FROM {KEPT_ROWS} WHERE {gone}"),
        ]
    }

    fn inserted(&self) -> Vec<String> {
        let mut body = self.removed(&format!("({})", self.kept_is("NEW")), "").to_vec();
        body.push(self.log_found("I", &self.written("NEW")));
        body
    }

    fn updated(&self) -> Vec<String> {
        let moved = format!("NOT ({})", self.same("NEW", "OLD"));
        let taken = format!("({moved} AND {})", self.kept_is("NEW"));
        // Its own entry, left by an upsert, is no row that was pushed out: it follows the row.
        let but = format!(" AND NOT ({})", self.kept_is("OLD"));
        let own = format!("shape = {} AND {}", self.shape, self.kept_is("OLD"));
        let set = (0..self.table.schema.columns.len()).map(|n| format!("v{n} = NEW.{}", self.column(n)));
        let set: Vec<String> = set.collect();
        let rid = match (&self.table.identity, self.table.rowid) {
            (Identity::Rowid, Some(rowid)) => format!("rid = NEW.{rowid}, "),
            _ => String::new(),
        };
        let [note, forget] = self.removed(&taken, &but);
        vec![
            note,
            forget,
            format!("UPDATE {KEPT_ROWS} SET {rid}{} WHERE {own}", set.join(", ")),
            self.log_row("B", "OLD"),
            self.log_found("A", &self.written("NEW")),
            self.log_found("I", &format!("{moved} AND {}", self.at_key("OLD"))),
        ]
    }

    fn deleted(&self) -> Vec<String> {
        vec![
            format!("DELETE FROM {KEPT_ROWS} WHERE shape = {} AND {}", self.shape, self.kept_is("OLD")),
            self.log_row("D", "OLD"),
            self.log_found("I", &self.at_key("OLD")),
        ]
    }
}

fn and(terms: impl Iterator<Item = String>) -> String {
    terms.collect::<Vec<_>>().join(" AND ")
}
