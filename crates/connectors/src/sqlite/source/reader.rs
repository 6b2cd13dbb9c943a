//! Reads rows beside the stream. One read transaction sees the rows and the last recorded change together, so the mark is
//! exact: the rows hold every change up to it and none after.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Transaction, params_from_iter};
use syncline_engine::change::Origin;
use syncline_engine::clock::now_millis;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::packed;
use syncline_engine::position::{Position, ResumeToken};
use syncline_engine::row::RowImage;
use syncline_engine::schema::TableSchema;
use syncline_engine::source::{Bound, Extent, ReadMark, ReadRows, TableReader};
use syncline_engine::value::{OwnedValue, Value};

use super::token::{Token, version_after};
use super::{Shared, bound, catalog, layout, values};
use crate::sqlite::file::quote;

/// Keys in one statement.
const KEYS: usize = 500;

/// The reader of a source.
pub struct Reader {
    pub shared: Arc<Shared>,
}

/// A table as it is in a read transaction, and its key by name.
struct Snapshot<'a> {
    shared: &'a Shared,
    t: &'a Transaction<'a>,
    schema: Arc<TableSchema>,
    names: Vec<Arc<str>>,
}

/// What a call hands to the blocking thread.
struct Call {
    table: String,
    names: Vec<Arc<str>>,
}

impl Call {
    fn new(schema: &TableSchema, key: &[usize]) -> Call {
        let names = key.iter().filter_map(|n| schema.columns.get(*n)).map(|c| Arc::clone(&c.name)).collect();
        Call { table: schema.table.to_string(), names }
    }
}

impl Reader {
    /// Runs a read in one transaction, away from the async threads.
    async fn snapshot<T: Send + 'static>(
        &self,
        call: Call,
        work: impl FnOnce(&Snapshot<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let read = move |shared: &Shared| {
            let mut c = shared.open()?;
            let t = c.transaction().map_err(|e| shared.failed(&e))?;
            let schema = schema(shared, &t, &call)?;
            work(&Snapshot { shared, t: &t, schema, names: call.names })
        };
        self.shared.blocking(read).await
    }
}

fn schema(shared: &Shared, c: &Connection, call: &Call) -> Result<Arc<TableSchema>> {
    let found = catalog::find(c, &call.table).map_err(|e| shared.failed(&e))?;
    let changed = |what: &str| Error::new(Code::SqliteSchema, format!("main.{}: {what}", call.table));
    let table = found.ok_or_else(|| changed("the table is gone"))?;
    match call.names.iter().find(|name| table.schema.column(name).is_none()) {
        Some(name) => Err(changed(&format!("column {name} of the key is gone"))),
        None if call.names.is_empty() => Err(changed("a key without columns")),
        None => Ok(shared.schemas.known(table.schema)),
    }
}

