//! What is wrong with a server's set-up, all of it at once, each finding with the observed value and the exact fix.

mod grants;
mod settings;
mod tables;

use std::sync::Arc;

use syncline_engine::error::{Error, Kind, Result};

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
