//! Reads tables as of a known position. A session opens the tables in a transaction, which keeps DDL (and nothing else)
//! from them until it ends; what the catalog shows meanwhile is true at every position taken meanwhile.

use std::collections::BTreeMap;

use syncline_engine::error::{Code, Error, Result};

use super::catalog;
use super::table::{TableDetail, TableName};
use crate::mysql::client::Session;
use crate::mysql::sql::table_ident;

/// Tables that no DDL can change until [`Hold::release`].
pub struct Hold<'a> {
    session: &'a mut Session,
    /// Those that exist, with their columns.
    pub tables: BTreeMap<TableName, Result<TableDetail>>,
}

impl<'a> Hold<'a> {
    /// Opens the tables and reads them. A table that is gone is left out; one that a running DDL keeps closed for
    /// longer than the session's `lock_wait_timeout` makes it an error to try again.
    pub async fn take(session: &'a mut Session, names: &[TableName]) -> Result<Hold<'a>> {
        session.execute("START TRANSACTION READ ONLY").await?;
        let mut there = Vec::with_capacity(names.len());
        for name in names {
            let sql = format!("SELECT 1 FROM {} LIMIT 0", table_ident(&name.database, &name.table));
            match session.texts(&sql).await {
                Ok(_) => there.push(name.clone()),
                Err(error) if is_absent(&error) => {}
                Err(error) => {
                    if session.usable() {
                        session.execute("ROLLBACK").await?;
                    }
                    return Err(error);
                }
            }
        }
        let tables = catalog::read(session, &there).await?;
        Ok(Hold { session, tables })
    }

    /// Lets DDL go on.
    pub async fn release(self) -> Result<BTreeMap<TableName, Result<TableDetail>>> {
        self.session.execute("ROLLBACK").await?;
        Ok(self.tables)
    }
}

/// The server says that there is no such table.
pub fn is_absent(error: &Error) -> bool {
    error.code() == Code::MysqlQuery
        && error.cause_text().is_some_and(|cause| cause.ends_with("(1146)") || cause.ends_with("(1049)"))
}