impl Snapshot<'_> {
    fn names(&self) -> Vec<&str> {
        self.names.iter().map(|name| &**name).collect()
    }

    fn failed(&self) -> impl Fn(rusqlite::Error) -> Error {
        |e| self.shared.failed(&e)
    }

    fn table(&self) -> String {
        quote(&self.schema.table)
    }

    fn columns(&self) -> String {
        let names: Vec<&str> = self.schema.columns.iter().map(|c| &*c.name).collect();
        bound::list(&names)
    }

    /// One key as a bound.
    fn key(&self, sql: &str, condition: &bound::Condition) -> Result<Option<Bound>> {
        let mut statement = self.t.prepare(sql).map_err(self.failed())?;
        let mut rows = statement.query(params_from_iter(condition.parameters())).map_err(self.failed())?;
        let Some(row) = rows.next().map_err(self.failed())? else { return Ok(None) };
        let parts: rusqlite::Result<Vec<ValueRef<'_>>> =
            (0..self.names.len()).map(|n| row.get_ref(n)).collect();
        bound::encode(&parts.map_err(self.failed())?).map(Some)
    }

    fn extent(&self) -> Result<Option<Extent>> {
        let (names, table) = (self.names(), self.table());
        let (key, whole) = (bound::list(&names), bound::whole(&names));
        let order: Vec<String> = names.iter().map(|name| format!("{} DESC", quote(name))).collect();
        let sql = format!("SELECT {key} FROM {table} WHERE {whole} ORDER BY {} LIMIT 1", order.join(", "));
        let mut last = self.key(&sql, &bound::Condition::default())?;
        if last.is_none() {
            let sql = format!("SELECT 1 FROM {table} LIMIT 1");
            if self.t.prepare(&sql).and_then(|mut s| s.exists([])).map_err(self.failed())? {
                last = Some(bound::encode(&vec![ValueRef::Null; names.len()])?);
            }
        }
        let Some(last) = last else { return Ok(None) };
        let count = format!("SELECT count(*) FROM {table}");
        let rows: i64 = self.t.query_row(&count, [], |r| r.get(0)).map_err(self.failed())?;
        Ok(Some(Extent { last, rows: rows.unsigned_abs() }))
    }

    fn next_bound(&self, after: Option<&Bound>, last: &Bound, rows: usize) -> Result<Option<Bound>> {
        let (names, table) = (self.names(), self.table());
        let condition = bound::range(&names, after, last)?;
        let sql = format!("SELECT 1 FROM {table} WHERE {} LIMIT 1", condition.sql);
        let left = self
            .t
            .prepare(&sql)
            .and_then(|mut s| s.exists(params_from_iter(condition.parameters())))
            .map_err(self.failed())?;
        if !left {
            return Ok(None);
        }
        // Rows whose key holds a null come with the first range, whatever its bounds are.
        let (key, whole) = (bound::list(&names), bound::whole(&names));
        let sql = format!(
            "SELECT {key} FROM {table} WHERE {} AND {whole} ORDER BY {key} LIMIT 1 OFFSET {}",
            condition.sql,
            rows.max(1) - 1
        );
        Ok(Some(self.key(&sql, &condition)?.unwrap_or_else(|| last.clone())))
    }

    fn read_range(
        &self,
        after: Option<&Bound>,
        upto: &Bound,
        opened: &Token,
        epoch: u16,
    ) -> Result<ReadRows> {
        let names = self.names();
        let condition = bound::range(&names, after, upto)?;
        let sql = format!(
            "SELECT {} FROM {} WHERE {} ORDER BY {}",
            self.columns(),
            self.table(),
            condition.sql,
            bound::list(&names)
        );
        let mut rows = Vec::new();
        self.rows(&sql, params_from_iter(condition.parameters()), &mut rows, |_| Ok(true))?;
        self.answer(rows, opened, epoch)
    }

    fn read_keys(&self, keys: &[Vec<OwnedValue>], opened: &Token, epoch: u16) -> Result<ReadRows> {
        let names = self.names();
        let key: Vec<usize> = names.iter().filter_map(|name| self.schema.column(name)).collect();
        let mut rows = Vec::new();
        // A key with a null, or of a kind that no column holds, is no row's.
        let whole = |key: &&Vec<OwnedValue>| {
            key.len() == names.len()
                && !key.iter().any(|v| *v == OwnedValue::Null || values::parameter(v).is_none())
        };
        let keys: Vec<&Vec<OwnedValue>> = keys.iter().filter(whole).collect();
        for keys in keys.chunks(KEYS) {
            let slot = format!("({})", vec!["?"; names.len()].join(", "));
            let sql = format!(
                "SELECT {} FROM {} WHERE ({}) IN (VALUES {})",
                self.columns(),
                self.table(),
                bound::list(&names),
                vec![slot; keys.len()].join(", ")
            );
            let parameters = keys.iter().flat_map(|key| key.iter().filter_map(values::parameter));
            // The columns' collations may find more than was asked for.
            let asked_for = |row: &Row<'_>| {
                let found: rusqlite::Result<Vec<ValueRef<'_>>> =
                    key.iter().map(|n| row.get_ref(*n)).collect();
                let found = found?;
                let is = |wanted: &&&Vec<OwnedValue>| {
                    found.iter().zip(wanted.iter()).all(|(f, w)| values::same(values::value(*f), w))
                };
                Ok(keys.iter().any(|wanted| is(&wanted)))
            };
            self.rows(&sql, params_from_iter(parameters), &mut rows, asked_for)?;
        }
        self.answer(rows, opened, epoch)
    }

    fn rows(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        into: &mut Vec<RowImage>,
        keep: impl Fn(&Row<'_>) -> rusqlite::Result<bool>,
    ) -> Result<()> {
        let mut writer = packed::Writer::new();
        let mut statement = self.t.prepare(sql).map_err(self.failed())?;
        let mut rows = statement.query(parameters).map_err(self.failed())?;
        while let Some(row) = rows.next().map_err(self.failed())? {
            if !keep(row).map_err(self.failed())? {
                continue;
            }
            for column in 0..self.schema.columns.len() {
                writer.push(values::value(row.get_ref(column).map_err(self.failed())?));
            }
            into.push(packed::image(writer.finish()));
        }
        Ok(())
    }

    /// The rows with their exact place in the order of changes.
    fn answer(&self, rows: Vec<RowImage>, opened: &Token, epoch: u16) -> Result<ReadRows> {
        let here = || -> rusqlite::Result<Option<(String, i64)>> {
            match layout::exists(self.t)? {
                true => Ok(Some((layout::identity(self.t)?, layout::last(self.t)?))),
                false => Ok(None),
            }
        };
        let last = match here().map_err(self.failed())? {
            Some((identity, last)) if identity == *opened.identity && last >= opened.id => last,
            _ => return Err(self.shared.gap("the file is not the one that the stream reads")),
        };
        let file = self.shared.path.file_name().map_or("".into(), |name| name.to_string_lossy());
        let origin = Origin { server_id: 0, file: Arc::from(&*file), gtid: None, committed_at: now_millis() };
        Ok(ReadRows {
            schema: Arc::clone(&self.schema),
            rows,
            mark: ReadMark::At(version_after(epoch, last)),
            origin: Arc::new(origin),
        })
    }
}

