//! Column details from a server's catalog, as the capture reads them.

use std::collections::HashSet;

use mysql_async::prelude::*;
use syncline_connectors::mysql::codec::{CatalogColumn, ColumnDetail};

use super::servers::Session;

pub async fn details(session: &mut Session, table: &str) -> Vec<ColumnDetail> {
    let json: HashSet<String> = if session.server.is_mariadb() {
        let sql = "SELECT check_clause FROM information_schema.check_constraints \
                   WHERE constraint_schema = DATABASE() AND table_name = ?";
        let clauses: Vec<String> = session.conn.exec(sql, (table,)).await.unwrap();
        clauses.into_iter().collect()
    } else {
        HashSet::new()
    };
    let sql = "SELECT column_name, column_type, character_set_name, is_nullable, extra \
               FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? \
               ORDER BY ordinal_position";
    let rows: Vec<(String, String, Option<String>, String, String)> =
        session.conn.exec(sql, (table,)).await.unwrap();
    rows.iter()
        .map(|(name, column_type, charset, nullable, extra)| {
            let column = CatalogColumn {
                name,
                column_type,
                charset: charset.as_deref(),
                nullable: nullable == "YES",
                extra,
                json_valid: json.contains(&format!("json_valid(`{name}`)")),
            };
            ColumnDetail::from_catalog(&column).unwrap()
        })
        .collect()
}
