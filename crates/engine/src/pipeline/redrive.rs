//! Redrive: parked rows are read again at the source and tried again, at the sink that refused them only.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::capture::{Accepted, Purpose, Request};
use super::control::Control;
use super::handle::RedriveReport;
use super::settle::refused_again;
use super::ticket::{Ticket, Unit};
use super::{Shared, Wish, committer, kept};
use crate::change::{Change, Operation, Origin};
use crate::error::{Code, Error, Result};
use crate::ledger::{DeadLetter, DeadLetterFilter, next_letters};
use crate::row::RowImage;
use crate::schema::TableSchema;
use crate::version::Version;

/// How a try ended.
pub(crate) enum Tried {
    /// The target took the row as it is now.
    Applied,
    /// The target holds something newer, or the row is not for it any more.
    Superseded,
    /// It stays, with one attempt more; in the words of the refusal.
    Refused(String),
}

/// Tries the letters one by one; a letter that fails again stays, with one attempt more.
pub(crate) async fn redrive(
    shared: &Arc<Shared>,
    filter: &DeadLetterFilter,
    dry_run: bool,
) -> Result<RedriveReport> {
    let mut filter = DeadLetterFilter { pipeline: Some(shared.spec.name.clone()), ..filter.clone() };
    let mut report = RedriveReport::default();
    if dry_run {
        report.selected = shared.ledger.count_dead_letters(&filter).await?;
        return Ok(report);
    }
    loop {
        let letters = next_letters(&*shared.ledger, &mut filter).await?;
        if letters.is_empty() {
            return Ok(report);
        }
        for letter in letters {
            report.selected += 1;
            match one(shared, &letter).await? {
                Tried::Applied => report.applied += 1,
                Tried::Superseded => report.superseded += 1,
                Tried::Refused(message) => report.failed.push((letter.id, message)),
            }
        }
    }
}

/// Tries one letter. `Err`: it could not be tried; that is no attempt.
pub(crate) async fn one(shared: &Arc<Shared>, letter: &DeadLetter) -> Result<Tried> {
    let port = shared.ports().iter().find(|port| port.name == letter.sink).map(Arc::clone);
    if port.as_ref().is_some_and(|port| !port.parked.holds(&letter.address(), letter.id)) {
        return Ok(Tried::Superseded);
    }
    let mut control = Control::new(&shared.wish);
    let ticket = Ticket::new(Unit::Redrive(letter.id));
    let tried = tokio::select! {
        biased;
        () = control.changed() => Err(no_stream(shared)),
        tried = attempt(shared, letter, &ticket) => tried,
    };
    match tried {
        Ok(()) if ticket.was_refused() => {}
        Ok(()) => {
            if let Some(port) = port {
                port.parked.forget(&letter.address(), letter.id);
            }
            return Ok(if ticket.was_applied() { Tried::Applied } else { Tried::Superseded });
        }
        // The letter itself cannot be tried: that is an attempt, too, or it would be tried for ever.
        Err(error) if error.code() == Code::DeadLetterRow => {
            let refusal = refused_again(&shared.spec.name, letter.id, &error);
            shared.ledger.refused_again(vec![refusal]).await?;
            return Ok(Tried::Refused(error.to_string()));
        }
        Err(error) => return Err(error),
    }
    let id = DeadLetterFilter { id: Some(letter.id), ..Default::default() };
    Ok(match shared.ledger.dead_letters(&id).await?.pop() {
        Some(now) => Tried::Refused(format!("refused again: {}", now.message)),
        None => Tried::Superseded,
    })
}

/// A row is read beside the stream, so nothing is tried while no stream is read.
fn no_stream(shared: &Shared) -> Error {
    let name = &shared.spec.name;
    match *shared.wish.borrow() {
        Wish::Pause => Error::new(Code::Paused, format!("{name} is paused: no dead letter was tried"))
            .fix(format!("syncline resume FILE --pipeline {name}, then try again")),
        _ => stopping(),
    }
}

async fn attempt(shared: &Arc<Shared>, letter: &DeadLetter, ticket: &Arc<Ticket>) -> Result<()> {
    let gone = |what: &str| Error::new(Code::DeadLetterRow, format!("{}: {what}", letter.table));
    let schema = shared.source.tables().await?.into_iter().find(|schema| *schema.name == *letter.table);
    let schema = &schema.ok_or_else(|| gone("the table is no longer at the source"))?;
    let key = shared.routes.key_columns(schema).ok_or_else(|| gone("the table has no key"))?;
    let (sink, target) = target(shared, letter).ok_or_else(|| gone("its route no longer has that target"))?;
    shared.routes.plan(schema).map_err(|e| gone("its route does not fit the table").cause(e))?;
    let image = original(letter).ok_or_else(|| gone("the kept row is empty"))?;
    if shared.routes.key_json(schema, &image).as_deref() != Some(letter.key.as_str()) {
        return Err(gone(
            "its columns or its key have changed since, so the row cannot be found by what was kept",
        ));
    }
    let values = image.columns(&key)?.into_iter().collect::<Option<Vec<_>>>();
    let values = values.ok_or_else(|| gone("the kept row lacks its key"))?;
    let mut committed = shared.committed.subscribe();
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
        let (ticket, gone) = (Arc::clone(ticket), absent(schema, &image));
        let purpose = Purpose::Redrive { sink, target: target.clone(), ticket, gone };
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
    Ok(())
}

/// The sink and the label of the target that refused it. A label names the pattern only where a connection has several.
fn target(shared: &Shared, letter: &DeadLetter) -> Option<(usize, String)> {
    let sink = *shared.sink_indices(std::slice::from_ref(&letter.sink)).first()?;
    let labels: Vec<String> = shared
        .routes
        .targets_of(&letter.table)
        .filter(|(index, _)| *index == sink)
        .map(|(_, plan)| plan.label.clone())
        .collect();
    match labels.as_slice() {
        [only] => Some((sink, only.clone())),
        several => several.iter().find(|label| **label == letter.target).map(|label| (sink, label.clone())),
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
    let mut filter = DeadLetterFilter { pipeline: Some(shared.spec.name.clone()), ..filter.clone() };
    let mut discarded = 0;
    loop {
        let letters = next_letters(&*shared.ledger, &mut filter).await?;
        if letters.is_empty() {
            return Ok(discarded);
        }
        for letter in &letters {
            if let Some(port) = shared.ports().iter().find(|port| port.name == letter.sink) {
                port.parked.forget(&letter.address(), letter.id);
                shared.tracker.discard(port.index, letter.id);
            }
        }
        committer::commit(shared, &*shared.source).await?;
        discarded += letters.len() as u64;
    }
}
