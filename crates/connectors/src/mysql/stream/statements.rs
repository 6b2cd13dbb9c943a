//! Statements in the stream: where transactions begin and end, and what DDL does to the tables that are captured.

use std::sync::Arc;

use syncline_engine::change::TableEvent;
use syncline_engine::error::{Code, Error, Result};

use super::follow::Follow;
use super::transaction::Transaction;
use crate::mysql::binlog::{EventHeader, Query};
use crate::mysql::ddl::{self, Dialect, Name, Statement};
use crate::mysql::schema::TableName;

const ANSI_QUOTES: u64 = 1 << 2;
const NO_BACKSLASH_ESCAPES: u64 = 1 << 20;
const REAL_AS_FLOAT: u64 = 1;

/// How a statement's session read it.
pub(super) fn dialect_of(server: Dialect, query: &Query) -> Dialect {
    let mode = query.sql_mode.unwrap_or(0);
    Dialect {
        ansi_quotes: mode & ANSI_QUOTES != 0,
        no_backslash_escapes: mode & NO_BACKSLASH_ESCAPES != 0,
        real_as_float: mode & REAL_AS_FLOAT != 0,
        ..server
    }
}

impl Follow {
    /// A query event that stands at `at`.
    pub(super) async fn query(&mut self, header: &EventHeader, query: &Query, at: u64) -> Result<()> {
        let sql = query.sql.trim_ascii();
        if sql.eq_ignore_ascii_case(b"BEGIN") {
            return self.begun(at);
        }
        if sql.eq_ignore_ascii_case(b"COMMIT") {
            return self.commit().await;
        }
        let statement = ddl::read(&query.text(), dialect_of(self.dialect, query));
        match statement {
            Statement::Begin => return self.begun(at),
            Statement::Commit => return self.commit().await,
            Statement::Rollback => {
                self.rolled_back(at).await?;
                return self.commit().await;
            }
            Statement::RollbackTo => return self.rolled_back(at).await,
            Statement::Savepoint => return Ok(()),
            Statement::Xa(xa) => return self.xa(header, xa, at).await,
            _ => {}
        }
        if self.transaction.is_none() {
            self.begin(Transaction::new(at));
        }
        let begins = matches!(&statement, Statement::Create(create) if create.begins_transaction);
        if let Statement::Truncate(name) = &statement {
            self.emptied(header, name, &query.database).await?;
        } else {
            self.change_tables(statement, &query.database, at).await?;
        }
        if begins {
            return self.begun(at);
        }
        let alone = self.transaction.as_ref().is_none_or(|t| !t.begun);
        if alone { self.commit().await } else { Ok(()) }
    }

    pub(super) fn begun(&mut self, at: u64) -> Result<()> {
        if self.transaction.is_none() {
            self.begin(Transaction::new(at));
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.begun = true;
        }
        Ok(())
    }

    /// A transaction that ends with ROLLBACK, or goes back to a savepoint, is in the binlog because it changed tables
    /// that cannot roll back. Which of its rows count is not said.
    async fn rolled_back(&mut self, at: u64) -> Result<()> {
        let tables = self.transaction.as_mut().map(|t| std::mem::take(&mut t.tables)).unwrap_or_default();
        for schema in tables {
            let name = TableName::new(&schema.database, &schema.table);
            let message = format!("{name}: a transaction that changed it was rolled back in part");
            let error = Error::new(Code::MysqlStatement, message)
                .fix(format!("do not change tables of transactional and other engines together; then syncline backfill FILE --table {name}"));
            self.halt_table(&name, error, at).await?;
        }
        Ok(())
    }

    /// TRUNCATE.
    async fn emptied(&mut self, header: &EventHeader, name: &Name, database: &str) -> Result<()> {
        let name = TableName::new(name.database.as_deref().unwrap_or(database), &name.table);
        let Some(schema) = self.tables.known(&name).map(|known| Arc::clone(&known.schema)) else {
            return Ok(());
        };
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let origin = transaction.origin(&self.head.file, header);
        self.tell(TableEvent::Truncated { schema, origin }).await
    }

    /// What a statement does to tables. `database` is the session's.
    async fn change_tables(&mut self, statement: Statement, database: &str, at: u64) -> Result<()> {
        let full = |name: &Name| TableName::new(name.database.as_deref().unwrap_or(database), &name.table);
        match statement {
            Statement::Create(create) => {
                let name = full(&create.name);
                let like = match &create.body {
                    ddl::Body::Like(other) => Some(full(other)),
                    ddl::Body::Columns { .. } => None,
                };
                self.table_created(&name, &create, like.as_ref(), at).await
            }
            Statement::Alter(alter) => {
                self.table_altered(&full(&alter.name), &alter, database, at).await?;
                let other = |clause: &ddl::Clause| match clause {
                    ddl::Clause::Exchange(other) => Some(full(other)),
                    _ => None,
                };
                let others: Vec<TableName> = alter.clauses.iter().filter_map(other).collect();
                self.rows_exchanged(&others, at).await
            }
            Statement::DropPrimaryKey(table) => {
                let clauses = vec![ddl::Clause::DropPrimaryKey];
                self.table_altered(&full(&table), &ddl::Alter { name: table.clone(), clauses }, database, at)
                    .await
            }
            Statement::Drop(names) => {
                for name in &names {
                    self.table_gone(&full(name), at).await?;
                }
                Ok(())
            }
            Statement::DropDatabase(database) => {
                for name in self.tables.in_database(&database) {
                    self.table_gone(&name, at).await?;
                }
                Ok(())
            }
            Statement::Rename(pairs) => {
                let pairs: Vec<_> = pairs.iter().map(|(from, to)| (full(from), full(to))).collect();
                self.tables_renamed(&pairs, at).await
            }
            Statement::Database { name, charset } => {
                let name = name.unwrap_or_else(|| database.to_owned());
                if let Some(charset) = charset {
                    self.charsets.insert(name, charset);
                }
                Ok(())
            }
            Statement::Dml { word, names } => {
                let names: Vec<TableName> = names.iter().map(full).collect();
                self.rows_changed_by_text(word, &names, at).await
            }
            Statement::Unclear { names } => {
                let names: Vec<TableName> = names.iter().map(full).collect();
                self.unclear(&names, at).await
            }
            _ => Ok(()),
        }
    }

    /// The other side of `EXCHANGE PARTITION`.
    async fn rows_exchanged(&mut self, names: &[TableName], at: u64) -> Result<()> {
        for name in self.captured_among(names) {
            let message = format!("{name}: EXCHANGE PARTITION gave it other rows without row events");
            self.halt_table(&name, Error::new(Code::MysqlTruncate, message), at).await?;
        }
        Ok(())
    }

    /// DML that was logged as text: every captured table that it names.
    async fn rows_changed_by_text(&mut self, word: &str, names: &[TableName], at: u64) -> Result<()> {
        for name in self.captured_among(names) {
            let message = format!("{name}: {word} was logged as a statement");
            self.halt_table(&name, Error::new(Code::MysqlStatement, message), at).await?;
        }
        Ok(())
    }

    /// Of these names, the tables that are captured, once each.
    pub(super) fn captured_among(&self, names: &[TableName]) -> Vec<TableName> {
        let mut found: Vec<TableName> =
            names.iter().filter(|n| self.tables.known(n).is_some()).cloned().collect();
        found.sort();
        found.dedup();
        found
    }
}
