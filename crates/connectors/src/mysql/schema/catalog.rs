//! Reads tables from `information_schema`. What it shows is the catalog of now; as of which position that is true is
//! `hold.rs`.

use std::collections::{BTreeMap, BTreeSet};

use syncline_engine::error::{Code, Error, Result};
use syncline_engine::route::Selection;

use super::table::{TableDetail, TableName};
use crate::mysql::client::Session;
use crate::mysql::codec::{CatalogColumn, ColumnDetail};
use crate::mysql::sql::text_literal;

/// Databases of the server's own.
const SYSTEM: [&str; 4] = ["mysql", "information_schema", "performance_schema", "sys"];
/// From so many tables of a database on, one statement reads them all.
const ONE_BY_ONE: usize = 16;

/// The tables that a source captures, and ghost tables beside them, in order of name.
pub async fn list(session: &mut Session, selection: &Selection) -> Result<Vec<TableName>> {
    let folds = session.facts().folds_names();
    let types = "('BASE TABLE', 'SYSTEM VERSIONED')";
    let mut sql =
        format!("SELECT table_schema, table_name FROM information_schema.tables WHERE table_type IN {types}");
    let databases: Option<BTreeSet<&str>> =
        selection.included().iter().map(|p| literal_database(p.as_str())).collect();
    if let Some(databases) = databases.filter(|_| !folds) {
        let list: Vec<String> = databases.iter().map(|d| text_literal(d)).collect();
        sql.push_str(&format!(" AND table_schema IN ({})", list.join(", ")));
    }
    let rows = session.texts(&sql).await?;
    let names = rows.into_iter().filter_map(|row| match <[_; 2]>::try_from(row) {
        Ok([Some(database), Some(table)]) => Some(TableName { database, table }),
        _ => None,
    });
    let mut names: Vec<TableName> = names
        .filter(|n| !SYSTEM.contains(&n.database.as_str()) && selection.takes(&n.to_string(), folds))
        .collect();
    names.sort();
    Ok(names)
}

/// The database of a pattern if it is written out.
fn literal_database(pattern: &str) -> Option<&str> {
    let (database, _) = pattern.split_once('.')?;
    (!database.contains(['*', '?'])).then_some(database)
}

/// Reads one table; `None` if there is none of that name.
pub async fn read_one(session: &mut Session, name: &TableName) -> Result<Option<TableDetail>> {
    let mut tables = read_where(
        session,
        &format!("= {}", text_literal(&name.database)),
        &format!("= {}", text_literal(&name.table)),
    )
    .await?;
    tables.remove(name).transpose()
}

/// Reads several tables; those that do not exist are not in the answer, those with a column that we do not know are
/// there with their error.
pub async fn read(
    session: &mut Session,
    names: &[TableName],
) -> Result<BTreeMap<TableName, Result<TableDetail>>> {
    let mut by_database: BTreeMap<&str, Vec<&TableName>> = BTreeMap::new();
    for name in names {
        by_database.entry(&name.database).or_default().push(name);
    }
    let mut all = BTreeMap::new();
    for (database, tables) in by_database {
        let database = format!("= {}", text_literal(database));
        if tables.len() < ONE_BY_ONE {
            for name in tables {
                all.append(
                    &mut read_where(session, &database, &format!("= {}", text_literal(&name.table))).await?,
                );
            }
        } else {
            let wanted: BTreeSet<&TableName> = tables.into_iter().collect();
            let found = read_where(session, &database, "IS NOT NULL").await?;
            all.extend(found.into_iter().filter(|(name, _)| wanted.contains(name)));
        }
    }
    Ok(all)
}

#[derive(Default)]
struct Found {
    charset: String,
    columns: Vec<[Option<String>; 5]>,
    json: BTreeSet<String>,
    key: Vec<String>,
}

