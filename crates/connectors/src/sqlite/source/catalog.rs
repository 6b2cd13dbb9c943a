//! What the user's file says about its tables: columns, keys, unique indexes. Nothing is written here, and nothing of ours
//! or of SQLite's own is listed.

use rusqlite::{Connection, OptionalExtension, Result};
use syncline_engine::schema::{Column, ColumnKind, TableSchema};

use super::index_sql;
use super::layout::PREFIX;
use crate::sqlite::file::quote;

/// The only database name of a SQLite source.
pub const DATABASE: &str = "main";

/// A table of the file.
#[derive(Debug)]
pub struct Table {
    /// Columns and primary key as the engine sees them.
    pub schema: TableSchema,
    /// Per column: what only SQLite needs to know.
    pub details: Vec<Detail>,
    /// How a row is told from the others.
    pub identity: Identity,
    /// A name by which `rowid` can be reached, where there is one.
    pub rowid: Option<&'static str>,
    /// Everything through which `REPLACE` may remove a row, besides the rowid.
    pub uniques: Vec<Unique>,
    /// Why it cannot be captured.
    pub unfit: Option<String>,
}

/// What the engine's column does not say.
#[derive(Debug, PartialEq, Eq)]
pub struct Detail {
    /// `NOT NULL`, and the default that `REPLACE` puts in place of a null.
    pub not_null_default: Option<String>,
    /// Has a default or is generated: existing rows get a value when it is added.
    pub fills: bool,
}

/// How a row is told from the others.
#[derive(Debug, PartialEq, Eq)]
pub enum Identity {
    /// The columns of the primary key, and whether the key compares some of them otherwise than byte by byte.
    Key { columns: Vec<usize>, folds: bool },
    /// The rowid, for a table without a primary key.
    Rowid,
}

/// A unique index or constraint.
#[derive(Debug)]
pub struct Unique {
    /// Its terms.
    pub terms: Vec<Term>,
    /// The condition of a partial index, over the table's columns.
    pub filter: Option<String>,
}

/// One term of a unique index.
#[derive(Debug)]
pub enum Term {
    /// A column and its collation.
    Column { column: usize, collation: String },
    /// An expression over the table's columns, and its collation.
    Expression { sql: String, collation: String },
}

/// All tables that could be captured.
pub fn tables(c: &Connection, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Table>> {
    let sql = "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' ORDER BY name";
    let targets = targets(c)?;
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let ours = name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
        let internal = name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"));
        if !ours && !internal && !targets.contains(&name) && wanted(&format!("{DATABASE}.{name}")) {
            found.push(table(c, &name, row.get(1)?)?);
        }
    }
    Ok(found)
}

/// Tables that a sink of ours keeps in the same file: capturing them would run in a circle.
fn targets(c: &Connection) -> Result<Vec<String>> {
    if !c.prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = '_syncline_targets'")?.exists([])? {
        return Ok(Vec::new());
    }
    c.prepare_cached("SELECT table_name FROM _syncline_targets")?.query_map([], |r| r.get(0))?.collect()
}

/// One table by its exact name; `None` if there is none.
pub fn find(c: &Connection, name: &str) -> Result<Option<Table>> {
    let sql = "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name = ?1";
    let without_rowid: Option<bool> = c.prepare_cached(sql)?.query_row([name], |r| r.get(0)).optional()?;
    without_rowid.map(|without_rowid| table(c, name, without_rowid)).transpose()
}

fn table(c: &Connection, name: &str, without_rowid: bool) -> Result<Table> {
    let (columns, details, mut key) = columns(c, name)?;
    key.sort_unstable();
    let key: Vec<usize> = key.into_iter().map(|(_, column)| column).collect();
    let mut unfit = None;
    let (uniques, folds) = uniques(c, name, &columns, &mut unfit)?;
    let rowid = match without_rowid {
        true => None,
        false => ["rowid", "_rowid_", "oid"]
            .into_iter()
            .find(|alias| !columns.iter().any(|column| column.name.eq_ignore_ascii_case(alias))),
    };
    let identity = match key.is_empty() {
        false => Identity::Key { columns: key.clone(), folds },
        true => Identity::Rowid,
    };
    if identity == Identity::Rowid && rowid.is_none() {
        unfit = Some("it has no primary key, and its columns hide the rowid".into());
    }
    if columns.len() > MOST_COLUMNS {
        unfit = Some(format!("it has {} columns, more than {MOST_COLUMNS}", columns.len()));
    }
    let schema = TableSchema::new(DATABASE, name, columns, key);
    Ok(Table { schema, details, identity, rowid, uniques, unfit })
}

