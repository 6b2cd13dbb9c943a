//! What is wrong with a file as a source, all of it at once, with the statement or line that puts it right. Nothing is
//! changed here.

use rusqlite::Connection;
use syncline_engine::error::{Code, Error};

use super::Shared;
use super::catalog::{self, Table};
use crate::sqlite::file::quote;

/// Every finding.
pub fn findings(shared: &Shared) -> Vec<Error> {
    let found = shared.open().and_then(|c| look(shared, &c).map_err(|e| shared.failed(&e)));
    found.unwrap_or_else(|error| vec![error])
}

fn look(shared: &Shared, c: &Connection) -> rusqlite::Result<Vec<Error>> {
    let shown = shared.path.display();
    let mut found = Vec::new();
    if c.is_readonly(rusqlite::MAIN_DB)? {
        let what = format!("{shown} cannot be written: changes are recorded by triggers in the file itself");
        found.push(
            Error::new(Code::SqliteOpen, what)
                .fix("give syncline the right to write the file and its folder"),
        );
    }
    let mode: String = c.pragma_query_value(None, "journal_mode", |r| r.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        let what = format!("{shown} has journal_mode={mode}: readers and writers wait for each other");
        found.push(Error::new(Code::SqliteJournal, what));
    }
    let tables = catalog::tables(c, &|name| shared.wants(name))?;
    for pattern in shared.selection.included() {
        if !tables.iter().any(|table| pattern.matches(&table.schema.name, true)) {
            let what = format!("{:?} matches no table of {shown}", pattern.as_str());
            found.push(Error::new(Code::SqliteNoMatch, what));
        }
    }
    for table in &tables {
        found.extend(shared.lacks_key(&table.schema));
        if let Some(why) = &table.unfit {
            found.push(
                Error::new(Code::SqliteCapture, format!("{} cannot be captured", table.schema.name))
                    .cause(why),
            );
        } else if let Err(error) = readable(c, table) {
            let what = format!("{} cannot be read", table.schema.name);
            found.push(Error::new(Code::SqliteCapture, what).cause(error));
        }
    }
    Ok(found)
}

/// A table may need functions or collations that only its own program has.
fn readable(c: &Connection, table: &Table) -> rusqlite::Result<()> {
    let sql = format!("SELECT * FROM {} LIMIT 1", quote(&table.schema.table));
    c.prepare(&sql)?.query([])?.next().map(drop)
}
