//! One consistent read: proof of the server, low mark, columns, rows, high mark, proof again.

use std::sync::Arc;

use syncline_engine::change::Origin;
use syncline_engine::clock::now_millis;
use syncline_engine::error::Result;
use syncline_engine::position::Position;
use syncline_engine::row::{RowFormat, RowImage};
use syncline_engine::schema::TableSchema;
use syncline_engine::source::{ReadMark, ReadRows};

use super::low::{Range, open_snapshot};
use super::mark::Reached;
use super::pool::Pool;
use crate::mysql::client::Session;
use crate::mysql::codec::{ResultFormat, select_list};
use crate::mysql::schema::TableDetail;
use crate::mysql::sql::table_ident;
use crate::mysql::wire::ResultColumn;

/// What to read.
pub struct Shape<'a> {
    pub schema: &'a TableSchema,
    pub detail: &'a TableDetail,
    pub hint: &'static str,
    /// One statement each, all in one snapshot.
    pub conditions: Vec<String>,
}

/// The primary key serves ranges of itself; an optimizer that scans and sorts instead would make a backfill quadratic.
pub fn index_hint(schema: &TableSchema, key: &[usize]) -> &'static str {
    if key == schema.primary_key { " FORCE INDEX (PRIMARY)" } else { "" }
}

/// Reads the rows. The session is good for another read afterwards, unless it says otherwise.
pub async fn read(
    pool: &Pool,
    session: &mut Session,
    shape: &Shape<'_>,
    opened: &Position,
) -> Result<ReadRows> {
    pool.prove(session).await?;
    let epoch = opened.version.epoch();
    let any = shape.conditions.join(" OR ");
    let range = Range {
        database: &shape.schema.database,
        table: &shape.schema.table,
        condition: if any.is_empty() { "FALSE" } else { &any },
    };
    let exact = open_snapshot(session, opened, epoch, &range).await?;
    let result = rows(pool, session, shape).await;
    if session.usable() {
        session.execute("COMMIT").await?;
    }
    let rows = result?;
    let (coordinate, mark) = match exact {
        Some(coordinate) => {
            let version = coordinate.version(epoch)?;
            (coordinate, ReadMark::At(version))
        }
        None => {
            let coordinate = session.coordinate().await?;
            let version = coordinate.version(epoch)?;
            (coordinate, ReadMark::Until(Box::new(Reached(version))))
        }
    };
    pool.prove(session).await?;
    let origin = Origin {
        server_id: session.facts().identity.server_id,
        file: coordinate.file.into(),
        gtid: None,
        committed_at: now_millis(),
    };
    Ok(ReadRows { schema: Arc::new(shape.schema.clone()), rows, mark, origin: Arc::new(origin) })
}

async fn rows(pool: &Pool, session: &mut Session, shape: &Shape<'_>) -> Result<Vec<RowImage>> {
    let table = table_ident(&shape.schema.database, &shape.schema.table);
    // Opened once, the table cannot be altered until the snapshot ends; only then its columns are certain.
    session.texts(&format!("SELECT 1 FROM {table} LIMIT 0")).await?;
    pool.detail(session, shape.schema).await?;
    let list: Vec<String> = shape.detail.columns.iter().map(select_list).collect();
    let mut rows = Vec::new();
    for condition in &shape.conditions {
        let sql = format!("SELECT {} FROM {table}{} WHERE {condition}", list.join(", "), shape.hint);
        let mut format: Option<Arc<dyn RowFormat>> = None;
        let row = |columns: &[ResultColumn], bytes| {
            let format = match &format {
                Some(format) => format,
                None => format.insert(Arc::new(ResultFormat::new(columns, &shape.detail.columns)?)),
            };
            rows.push(RowImage { bytes, format: Arc::clone(format) });
            Ok(())
        };
        session.stream(&sql, row).await?;
    }
    Ok(rows)
}