/// A change needs a few columns of its own, and SQLite allows 2000 in a table.
const MOST_COLUMNS: usize = 1900;

type Columns = (Vec<Column>, Vec<Detail>, Vec<(i64, usize)>);

fn columns(c: &Connection, table: &str) -> Result<Columns> {
    let sql =
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1) ORDER BY cid";
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement.query([table])?;
    let (mut columns, mut details, mut key) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let (name, declared): (String, String) = (row.get(0)?, row.get(1)?);
        let (not_null, default): (bool, Option<String>) = (row.get(2)?, row.get(3)?);
        let (pk, hidden): (i64, i64) = (row.get(4)?, row.get(5)?);
        if pk > 0 {
            key.push((pk, columns.len()));
        }
        columns.push(Column { name: name.into(), kind: kind(&declared), nullable: !not_null });
        details.push(Detail {
            fills: default.is_some() || hidden > 1,
            not_null_default: default.filter(|_| not_null),
        });
    }
    if let [(_, only)] = key[..]
        && rowid_alias(c, table)?
    {
        columns[only].nullable = false;
    }
    Ok((columns, details, key))
}

/// Whether the single key column is the rowid itself: then no index stands for the primary key.
fn rowid_alias(c: &Connection, table: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM pragma_index_list(?1) WHERE origin = 'pk'";
    Ok(!c.prepare_cached(sql)?.exists([table])?)
}

fn uniques(
    c: &Connection,
    table: &str,
    columns: &[Column],
    unfit: &mut Option<String>,
) -> Result<(Vec<Unique>, bool)> {
    let sql = "SELECT l.name, l.origin, l.partial, m.sql FROM pragma_index_list(?1) AS l
               LEFT JOIN sqlite_schema AS m ON m.type = 'index' AND m.name = l.name WHERE l.\"unique\" ORDER BY l.name";
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement.query([table])?;
    let (mut all, mut folds) = (Vec::new(), false);
    while let Some(row) = rows.next()? {
        let (index, origin): (String, String) = (row.get(0)?, row.get(1)?);
        let (partial, sql): (bool, Option<String>) = (row.get(2)?, row.get(3)?);
        let text = sql.as_deref().and_then(index_sql::parse);
        let terms = terms(c, &index, columns, text.as_ref())?;
        let filter = text.and_then(|text| text.filter);
        let Some(terms) = terms.filter(|_| !partial || filter.is_some()) else {
            *unfit = Some(format!("its unique index {} cannot be read", quote(&index)));
            continue;
        };
        if origin == "pk" {
            folds |= terms.iter().any(|term| {
                matches!(term, Term::Column { collation, .. } if !collation.eq_ignore_ascii_case("BINARY"))
            });
        }
        all.push(Unique { terms, filter });
    }
    Ok((all, folds))
}

fn terms(
    c: &Connection,
    index: &str,
    columns: &[Column],
    text: Option<&index_sql::IndexSql>,
) -> Result<Option<Vec<Term>>> {
    let sql = "SELECT cid, name, coll FROM pragma_index_xinfo(?1) WHERE key ORDER BY seqno";
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement.query([index])?;
    let mut terms = Vec::new();
    while let Some(row) = rows.next()? {
        let (cid, name): (i64, Option<String>) = (row.get(0)?, row.get(1)?);
        let collation: String = row.get(2)?;
        let column = name.and_then(|name| columns.iter().position(|c| *c.name == *name));
        let expression = text.and_then(|text| text.terms.get(terms.len()));
        terms.push(match (cid, column, expression) {
            (0.., Some(column), _) => Term::Column { column, collation },
            (-2, _, Some(sql)) => Term::Expression { sql: sql.clone(), collation },
            _ => return Ok(None),
        });
    }
    Ok(Some(terms))
}

/// What a declared type says about values, by SQLite's own rules of affinity; each value still says what it is.
pub fn kind(declared: &str) -> ColumnKind {
    let declared = declared.to_ascii_uppercase();
    let has = |word: &str| declared.contains(word);
    if has("POINT") {
        ColumnKind::Any
    } else if has("INT") || has("BOOL") {
        ColumnKind::Integer { bits: 64, unsigned: false }
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        ColumnKind::Text { length: length(&declared) }
    } else if has("BLOB") {
        ColumnKind::Bytes
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        ColumnKind::Double
    } else if has("DATE") || has("TIME") || has("JSON") {
        ColumnKind::Text { length: None }
    } else {
        ColumnKind::Any
    }
}

fn length(declared: &str) -> Option<u32> {
    let (_, rest) = declared.split_once('(')?;
    rest.split_once(')')?.0.trim().parse().ok()
}