/// The stream's token out of a position.
fn token(opened: &Position) -> Result<Token> {
    let any: &dyn std::any::Any = &*opened.token;
    any.downcast_ref::<Token>().cloned().ok_or_else(|| {
        let text = ResumeToken::text(&*opened.token);
        Error::new(Code::SqliteGap, format!("the position {text:?} is not of a SQLite source"))
    })
}

/// A value that a person names, as SQLite compares it: a column's affinity makes a number of a decimal's text.
fn named(value: Value<'_>) -> Option<ValueRef<'_>> {
    match value {
        Value::Int(number) => Some(ValueRef::Integer(number)),
        Value::UInt(number) => i64::try_from(number).ok().map(ValueRef::Integer),
        Value::Double(number) => Some(ValueRef::Real(number)),
        Value::Text(text) | Value::Decimal(text) => Some(ValueRef::Text(text.as_bytes())),
        _ => None,
    }
}

#[async_trait]
impl TableReader for Reader {
    async fn extent(&self, schema: &TableSchema, key: &[usize]) -> Result<Option<Extent>> {
        self.snapshot(Call::new(schema, key), |s| s.extent()).await
    }

    async fn bound(&self, schema: &TableSchema, key: &[usize], values: &[OwnedValue]) -> Result<Bound> {
        let parts: Option<Vec<ValueRef<'_>>> = values.iter().map(|value| named(value.borrow())).collect();
        match parts.filter(|parts| parts.len() == key.len()) {
            Some(parts) => bound::encode(&parts),
            None => {
                let what = format!("{}: its keys cannot be named as a range", schema.name);
                Err(Error::new(Code::ResyncPart, what))
            }
        }
    }

    async fn next_bound(
        &self,
        schema: &TableSchema,
        key: &[usize],
        after: Option<&Bound>,
        last: &Bound,
        rows: usize,
    ) -> Result<Option<Bound>> {
        let (after, last) = (after.cloned(), last.clone());
        self.snapshot(Call::new(schema, key), move |s| s.next_bound(after.as_ref(), &last, rows)).await
    }

    async fn read_range(
        &self,
        schema: &TableSchema,
        key: &[usize],
        after: Option<&Bound>,
        upto: &Bound,
        opened: &Position,
    ) -> Result<ReadRows> {
        let (after, upto) = (after.cloned(), upto.clone());
        let (opened, epoch) = (token(opened)?, opened.version.epoch());
        let read = move |s: &Snapshot<'_>| s.read_range(after.as_ref(), &upto, &opened, epoch);
        self.snapshot(Call::new(schema, key), read).await
    }

    async fn read_keys(
        &self,
        schema: &TableSchema,
        key: &[usize],
        keys: &[Vec<OwnedValue>],
        opened: &Position,
    ) -> Result<ReadRows> {
        let keys = keys.to_vec();
        let (opened, epoch) = (token(opened)?, opened.version.epoch());
        self.snapshot(Call::new(schema, key), move |s| s.read_keys(&keys, &opened, epoch)).await
    }
}
