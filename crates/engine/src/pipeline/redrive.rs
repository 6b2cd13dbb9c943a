//! Redrive: parked rows are read again at the source and tried again, at the sink that refused them only.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::capture::{Accepted, Purpose, Request};
use super::handle::RedriveReport;
use super::ticket::{Ticket, Unit};
use super::{Shared, committer, kept};
use crate::change::{Change, Operation, Origin};
use crate::error::{Code, Error, Result};
use crate::ledger::{DeadLetter, DeadLetterFilter};
use crate::row::RowImage;
use crate::schema::TableSchema;
use crate::version::Version;

/// Tries the letters one by one; a letter that fails again stays, with one attempt more.
pub(crate) async fn redrive(
    shared: &Arc<Shared>,
    filter: &DeadLetterFilter,
    dry_run: bool,
) -> Result<RedriveReport> {
    let filter = DeadLetterFilter { pipeline: Some(shared.spec.name.clone()), ..filter.clone() };
    let letters = shared.ledger.dead_letters(&filter).await?;
    let mut report = RedriveReport { selected: letters.len() as u64, ..Default::default() };
    if dry_run {
        return Ok(report);
    }
    let schemas = shared.source.tables().await?;
    for letter in letters {
        let schema = schemas.iter().find(|schema| *schema.name == *letter.table);
        match one(shared, &letter, schema).await {
            Ok(()) => report.applied += 1,
            Err(error) => report.failed.push((letter.id, error.to_string())),
        }
    }
    Ok(report)
}

async fn one(shared: &Arc<Shared>, letter: &DeadLetter, schema: Option<&Arc<TableSchema>>) -> Result<()> {
    let gone = |what: &str| Error::new(Code::Unknown, format!("{}: {what}", letter.table));
    let schema = schema.ok_or_else(|| gone("the table is no longer at the source"))?;
    let key = shared.routes.key_columns(schema).ok_or_else(|| gone("the table has no key"))?;
    let sink = shared.sink_indices(std::slice::from_ref(&letter.sink));
    let sink = *sink.first().ok_or_else(|| gone("the pipeline no longer has that sink"))?;
    let image = original(letter).ok_or_else(|| gone("the kept row is empty"))?;
    let values = image.columns(&key)?.into_iter().collect::<Option<Vec<_>>>();
    let values = values.ok_or_else(|| gone("the kept row lacks its key"))?;
    let mut committed = shared.committed.subscribe();
    let ticket = Ticket::new(Unit::Redrive(letter.id));
    loop {
        let (reply, opened) = oneshot::channel();
        let table = Arc::clone(&schema.name);
        send(shared, Request::Open { table, key: key.clone(), reply }).await?;
        let (window, position) = opened.await.map_err(|_| stopping())?;
        let reader = shared.source.reader();
        let rows = match reader.read_keys(schema, &key, std::slice::from_ref(&values), &position).await {
            Ok(rows) => rows,
            Err(error) => {
                send(shared, Request::Close { window }).await?;
                return Err(error);
            }
        };
        let purpose =
            Purpose::Redrive { sink, ticket: Arc::clone(&ticket), gone: Some(absent(schema, &image)) };
        let (reply, answer) = oneshot::channel();
        send(shared, Request::Rows { window, key: key.clone(), rows, purpose, reply }).await?;
        if answer.await.map_err(|_| stopping())? != Accepted::Void {
            break;
        }
    }
    while !ticket.is_done() || ticket.is_untaken() {
        shared.commit_wanted.notify_one();
        committed.changed().await.map_err(|_| stopping())?;
    }
    match ticket.was_refused() {
        true => Err(Error::new(Code::Unknown, format!("refused again: {}", letter.message))),
        false => Ok(()),
    }
}

/// The row as it was kept: the after image, else the before image.
fn original(letter: &DeadLetter) -> Option<RowImage> {
    let (before, after) = kept::read(&letter.original);
    after.or(before)
}

/// What is delivered if the source no longer has the row: its absence.
fn absent(schema: &Arc<TableSchema>, image: &RowImage) -> Box<Change> {
    Box::new(Change {
        schema: Arc::clone(schema),
        operation: Operation::Delete,
        before: Some(image.clone()),
        after: None,
        version: Version::ZERO,
        before_version: Version::ZERO,
        offset: 0,
        ordinal: 0,
        origin: Origin::nobody(),
    })
}

async fn send(shared: &Shared, request: Request) -> Result<()> {
    shared.requests.send(request).await.map_err(|_| stopping())
}

fn stopping() -> Error {
    Error::new(Code::Stopped, "the pipeline is stopping")
}

/// Removes letters; their rows count as superseded, by a person.
pub(crate) async fn discard(shared: &Shared, filter: &DeadLetterFilter) -> Result<u64> {
    let filter = DeadLetterFilter { pipeline: Some(shared.spec.name.clone()), ..filter.clone() };
    let letters = shared.ledger.dead_letters(&filter).await?;
    for letter in &letters {
        if let Some(port) = shared.ports().iter().find(|port| port.name == letter.sink) {
            port.parked.forget(letter.id);
            shared.tracker.discard(port.index, letter.id);
        }
    }
    committer::commit(shared, &*shared.source).await?;
    Ok(letters.len() as u64)
}
