//! What is wrong with a server's set-up, all of it at once, each finding with the observed value and the exact fix.

mod grants;
mod settings;
mod tables;

use std::sync::Arc;

pub use grants::replication_client_grant;
use syncline_engine::error::{Code, Error, Kind, Result};

use super::client;
use super::context::Context;

/// Every finding. A server that cannot be reached, or refuses the login, is the only finding then.
pub async fn run(context: &Context) -> Result<Vec<Error>> {
    let mut session = match client::connect(&context.config, None).await {
        Ok(session) => session,
        Err(error) if error.kind() == Kind::Retry => return Err(error),
        Err(error) => return Ok(vec![error]),
    };
    let facts = Arc::clone(session.facts());
    let mut findings = settings::findings(&mut session).await?;
    findings.extend(grants::findings(context, &mut session, &facts).await?);
    findings.extend(tables::findings(context, &mut session, &facts).await?);
    Ok(findings)
}

/// The server writes no binlog.
pub fn no_binlog(shown: &str) -> Error {
    Error::new(Code::MysqlSetting, format!("{shown}: log_bin is OFF"))
        .fix("start the server with --log-bin and a server_id other than 0")
}
