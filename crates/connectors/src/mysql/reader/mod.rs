//! Reads rows beside the stream (DESIGN 4.1): key ranges, exact keys, and the mark that says how what was read stands to
//! the stream. Windows, chunks and retries are the engine's.

mod key;
mod low;
mod mark;
mod pool;
mod read;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
pub use mark::{Reached, snapshot_coordinate};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::position::Position;
use syncline_engine::schema::{ColumnKind, TableSchema};
use syncline_engine::source::{Bound, Extent, ReadRows, TableReader};
use syncline_engine::value::OwnedValue;

pub use self::key::identity;
use self::key::{Key, Values};
use self::pool::Pool;
use self::read::Shape;
use super::client::Session;
use super::context::Context;
use super::schema::{TableDetail, TableName};
use super::sql::{table_ident, text_literal};

/// How long a halted table may take until the stream has it again.
const BACK_WITHIN: Duration = Duration::from_secs(20);
/// Keys in one statement.
const KEYS: usize = 200;

/// Reads tables of one pipeline's source. Each call has a connection of its own.
pub struct MysqlReader {
    context: Arc<Context>,
    pool: Pool,
}

impl MysqlReader {
    pub fn new(context: Arc<Context>) -> MysqlReader {
        MysqlReader { pool: Pool::new(Arc::clone(&context)), context }
    }

    /// A table that the stream gave up on is captured again before anything of it is read.
    async fn captured(&self, name: &TableName) -> Result<()> {
        let back = async {
            loop {
                let told = self.context.revived.notified();
                if !self.context.ask_back(name) {
                    return;
                }
                told.await;
            }
        };
        tokio::time::timeout(BACK_WITHIN, back).await.map_err(|_| {
            Error::new(
                Code::Overloaded,
                format!("{name} is halted, and the stream has not taken it up again yet"),
            )
        })
    }

    async fn key_row(&self, session: &mut Session, sql: &str) -> Result<Option<Values>> {
        Ok(session.texts(sql).await?.into_iter().next())
    }

    /// The table's key as the catalog has it, if the table still looks like `schema`.
    async fn key(&self, session: &mut Session, schema: &TableSchema, key: &[usize]) -> Result<Key> {
        let detail = self.pool.detail(session, schema).await?;
        Key::new(schema, &detail, key)
    }

    /// Rows with exactly these values in these columns, of the table as it is now; `None` if there is no such table. The
    /// read sees everything up to `seen`. For the stream's own use: unlike other reads it does not wait for the stream.
    pub async fn read_now(
        &self,
        name: &TableName,
        columns: &[&str],
        keys: Vec<Vec<OwnedValue>>,
        seen: &Position,
    ) -> Result<Option<ReadRows>> {
        let mut session = self.pool.take().await?;
        let Some(detail) = self.pool.now(&mut session, name).await? else { return Ok(None) };
        let schema = detail.schema(name);
        let place = |column: &&str| schema.columns.iter().position(|c| *c.name == **column);
        let named: Option<Vec<usize>> = columns.iter().map(place).collect();
        // A key that has other names now has the same values; one of other columns is another key, and its table halts.
        let same = || Some(schema.primary_key.clone()).filter(|key| key.len() == columns.len());
        let Some(key) = named.or_else(same) else { return Ok(None) };
        let rows = self.rows(&mut session, &schema, &detail, &key, &keys, seen).await?;
        self.pool.give(session);
        Ok(Some(rows))
    }

    /// Rows with these keys of a table that looks like this.
    async fn rows(
        &self,
        session: &mut Session,
        schema: &TableSchema,
        detail: &TableDetail,
        key: &[usize],
        keys: &[Vec<OwnedValue>],
        opened: &Position,
    ) -> Result<ReadRows> {
        let columns = Key::new(schema, detail, key)?;
        let conditions = keys.chunks(KEYS).filter_map(|keys| columns.any_of(keys)).collect();
        let shape = Shape { schema, detail, hint: "", conditions };
        let mut read = read::read(&self.pool, session, &shape, opened).await?;
        // A collation takes more for equal than we asked for.
        let wanted: HashSet<Bytes> = keys.iter().map(|key| identity(key)).collect();
        let mut exact = Vec::with_capacity(read.rows.len());
        for row in read.rows {
            let values: Option<Vec<OwnedValue>> = row.columns(key)?.into_iter().collect();
            if values.is_some_and(|values| wanted.contains(&identity(&values))) {
                exact.push(row);
            }
        }
        read.rows = exact;
        Ok(read)
    }
}

