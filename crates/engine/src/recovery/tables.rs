//! Tables that wait for a person, taken up again if the file wants that: read again from here on as `syncline backfill --table` does, and
//! their search indices made anew as `syncline resync` does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::book::{Turn, Wanted};
use super::keep::Workshop;
use super::policy::{Cause, Strategy};
use crate::error::{Code, Error, Kind, Result};
use crate::ledger::{TableRecord, TableState};
use crate::pipeline::Shared;
use crate::route::{OnSchemaChange, TargetKind};

/// How often tables are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Until it is dropped.
pub(super) async fn run(shared: &Arc<Shared>, workshop: &dyn Workshop) {
    // Steps that count already and have not come to their end.
    let mut begun = BTreeMap::new();
    loop {
        tokio::time::sleep(LOOK).await;
        if !shared.streaming.load(Ordering::Relaxed) {
            continue;
        }
        let tables = shared.tables.look();
        begun.retain(|table: &String, cause| cause_of(shared, table, tables.get(table)) == Some(*cause));
        shared.recovery.well(|cause, place| {
            is_of_table(cause) && cause_of(shared, place, tables.get(place)) != Some(cause)
        });
        for (table, record) in tables {
            if let Err(error) = one(shared, &mut begun, &table, &record).await {
                tracing::info!(pipeline = shared.spec.name, table, "recovery is tried again: {error}");
            }
        }
        resyncs(shared, workshop).await;
    }
}

fn is_of_table(cause: Cause) -> bool {
    matches!(cause, Cause::ManyRefused | Cause::SchemaChanged | Cause::RowsUnseen | Cause::RouteChanged)
}

/// Why a table does not go on. A route that says halt has said that a person is to look.
pub(crate) fn cause_of(shared: &Shared, table: &str, record: Option<&TableRecord>) -> Option<Cause> {
    let record = record?;
    let cause = match record.state {
        TableState::Ok | TableState::Dropped => return None,
        TableState::Stale => Cause::RouteChanged,
        TableState::Halted => Cause::of_table(error_of(record)?.code())?,
    };
    let asks = shared.on_schema_change(table) == OnSchemaChange::Halt;
    (cause != Cause::SchemaChanged || !asks).then_some(cause)
}

/// The error of a halted table, as the ledger has it.
fn error_of(record: &TableRecord) -> Option<Error> {
    let shape = record.error.as_ref()?;
    let text = |name: &str| shape.get(name).and_then(serde_json::Value::as_str);
    let error = Error::new(Code::parse(text("code")?)?, text("message")?).fix(text("fix")?);
    Some(match text("cause") {
        Some(cause) => error.cause(cause),
        None => error,
    })
}

async fn one(
    shared: &Arc<Shared>,
    begun: &mut BTreeMap<String, Cause>,
    table: &str,
    record: &TableRecord,
) -> Result<()> {
    let Some(cause) = cause_of(shared, table, Some(record)) else { return Ok(()) };
    let strategy = shared.spec.recovery.strategy(cause);
    // Rows that are read again must be newer than what is swept: the stream has to be past the point first.
    if !matches!(strategy, Strategy::Backfill | Strategy::Resync) || !shared.is_past(record.at) {
        return Ok(());
    }
    if !begun.contains_key(table) {
        match shared.recovery.turn(cause, table) {
            Turn::Now => {}
            Turn::Later(_) => return Ok(()),
            Turn::Never(times) => return tell_limit(shared, table, record, times).await,
        }
        shared.recovery.note(cause, table, strategy.name(), error_of(record).as_ref()).await?;
        if strategy == Strategy::Resync {
            shared.recovery.want_resyncs(indices(shared, table)).await?;
        }
        begun.insert(table.to_owned(), cause);
    }
    shared.want_healing(table).await?;
    // If it halts once more, that is another step.
    begun.remove(table);
    Ok(())
}

/// The table stays as it is, and its error says why.
async fn tell_limit(shared: &Shared, table: &str, record: &TableRecord, times: u32) -> Result<()> {
    let Some(error) = error_of(record) else { return Ok(()) };
    let told = serde_json::to_value(shared.recovery.at_limit(&error, times)).ok();
    let record = TableRecord { error: told, ..record.clone() };
    if shared.tables.set(table, record.clone()) {
        tracing::error!(pipeline = shared.spec.name, table, "{error}: recovery is at its limit");
        shared.ledger.set_table(&shared.spec.name, table, &record).await?;
    }
    Ok(())
}

/// Targets of the table whose documents lie in search indices.
fn indices(shared: &Shared, table: &str) -> Vec<Wanted> {
    let targets = shared.routes.targets_of(table);
    let search = targets.filter(|(_, plan)| plan.spec.kind == TargetKind::Search);
    let wanted = |target: &str| Wanted { table: table.to_owned(), target: target.to_owned() };
    search.map(|(_, plan)| wanted(&plan.spec.connection)).collect()
}

/// Begins what waits, one after the other: there is one resync of a pipeline at a time.
async fn resyncs(shared: &Arc<Shared>, workshop: &dyn Workshop) {
    for wanted in shared.recovery.resyncs() {
        if shared.tables.get(&wanted.table).is_some() {
            continue;
        }
        let begun = workshop.resync(&shared.spec.name, &wanted.table, &wanted.target).await;
        match begun {
            Err(error) if error.kind() == Kind::Retry || error.code() == Code::ResyncBusy => continue,
            Err(error) => tracing::warn!(
                pipeline = shared.spec.name,
                table = wanted.table,
                "{} is not made anew: {error}; {}",
                wanted.target,
                error.fix_text()
            ),
            Ok(()) => {}
        }
        if let Err(error) = shared.recovery.end_resync(&wanted).await {
            tracing::warn!(pipeline = shared.spec.name, "{error}");
        }
    }
}
