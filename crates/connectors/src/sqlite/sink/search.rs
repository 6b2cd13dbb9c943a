//! Reading a target file: the full-text query, and one document by its address. Nothing is written here.

use std::path::Path;

use rusqlite::{Connection, Result, params};
use serde_json::value::RawValue;
use syncline_engine::error::{Code, Error};

use super::Hit;

/// The best documents, best first. The score is bm25, the higher the better.
pub fn search(
    c: &Connection,
    index: &str,
    query: &str,
    limit: usize,
    path: &Path,
) -> std::result::Result<Vec<Hit>, Error> {
    let failed = |e: rusqlite::Error| {
        Error::new(Code::SearchQuery, format!("{}: the query cannot be answered", path.display())).cause(e)
    };
    let pattern = glob(index);
    let made = has_table(c, "documents").map_err(failed)?;
    let sql = "SELECT 1 FROM documents WHERE index_name GLOB ?1 LIMIT 1";
    if !made || !c.prepare_cached(sql).and_then(|mut s| s.exists([&pattern])).map_err(failed)? {
        return Err(Error::new(Code::Unknown, format!("{}: there is no index {index}", path.display())));
    }
    let sql = "SELECT d.id, -bm25(documents_text) AS score, d.document
               FROM documents_text JOIN documents AS d ON d.number = documents_text.rowid
               WHERE documents_text MATCH ?1 AND d.index_name GLOB ?2 AND d.document IS NOT NULL
               ORDER BY score DESC, d.id LIMIT ?3";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = c.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(params![query, pattern, limit]).map_err(failed)?;
    let mut hits = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let document: String = row.get(2).map_err(failed)?;
        let document = RawValue::from_string(document).map_err(|e| {
            Error::new(Code::SearchQuery, format!("{}: a stored document is not JSON", path.display()))
                .cause(e)
        })?;
        hits.push(Hit { id: row.get(0).map_err(failed)?, score: row.get(1).map_err(failed)?, document });
    }
    Ok(hits)
}

/// `*` stands for any characters, everything else for itself.
pub fn glob(index: &str) -> String {
    let mut pattern = String::with_capacity(index.len());
    for c in index.chars() {
        match c {
            '?' | '[' => pattern.extend(['[', c, ']']),
            c => pattern.push(c),
        }
    }
    pattern
}

/// Whether the file has such a table.
pub fn has_table(c: &Connection, table: &str) -> Result<bool> {
    c.prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = ?1")?.exists([table])
}
