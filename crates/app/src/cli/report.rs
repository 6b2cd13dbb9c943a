//! `report`: what comparisons found, from the ledger, beside a running process or without one.

use syncline_connectors::registry;
use syncline_engine::error::{Code, Error};

use super::names;
use crate::arguments::ReportArgs;
use crate::exit::{Exit, Failure};
use crate::{out, report};

/// Makes it.
pub async fn report(args: ReportArgs) -> Result<Exit, Failure> {
    let config = names::load(&args.file)?;
    let specs = names::pipelines(&config, &args.pipelines)?;
    let wanted: Vec<&str> = specs.iter().map(|spec| &*spec.name).collect();
    let ledger = registry::ledger_shared(&config.data)?;
    let made = report::make(ledger.as_deref(), &wanted, args.hours, args.tenant.as_deref()).await?;
    if let Some(path) = &args.html {
        std::fs::write(path, report::page(&made)).map_err(|error| {
            Error::new(Code::ReportWrite, format!("{} cannot be written", path.display())).cause(error)
        })?;
        out::note(&format!("written to {}", path.display()));
    } else if args.json {
        out::json_line(&made)?;
    } else {
        out::data(&report::text(&made))?;
    }
    Ok(Exit::Ok)
}