fn name_of(schema: &TableSchema) -> TableName {
    TableName::new(&schema.database, &schema.table)
}

#[async_trait]
impl TableReader for MysqlReader {
    async fn extent(&self, schema: &TableSchema, key: &[usize]) -> Result<Option<Extent>> {
        self.captured(&name_of(schema)).await?;
        let mut session = self.pool.take().await?;
        let key = self.key(&mut session, schema, key).await?;
        let table = table_ident(&schema.database, &schema.table);
        let sql = format!("SELECT {} FROM {table} ORDER BY {} LIMIT 1", key.select_list(), key.order(true));
        let last = self.key_row(&mut session, &sql).await?;
        let sql = format!(
            "SELECT table_rows FROM information_schema.tables WHERE table_schema = {} AND table_name = {}",
            text_literal(&schema.database),
            text_literal(&schema.table)
        );
        let rows = session.texts(&sql).await?.into_iter().flatten().flatten().next();
        self.pool.give(session);
        let rows = rows.and_then(|n| n.parse().ok()).unwrap_or(0);
        Ok(last.map(|values| Extent { last: key.bound(&values), rows }))
    }

    async fn bound(&self, schema: &TableSchema, key: &[usize], values: &[OwnedValue]) -> Result<Bound> {
        let mut session = self.pool.take().await?;
        let key = self.key(&mut session, schema, key).await?;
        let Some(shown) = key.shown(values) else {
            let what = format!("{}: its keys cannot be named as a range", schema.name);
            return Err(Error::new(Code::ResyncPart, what));
        };
        // The server writes texts down in the charsets of their columns.
        let named = self.key_row(&mut session, &format!("SELECT {shown}")).await?;
        self.pool.give(session);
        let none = || Error::new(Code::Internal, "a SELECT of values answers no row");
        Ok(key.bound(&named.ok_or_else(none)?))
    }

    async fn next_bound(
        &self,
        schema: &TableSchema,
        key: &[usize],
        after: Option<&Bound>,
        last: &Bound,
        rows: usize,
    ) -> Result<Option<Bound>> {
        let mut session = self.pool.take().await?;
        let hint = read::index_hint(schema, key);
        let key = self.key(&mut session, schema, key).await?;
        let table = table_ident(&schema.database, &schema.table);
        let (list, range, order) = (key.select_list(), key.range(after, last)?, key.order(false));
        let nth = |n: usize| {
            format!("SELECT {list} FROM {table}{hint} WHERE {range} ORDER BY {order} LIMIT 1 OFFSET {n}")
        };
        let mut found = self.key_row(&mut session, &nth(rows.max(1) - 1)).await?.map(|v| key.bound(&v));
        if found.is_none() && self.key_row(&mut session, &nth(0)).await?.is_some() {
            found = Some(last.clone());
        }
        self.pool.give(session);
        Ok(found)
    }

    fn bound_above(
        &self,
        schema: &TableSchema,
        key: &[usize],
        after: &Bound,
        last: &Bound,
        keys: usize,
    ) -> Option<Bound> {
        let [column] = key else { return None };
        let whole = matches!(schema.columns.get(*column)?.kind, ColumnKind::Integer { .. });
        (whole && key == schema.primary_key).then(|| key::above(after, last, keys))?
    }

    async fn read_range(
        &self,
        schema: &TableSchema,
        key: &[usize],
        after: Option<&Bound>,
        upto: &Bound,
        opened: &Position,
    ) -> Result<ReadRows> {
        let mut session = self.pool.take().await?;
        let hint = read::index_hint(schema, key);
        let detail = self.pool.detail(&mut session, schema).await?;
        let condition = Key::new(schema, &detail, key)?.range(after, upto)?;
        let shape = Shape { schema, detail: &detail, hint, conditions: vec![condition] };
        let rows = read::read(&self.pool, &mut session, &shape, opened).await?;
        self.pool.give(session);
        Ok(rows)
    }

    async fn read_keys(
        &self,
        schema: &TableSchema,
        key: &[usize],
        keys: &[Vec<OwnedValue>],
        opened: &Position,
    ) -> Result<ReadRows> {
        self.captured(&name_of(schema)).await?;
        let mut session = self.pool.take().await?;
        let detail = self.pool.detail(&mut session, schema).await?;
        let rows = self.rows(&mut session, schema, &detail, key, keys, opened).await?;
        self.pool.give(session);
        Ok(rows)
    }
}
