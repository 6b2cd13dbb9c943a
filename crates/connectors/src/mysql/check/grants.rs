//! Privileges: which are needed on which server, and the exact statements that give the missing ones. Each is tried for
//! real, since roles, wildcards and proxies make a grant's text a poor witness.

use std::collections::BTreeSet;

use syncline_engine::error::{Code, Error, Result};

use crate::mysql::client::Session;
use crate::mysql::context::Context;
use crate::mysql::server::{Facts, monitor};
use crate::mysql::sql::{ident, text_literal};

/// Missing privileges.
pub async fn findings(context: &Context, session: &mut Session, facts: &Facts) -> Result<Vec<Error>> {
    let account = account(session).await?;
    let shown = session.shown().to_owned();
    let mut out = Vec::new();
    let missing = |privilege: &str, what: &str, on: &str| {
        Error::new(Code::MysqlGrant, format!("{shown}: {account} may not {what}: {privilege} is missing"))
            .fix(format!("GRANT {privilege} ON {on} TO {account};"))
    };
    if facts.is_on("log_bin") && denied(session.texts(facts.status_sql()).await)? {
        out.push(missing(monitor(facts), "see where the binlog stands", "*.*"));
    }
    if !may_replicate(session, facts).await? {
        out.push(missing("REPLICATION SLAVE", "read the binlog", "*.*"));
    }
    for on in unreadable(context, session).await? {
        out.push(missing("SELECT", "read tables", &on));
    }
    Ok(out)
}

/// `'user'@'host'` as the server has matched it.
async fn account(session: &mut Session) -> Result<String> {
    let text = session
        .texts("SELECT CURRENT_USER()")
        .await?
        .into_iter()
        .flatten()
        .flatten()
        .next()
        .unwrap_or_default();
    let (user, host) = text.rsplit_once('@').unwrap_or((&text, "%"));
    Ok(format!("{}@{}", text_literal(user), text_literal(host)))
}

fn denied<T>(result: Result<T>) -> Result<bool> {
    match result {
        Ok(_) => Ok(false),
        Err(error) if matches!(error.code(), Code::MysqlGrant | Code::Denied) => Ok(true),
        Err(error) => Err(error),
    }
}

/// REPLICATION SLAVE has no harmless statement of its own on every server, so its grants are read; SHOW BINLOG EVENTS
/// needs the same privilege (MariaDB 10.5: its successor, which a reader of the binlog gets with it).
async fn may_replicate(session: &mut Session, facts: &Facts) -> Result<bool> {
    let rows = session.texts("SHOW GRANTS").await?;
    let has = |privilege: &str| {
        rows.iter().flatten().flatten().any(|grant| {
            let grant = grant.to_ascii_uppercase();
            let Some((privileges, on)) = grant.strip_prefix("GRANT ").and_then(|g| g.split_once(" ON "))
            else {
                return false;
            };
            on.starts_with("*.*") && privileges.split(", ").any(|p| p == privilege)
        })
    };
    if has("ALL PRIVILEGES") || has("REPLICATION SLAVE") || facts.mariadb() && has("REPLICA SLAVE") {
        return Ok(true);
    }
    // Perhaps by a role: the server itself knows.
    Ok(!facts.mariadb() && !denied(session.texts("SHOW BINLOG EVENTS LIMIT 0").await)?)
}

/// What of the patterns cannot be read, as GRANT writes it. A table that the account may not see is not in its catalog
/// either, so a literal name that is absent is tried by reading it.
async fn unreadable(context: &Context, session: &mut Session) -> Result<BTreeSet<String>> {
    let mut out = BTreeSet::new();
    for pattern in context.selection.included() {
        let Some((database, table)) = pattern.as_str().split_once('.') else { continue };
        if database.contains(['*', '?']) {
            continue;
        }
        if pattern.is_literal() {
            let on = format!("{}.{}", ident(database), ident(table));
            if denied_table(session, &format!("SELECT 1 FROM {on} LIMIT 0")).await? {
                out.insert(on);
            }
        } else if denied_table(
            session,
            &format!("SELECT 1 FROM {}.`syncline_absent_table` LIMIT 0", ident(database)),
        )
        .await?
        {
            // A server tells that a table does not exist only to those who could read it.
            out.insert(format!("{}.*", ident(database)));
        }
    }
    Ok(out)
}

async fn denied_table(session: &mut Session, sql: &str) -> Result<bool> {
    match session.texts(sql).await {
        Err(error) if error.code() == Code::MysqlQuery => Ok(false),
        other => denied(other),
    }
}
