//! One consistent read: proof of the server, low mark, columns, rows, high mark, proof again.

use std::sync::Arc;

use syncline_engine::change::Origin;
use syncline_engine::clock::now_millis;
use syncline_engine::error::{Error, Result};
use syncline_engine::packed;
use syncline_engine::position::Position;
use syncline_engine::row::{RowFormat, RowImage, RowVisitor};
use syncline_engine::schema::TableSchema;
use syncline_engine::source::{ReadMark, ReadRows};
use syncline_engine::value::Value;

use super::low::{Range, open_snapshot};
use super::mark::Reached;
use super::pool::Pool;
use crate::mysql::client::Session;
use crate::mysql::codec::{RowReader, select_list};
use crate::mysql::schema::TableDetail;
use crate::mysql::sql::table_ident;
use crate::mysql::wire::BinaryRow;

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

/// A row with values that cannot be read. It is handed on all the same, so that it alone is parked, under its own key.
struct Unreadable {
    format: Arc<dyn RowFormat>,
    /// Columns (index into the schema) that the image holds as NULL, and why.
    columns: Vec<(usize, Error)>,
}

impl RowFormat for Unreadable {
    fn visit(&self, image: &[u8], visitor: &mut dyn RowVisitor) -> Result<()> {
        match self.columns.iter().find(|(column, _)| visitor.wants(*column)) {
            Some((_, error)) => Err(error.clone()),
            None => self.format.visit(image, visitor),
        }
    }
}

async fn rows(pool: &Pool, session: &mut Session, shape: &Shape<'_>) -> Result<Vec<RowImage>> {
    let table = table_ident(&shape.schema.database, &shape.schema.table);
    // Opened once, the table cannot be altered until the snapshot ends; only then its columns are certain.
    session.texts(&format!("SELECT 1 FROM {table} LIMIT 0")).await?;
    pool.detail(session, shape.schema).await?;
    let list: Vec<String> = shape.detail.columns.iter().map(select_list).collect();
    let mut reader = RowReader::new(&shape.detail.columns);
    let mut writer = packed::Writer::new();
    let format = packed::format();
    let mut formats = Vec::new();
    for condition in &shape.conditions {
        let sql = format!("SELECT {} FROM {table}{} WHERE {condition}", list.join(", "), shape.hint);
        let row = |row: &mut BinaryRow<'_>| {
            let mut bad = Vec::new();
            reader.read(row, |column, value| match value {
                Ok(value) => writer.push(value),
                Err(error) => {
                    writer.push(Value::Null);
                    bad.push((column, error));
                }
            })?;
            writer.next();
            let format = Arc::clone(&format);
            formats.push(match bad.is_empty() {
                true => format,
                false => Arc::new(Unreadable { format, columns: bad }),
            });
            Ok(())
        };
        session.stream(&sql, row).await?;
    }
    Ok(writer.all().zip(formats).map(|(bytes, format)| RowImage { bytes, format }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Keep(Vec<usize>, Vec<String>);

    impl RowVisitor for Keep {
        fn wants(&self, column: usize) -> bool {
            self.0.contains(&column)
        }

        fn value(&mut self, _column: usize, value: Value<'_>) -> Result<()> {
            self.1.push(format!("{value:?}"));
            Ok(())
        }
    }

    #[test]
    fn only_who_needs_the_bad_value_is_refused() {
        let mut writer = packed::Writer::new();
        writer.push(Value::Int(7));
        writer.push(Value::Null);
        let error = Error::new(syncline_engine::error::Code::MysqlUnreadable, "a value of column b");
        let format = Arc::new(Unreadable { format: packed::format(), columns: vec![(1, error)] });
        let row = RowImage { bytes: writer.finish(), format };
        let mut key = Keep(vec![0], Vec::new());
        row.visit(&mut key).unwrap();
        assert_eq!(key.1, ["Int(7)"]);
        let error = row.visit(&mut Keep(vec![0, 1], Vec::new())).unwrap_err();
        assert_eq!(error.code(), syncline_engine::error::Code::MysqlUnreadable);
    }
}
