//! Brings the triggers of a file in line with its tables, in one write transaction, and notes in the change table itself
//! what that means for each table: so every stream meets it at its place in the order, however often it starts again.

use rusqlite::{Connection, Result, TransactionBehavior, params};
use syncline_engine::schema::TableSchema;

use super::catalog::{self, Table};
use super::layout;
use super::triggers;
use crate::sqlite::file::quote;

/// Which tables a stream wants, by `main.table`, and what it knows of the past.
pub struct Wish<'a> {
    /// The pipeline's patterns.
    pub wanted: &'a dyn Fn(&str) -> bool,
    /// Changes up to here were recorded before the schema changed.
    pub known: i64,
}

/// What the file looks like after [`bring_up`].
pub struct Brought {
    /// SQLite's own number of the schema.
    pub schema_version: i64,
    /// Tables that are captured.
    pub captured: Vec<TableSchema>,
    /// Tables that match but cannot be captured (`main.table`), and why.
    pub unfit: Vec<(String, String)>,
}

/// A shape whose triggers are in use.
struct Shape {
    id: i64,
    schema: TableSchema,
}

/// Makes tables and triggers as wished.
pub fn bring_up(c: &mut Connection, wish: &Wish<'_>) -> Result<Brought> {
    let transaction = c.transaction_with_behavior(TransactionBehavior::Immediate)?;
    layout::make(&transaction)?;
    let mut work = Work { c: &transaction, wish, replaced: false };
    let tables = catalog::tables(&transaction, wish.wanted)?;
    work.drop_absent(&tables)?;
    let (mut captured, mut unfit) = (Vec::new(), Vec::new());
    for mut table in tables {
        match table.unfit.take() {
            Some(why) => unfit.push((table.schema.name.to_string(), why)),
            None => {
                work.table(&table)?;
                captured.push(table.schema);
            }
        }
    }
    if work.replaced {
        // Its entries name shapes that are gone.
        transaction.execute("DELETE FROM _syncline_replaced", [])?;
    }
    let schema_version = layout::schema_version(&transaction)?;
    transaction.commit()?;
    Ok(Brought { schema_version, captured, unfit })
}

/// The live shapes of wanted tables.
fn shapes(c: &Connection, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Shape>> {
    let mut statement =
        c.prepare_cached("SELECT id, columns FROM _syncline_shapes WHERE live ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut shapes = Vec::new();
    while let Some(row) = rows.next()? {
        let schema = decode(&row.get::<_, String>(1)?)?;
        if wanted(&schema.name) {
            shapes.push(Shape { id: row.get(0)?, schema });
        }
    }
    Ok(shapes)
}

/// Reads a shape's columns.
pub fn decode(columns: &str) -> Result<TableSchema> {
    serde_json::from_str(columns)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, Box::new(e)))
}

struct Work<'a> {
    c: &'a Connection,
    wish: &'a Wish<'a>,
    replaced: bool,
}

