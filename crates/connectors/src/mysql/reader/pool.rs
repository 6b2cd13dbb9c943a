//! Connections that reads take turns on, and what is known of tables as of the last read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use syncline_engine::error::{Code, Error, Result};
use syncline_engine::schema::TableSchema;

use crate::mysql::client::{Session, other_server};
use crate::mysql::context::Context;
use crate::mysql::schema::{self, TableDetail, TableName};
use crate::mysql::sql::table_ident;

/// Connections that are kept while nobody reads.
const IDLE: usize = 4;

/// Connections of one reader.
pub struct Pool {
    pub context: Arc<Context>,
    idle: Mutex<Vec<Session>>,
    /// What a table's `SHOW CREATE TABLE` said, and what that means.
    details: Mutex<HashMap<TableName, (String, Arc<TableDetail>)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    pub fn new(context: Arc<Context>) -> Pool {
        Pool { context, idle: Mutex::default(), details: Mutex::default() }
    }

    /// A connection to the stream's server. One that has died meanwhile is replaced.
    pub async fn take(&self) -> Result<Session> {
        loop {
            let Some(mut session) = lock(&self.idle).pop() else { return self.context.session().await };
            if self.prove(&mut session).await.is_ok() {
                return Ok(session);
            }
        }
    }

    /// Gives a connection back.
    pub fn give(&self, session: Session) {
        let mut idle = lock(&self.idle);
        if session.usable() && idle.len() < IDLE {
            idle.push(session);
        }
    }

    /// Whether this connection talks to the stream's server, now.
    pub async fn prove(&self, session: &mut Session) -> Result<()> {
        let Some(wanted) = self.context.identity() else { return Ok(()) };
        let uid = if wanted.mariadb { "server_uid" } else { "server_uuid" };
        let sql = if wanted.uid.is_empty() {
            "SELECT '', @@GLOBAL.server_id".to_owned()
        } else {
            format!("SELECT @@GLOBAL.{uid}, @@GLOBAL.server_id")
        };
        let mut row = session.texts(&sql).await?.into_iter().flatten();
        let mut found = wanted.clone();
        found.uid = row.next().flatten().unwrap_or_default();
        found.server_id = row.next().flatten().and_then(|id| id.parse().ok()).unwrap_or(0);
        if found == wanted { Ok(()) } else { Err(other_server(session.shown(), &wanted, &found)) }
    }

    /// The table as the catalog has it; `None` if it has none of that name.
    pub async fn now(&self, session: &mut Session, name: &TableName) -> Result<Option<Arc<TableDetail>>> {
        let sql = format!("SHOW CREATE TABLE {}", table_ident(&name.database, &name.table));
        let text = match session.texts(&sql).await {
            Ok(rows) => rows.into_iter().flatten().flatten().nth(1).unwrap_or_default(),
            Err(_) if session.usable() && schema::read_one(session, name).await?.is_none() => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let text = without_counter(&text);
        let known = lock(&self.details).get(name).filter(|(t, _)| *t == text).map(|(_, d)| Arc::clone(d));
        if known.is_some() {
            return Ok(known);
        }
        let Some(detail) = schema::read_one(session, name).await? else { return Ok(None) };
        let detail = Arc::new(detail);
        lock(&self.details).insert(name.clone(), (text, Arc::clone(&detail)));
        Ok(Some(detail))
    }

    /// The same. If it no longer looks like `schema`, the read begins again with what it is now.
    pub async fn detail(&self, session: &mut Session, schema: &TableSchema) -> Result<Arc<TableDetail>> {
        let name = TableName::new(&schema.database, &schema.table);
        let gone = || Error::new(Code::MysqlQuery, format!("{name} is no longer at the source"));
        let detail = self.now(session, &name).await?.ok_or_else(gone)?;
        let now = detail.schema(&name);
        if now.columns != schema.columns || now.primary_key != schema.primary_key {
            return Err(Error::new(
                Code::MysqlQuery,
                format!("{name} was altered meanwhile: it is read again"),
            ));
        }
        Ok(detail)
    }
}

/// `AUTO_INCREMENT=7` changes with every row.
fn without_counter(create: &str) -> String {
    let Some((before, after)) = create.rsplit_once("AUTO_INCREMENT=") else { return create.to_owned() };
    format!("{before}{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}
