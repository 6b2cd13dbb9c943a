//! Table map events: the columns of row events that follow, as the server logged them.

use std::sync::Arc;

use syncline_engine::error::{Code, Error, Result};

use super::bitmap::bit;
use super::column_type::{Width, read_meta, real_type, width};
use super::cursor::Cursor;
use super::table_metadata;

/// A table as its map event describes it. Shared while the server repeats the same bytes, so that what is derived from
/// it can be cached by the `Arc`'s address.
#[derive(Debug, PartialEq, Eq)]
pub struct TableMap {
    pub database: String,
    pub table: String,
    /// In the order of the row image.
    pub columns: Vec<MapColumn>,
    /// Whether the event carried names, that is `binlog_row_metadata=FULL`.
    pub full_metadata: bool,
    /// Columns of the primary key with their prefix length (0: the whole column); only with FULL metadata.
    pub primary_key: Vec<(usize, u32)>,
    /// Whether MariaDB wrote it.
    pub mariadb: bool,
    /// Whether signedness came with the event (not before MySQL 8.0, not with MariaDB's NO_LOG).
    pub has_signedness: bool,
    /// How long each column's values are.
    pub(super) widths: Vec<Width>,
    /// What made the columns unreadable, if something did: then there are none, and only this table halts.
    unreadable: Option<String>,
}

/// One column of a map event. What the event does not tell is `None`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MapColumn {
    /// The type number in the row image (`MYSQL_TYPE_*`), with ENUM and SET told apart from CHAR.
    pub kind: u8,
    /// The type's own metadata.
    pub meta: u16,
    pub nullable: bool,
    pub unsigned: Option<bool>,
    pub name: Option<Arc<str>>,
    /// Collation id of text, ENUM and SET columns; 63 is binary.
    pub collation: Option<u32>,
    /// Raw labels of an ENUM or SET, in the column's character set.
    pub labels: Option<Arc<[Vec<u8>]>>,
    /// MySQL's geometry type number.
    pub geometry: Option<u32>,
    pub visible: Option<bool>,
    pub vector_dimensions: Option<u32>,
}

impl TableMap {
    /// Reads the body of a map event whose table id has `id_len` bytes. A column type that is not known makes the map
    /// unreadable but is no error yet: other tables go on.
    pub(super) fn parse(body: &[u8], id_len: usize, mariadb: bool) -> Result<TableMap> {
        let mut c = Cursor::new(body, "table map event");
        c.skip(id_len + 2)?;
        let database = name(&mut c)?;
        let table = name(&mut c)?;
        let mut map = TableMap {
            database,
            table,
            columns: Vec::new(),
            full_metadata: false,
            primary_key: Vec::new(),
            mariadb,
            has_signedness: false,
            widths: Vec::new(),
            unreadable: None,
        };
        match columns(&mut c)? {
            Ok((columns, widths)) => (map.columns, map.widths) = (columns, widths),
            Err(unreadable) => {
                map.unreadable = Some(unreadable);
                return Ok(map);
            }
        }
        let metadata = table_metadata::read(c.rest(), &mut map.columns, mariadb)?;
        map.full_metadata = metadata.has_names;
        map.has_signedness = metadata.has_signedness;
        map.primary_key = metadata.primary_key;
        Ok(map)
    }

    /// `database.table`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.database, self.table)
    }

    /// `MysqlSchema` if a column's type is not known.
    pub fn readable(&self) -> Result<()> {
        match &self.unreadable {
            None => Ok(()),
            Some(why) => {
                Err(Error::new(Code::MysqlSchema, format!("the columns of {} cannot be read", self.name()))
                    .cause(why))
            }
        }
    }
}

fn name(c: &mut Cursor<'_>) -> Result<String> {
    let len = usize::from(c.u8()?);
    let name = c.text(len)?.to_owned();
    c.skip(1)?;
    Ok(name)
}

type Columns = (Vec<MapColumn>, Vec<Width>);

/// Types, then their metadata, then which may be null.
fn columns(c: &mut Cursor<'_>) -> Result<std::result::Result<Columns, String>> {
    let count = c.count()?;
    let types = c.take(count)?;
    let mut meta = Cursor::new(c.lenenc_bytes()?, "table map event");
    let nullable = c.take(count.div_ceil(8))?;
    let (mut columns, mut widths) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for (n, logged) in types.iter().enumerate() {
        let Some(raw) = read_meta(*logged, &mut meta)? else {
            return Ok(Err(format!("column {} has the unknown type {logged}", n + 1)));
        };
        let (kind, meta) = real_type(*logged, raw);
        let Some(width) = width(kind, meta) else {
            return Ok(Err(format!("column {} has type {kind} with the unknown metadata {meta}", n + 1)));
        };
        widths.push(width);
        columns.push(MapColumn { kind, meta, nullable: bit(nullable, n), ..MapColumn::default() });
    }
    Ok(Ok((columns, widths)))
}