impl Work<'_> {
    /// Notes tables that are gone, or have left by their new name.
    fn drop_absent(&mut self, tables: &[Table]) -> Result<()> {
        for shape in shapes(self.c, self.wish.wanted)? {
            if !tables.iter().any(|table| table.schema.table == shape.schema.table) {
                self.retire(shape.id)?;
                layout::note(self.c, shape.id, "X", "")?;
            }
        }
        Ok(())
    }

    fn table(&mut self, table: &Table) -> Result<()> {
        let live = shapes(self.c, &|name| name == &*table.schema.name)?.pop();
        let Some(live) = live else { return self.renew(table, None, "appeared") };
        if live.schema.columns != table.schema.columns || live.schema.primary_key != table.schema.primary_key
        {
            let what = if !self.complete(table, live.id)? {
                "unseen"
            } else if self.changed_since(live.id)? || must_reread(&live.schema, table) {
                "reread"
            } else {
                "altered"
            };
            return self.renew(table, Some(live.id), what);
        }
        if !self.complete(table, live.id)? {
            return self.renew(table, Some(live.id), "unseen");
        }
        if !self.same_triggers(table, live.id)? {
            // A newer release, an index more, or a trigger of the user's made after ours: nothing was missed.
            self.drop_triggers(live.id)?;
            self.create_triggers(table, live.id)?;
        }
        Ok(())
    }

    /// Whether all triggers of the shape stand on the table: else writes may have gone by unseen.
    fn complete(&self, table: &Table, shape: i64) -> Result<bool> {
        let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND name = ?1 AND tbl_name = ?2 COLLATE NOCASE";
        let mut statement = self.c.prepare_cached(sql)?;
        for trigger in triggers::all(table, shape) {
            if !statement.exists(params![trigger.name, &*table.schema.table])? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether they are as this release writes them, and newer than the user's own (SQLite runs newer ones first).
    fn same_triggers(&self, table: &Table, shape: i64) -> Result<bool> {
        let sql = "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = ?1";
        let mut statement = self.c.prepare_cached(sql)?;
        for trigger in triggers::all(table, shape) {
            let found: String = statement.query_row([&trigger.name], |r| r.get(0))?;
            if found != trigger.sql {
                return Ok(false);
            }
        }
        let sql = "SELECT 1 FROM sqlite_schema AS theirs JOIN sqlite_schema AS ours USING (type, tbl_name)
                   WHERE type = 'trigger' AND tbl_name = ?1 AND theirs.rowid > ours.rowid
                       AND ours.name GLOB ?2 AND theirs.name NOT GLOB ?2";
        let ours = format!("{}*", triggers::prefix(shape));
        Ok(!self.c.prepare_cached(sql)?.exists(params![&*table.schema.table, ours])?)
    }

    /// Whether rows were recorded under the shape after the schema changed.
    fn changed_since(&self, shape: i64) -> Result<bool> {
        let sql = "SELECT 1 FROM _syncline_changes WHERE id > ?1 AND shape = ?2 AND op IN ('I', 'D', 'B', 'A') LIMIT 1";
        self.c.prepare_cached(sql)?.exists(params![self.wish.known, shape])
    }

    /// A new shape with its triggers, in place of an old one.
    fn renew(&mut self, table: &Table, old: Option<i64>, what: &str) -> Result<()> {
        if let Some(old) = old {
            self.retire(old)?;
        }
        layout::widen(self.c, table.schema.columns.len().max(1))?;
        let columns = serde_json::to_string(&table.schema)
            .map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
        let sql = "INSERT INTO _syncline_shapes (table_name, columns, live) VALUES (?1, ?2, 1)";
        self.c.execute(sql, params![&*table.schema.table, columns])?;
        let shape = self.c.last_insert_rowid();
        self.create_triggers(table, shape)?;
        layout::note(self.c, shape, "S", what)
    }

    fn retire(&mut self, shape: i64) -> Result<()> {
        self.replaced = true;
        self.drop_triggers(shape)?;
        self.c.execute("UPDATE _syncline_shapes SET live = 0 WHERE id = ?1", [shape]).map(drop)
    }

    fn drop_triggers(&self, shape: i64) -> Result<()> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name GLOB ?1";
        let pattern = format!("{}*", triggers::prefix(shape));
        let names: Result<Vec<String>> =
            self.c.prepare_cached(sql)?.query_map([pattern], |r| r.get(0))?.collect();
        for name in names? {
            self.c.execute_batch(&format!("DROP TRIGGER {}", quote(&name)))?;
        }
        Ok(())
    }

    fn create_triggers(&self, table: &Table, shape: i64) -> Result<()> {
        for trigger in triggers::all(table, shape) {
            self.c.execute_batch(&trigger.sql)?;
        }
        Ok(())
    }
}

/// Whether rows have other documents than before: anything but new columns at the end that are null so far.
fn must_reread(old: &TableSchema, new: &Table) -> bool {
    let kept = old.columns.len();
    new.schema.columns.get(..kept) != Some(&old.columns[..])
        || old.primary_key != new.schema.primary_key
        || new.details[kept..].iter().any(|detail| detail.fills)
}