async fn read_where(
    session: &mut Session,
    database: &str,
    table: &str,
) -> Result<BTreeMap<TableName, Result<TableDetail>>> {
    let mut found = read_columns(session, database, table).await?;
    let condition = format!("table_schema {database} AND table_name {table}");
    let sql = format!(
        "SELECT table_schema, table_name, column_name FROM information_schema.statistics \
         WHERE {condition} AND index_name = 'PRIMARY' ORDER BY table_schema, table_name, seq_in_index"
    );
    for row in session.texts(&sql).await? {
        if let Ok([Some(database), Some(table), Some(column)]) = <[_; 3]>::try_from(row)
            && let Some(found) = found.get_mut(&TableName { database, table })
        {
            found.key.push(column);
        }
    }
    if has_json_checks(session) {
        let sql = format!(
            "SELECT constraint_schema, table_name, check_clause FROM information_schema.check_constraints \
             WHERE constraint_schema {database} AND table_name {table} AND check_clause LIKE 'json_valid(%'"
        );
        for row in session.texts(&sql).await? {
            if let Ok([Some(database), Some(table), Some(clause)]) = <[_; 3]>::try_from(row) {
                let column = json_column(&clause);
                if let (Some(found), Some(column)) = (found.get_mut(&TableName { database, table }), column) {
                    found.json.insert(column);
                }
            }
        }
    }
    Ok(found.into_iter().map(|(name, found)| (name.clone(), detail(&name, &found))).collect())
}

async fn read_columns(
    session: &mut Session,
    database: &str,
    table: &str,
) -> Result<BTreeMap<TableName, Found>> {
    let sql = format!(
        "SELECT table_schema, table_name, table_collation FROM information_schema.tables \
         WHERE table_schema {database} AND table_name {table}"
    );
    let mut found: BTreeMap<TableName, Found> = BTreeMap::new();
    for row in session.texts(&sql).await? {
        if let Ok([Some(database), Some(table), collation]) = <[_; 3]>::try_from(row) {
            let charset = collation.as_deref().map_or("utf8mb4", charset_of).to_owned();
            found.insert(TableName { database, table }, Found { charset, ..Found::default() });
        }
    }
    let sql = format!(
        "SELECT table_schema, table_name, column_name, column_type, character_set_name, is_nullable, extra \
         FROM information_schema.columns WHERE table_schema {database} AND table_name {table} \
         ORDER BY table_schema, table_name, ordinal_position"
    );
    for row in session.texts(&sql).await? {
        if let Ok([Some(database), Some(table), column @ ..]) = <[_; 7]>::try_from(row)
            && let Some(found) = found.get_mut(&TableName { database, table })
        {
            found.columns.push(column);
        }
    }
    Ok(found)
}

/// MariaDB keeps what was declared JSON as text with a check; it shows checks per table since 10.2.22.
fn has_json_checks(session: &Session) -> bool {
    session.facts().mariadb() && session.facts().number >= (10, 2, 22)
}

/// The column of a check that is exactly `json_valid(column)`.
fn json_column(clause: &str) -> Option<String> {
    let inside = clause.strip_prefix("json_valid(`")?.strip_suffix("`)")?;
    let name = inside.replace("``", "`");
    (name.replace('`', "``") == inside).then_some(name)
}

/// `utf8mb4_general_ci` belongs to `utf8mb4`.
pub fn charset_of(collation: &str) -> &str {
    collation.split('_').next().unwrap_or(collation)
}

fn detail(name: &TableName, found: &Found) -> Result<TableDetail> {
    let column = |[column, kind, charset, nullable, extra]: &[Option<String>; 5]| {
        let (Some(column), Some(kind)) = (column, kind) else {
            return Err(Error::new(
                Code::MysqlSchema,
                format!("{name}: the catalog shows a column without a type"),
            ));
        };
        ColumnDetail::from_catalog(&CatalogColumn {
            name: column,
            column_type: kind,
            charset: charset.as_deref(),
            nullable: nullable.as_deref() == Some("YES"),
            extra: extra.as_deref().unwrap_or_default(),
            json_valid: found.json.contains(column),
        })
        .map_err(|error| Error::new(error.code(), format!("{name}: {}", error.message())))
    };
    let columns = found.columns.iter().map(column).collect::<Result<Vec<_>>>()?;
    Ok(TableDetail { columns, primary_key: found.key.clone(), charset: found.charset.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_readings() {
        assert_eq!(json_column("json_valid(`a``b`)").as_deref(), Some("a`b"));
        assert_eq!(json_column("json_valid(`a`) and `b` > 1"), None);
        assert_eq!(json_column("json_valid(`a`) or json_valid(`b`)"), None);
        assert_eq!(charset_of("utf8mb4_0900_ai_ci"), "utf8mb4");
        assert_eq!(charset_of("binary"), "binary");
        assert_eq!(literal_database("shop.*"), Some("shop"));
        assert_eq!(literal_database("sh?p.t"), None);
    }
}
