//! Tables: which lack a key, which change without row events, which patterns match nothing, what the binlog leaves out.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_engine::error::{Code, Error, Result};
use syncline_engine::ledger::TableState;
use syncline_engine::schema::{Column, ColumnKind, TableSchema};

use crate::mysql::client::Session;
use crate::mysql::context::Context;
use crate::mysql::schema::{self, TableName};
use crate::mysql::server::Facts;
use crate::mysql::sql::text_literal;

/// All findings about tables.
pub async fn findings(context: &Context, session: &mut Session, facts: &Facts) -> Result<Vec<Error>> {
    let folds = facts.folds_names();
    let names = schema::list(session, &context.selection).await?;
    let tables = schema::read(session, &names).await?;
    let records = context.ledger.pipeline(&context.pipeline).await?.tables;
    let halted =
        |name: &TableName| records.get(&name.to_string()).is_some_and(|r| r.state == TableState::Halted);
    let mut out = Vec::new();
    for (name, detail) in &tables {
        match detail {
            // One that came while streaming halts alone, after a restart too.
            Ok(detail) => {
                out.extend(context.lacks_key(name, detail, folds).filter(|_| !halted(name)));
                out.extend(partial(context, facts, &Arc::new(detail.schema(name))));
            }
            Err(error) => out.push(error.clone()),
        }
    }
    for pattern in context.selection.included() {
        if !names.iter().any(|name| pattern.matches(&name.to_string(), folds)) {
            out.push(Error::new(Code::MysqlNoMatch, format!("{} matches no table yet", pattern.as_str())));
        }
    }
    out.extend(cascades(context, session, facts, &names).await?);
    out.extend(hidden(session, facts, &names).await?);
    Ok(out)
}

/// The first partial image of the table will halt it.
fn partial(context: &Context, facts: &Facts, schema: &Arc<TableSchema>) -> Option<Error> {
    let image = facts.variable("binlog_row_image").unwrap_or("FULL").to_ascii_uppercase();
    let leaves_out = |column: &Column| match image.as_str() {
        "MINIMAL" => true,
        "NOBLOB" => {
            matches!(column.kind, ColumnKind::Text { length: None } | ColumnKind::Json | ColumnKind::Geometry)
        }
        _ => false,
    };
    let why = if schema.primary_key.is_empty() && image == "MINIMAL" {
        "it has no primary key to read the rest by".to_owned()
    } else {
        let addressed = context.addressed_by(schema);
        let columns = addressed.iter().filter_map(|n| schema.columns.get(*n));
        let names: Vec<&str> =
            columns.filter(|column| leaves_out(column)).map(|column| &*column.name).collect();
        if names.is_empty() {
            return None;
        }
        format!("addresses are made of {}, which rows before a change lack", names.join(", "))
    };
    let message = format!("{}: binlog_row_image is {image}, and {why}", schema.name);
    Some(Error::new(Code::MysqlPartialImage, message).fix(
        "SET GLOBAL binlog_row_image = FULL, and binlog_row_image=FULL in the server's configuration; or make the route's \
         key and templates of the primary key alone",
    ))
}

/// Foreign keys whose actions change rows of captured tables without row events. MySQL logs them since 9.6.
async fn cascades(
    context: &Context,
    session: &mut Session,
    facts: &Facts,
    names: &[TableName],
) -> Result<Vec<Error>> {
    if !facts.mariadb() && facts.number >= (9, 6, 0) {
        return Ok(Vec::new());
    }
    let mut databases: BTreeMap<&str, Vec<&TableName>> = BTreeMap::new();
    for name in names {
        databases.entry(&name.database).or_default().push(name);
    }
    let mut out = Vec::new();
    for (database, tables) in databases {
        let sql = format!(
            "SELECT table_name, constraint_name, update_rule, delete_rule \
             FROM information_schema.referential_constraints WHERE constraint_schema = {}",
            text_literal(database)
        );
        for row in session.texts(&sql).await? {
            let Ok([Some(table), Some(constraint), Some(update), Some(delete)]) = <[_; 4]>::try_from(row)
            else {
                continue;
            };
            let Some(name) = tables.iter().find(|n| n.table == table) else { continue };
            let name = name.to_string();
            let acts = |rule: &str| !matches!(rule, "RESTRICT" | "NO ACTION");
            if (acts(&update) || acts(&delete)) && !context.accepts_cascade(&name, facts.folds_names()) {
                let message = format!(
                    "{name}: foreign key {constraint} says ON UPDATE {update} ON DELETE {delete}, and this server does not log what that changes"
                );
                out.push(Error::new(Code::MysqlCascade, message));
            }
        }
    }
    Ok(out)
}

/// Databases that the server keeps out of its binlog.
async fn hidden(session: &mut Session, facts: &Facts, names: &[TableName]) -> Result<Vec<Error>> {
    let row = match session.texts(facts.status_sql()).await {
        Ok(rows) => rows.into_iter().next().unwrap_or_default(),
        // The missing privilege is a finding of its own.
        Err(error) if error.code() == Code::MysqlGrant => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let list = |n: usize| -> Vec<String> {
        let text = row.get(n).cloned().flatten().unwrap_or_default();
        text.split(',').map(str::trim).filter(|d| !d.is_empty()).map(str::to_owned).collect()
    };
    let (only, never) = (list(2), list(3));
    let mut out = Vec::new();
    for name in names {
        let setting = match (only.is_empty(), only.contains(&name.database), never.contains(&name.database)) {
            (false, false, _) => "binlog_do_db does not name its database",
            (_, _, true) => "binlog_ignore_db names its database",
            _ => continue,
        };
        out.push(
            Error::new(Code::MysqlSetting, format!("{name} is not in the binlog: {setting}"))
                .fix("start the server without binlog_do_db and binlog_ignore_db for that database"),
        );
    }
    Ok(out)
}
