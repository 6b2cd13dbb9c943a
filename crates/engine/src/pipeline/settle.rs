//! Counting what became of deliveries, each term on its own (rule 6), and parking the refused ones.

use std::sync::Arc;

use super::kept;
use super::port::{Item, Port};
use super::ticket::{Tallies, Ticket};
use crate::change::Change;
use crate::clock::now_millis;
use crate::error::{Error, Result};
use crate::ledger::{DeadLetter, LetterState, Parked, RefusedAgain};
use crate::route::column_text;
use crate::sink::{Counted, Delivery};

/// How a delivery ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Applied,
    Superseded,
    Parked(Parked),
    /// A letter that was tried again and stays the letter it was.
    RefusedAgain,
}

/// Gathers ends and settles them on their tickets, run by run.
pub(crate) struct Settlement<'a> {
    port: &'a Port,
    ticket: Option<Arc<Ticket>>,
    finished: usize,
    tallies: Tallies,
    completed: bool,
    total: u64,
}

impl<'a> Settlement<'a> {
    pub fn new(port: &'a Port) -> Settlement<'a> {
        Settlement {
            port,
            ticket: None,
            finished: 0,
            tallies: Tallies::default(),
            completed: false,
            total: 0,
        }
    }

    /// Notes one end.
    pub fn end(&mut self, item: Item, end: End) {
        let Item { delivery, ticket, share, .. } = item;
        if let (Some(share), End::Applied, Counted::Delivery) = (&share, end, &delivery.counted) {
            share.applied();
        }
        if self.ticket.as_ref().is_none_or(|t| !Arc::ptr_eq(t, &ticket)) {
            self.flush();
            self.ticket = Some(ticket);
        }
        self.finished += 1;
        self.total += 1;
        let redriven = self.ticket.as_ref().and_then(|ticket| ticket.letter());
        tally(self.port, &mut self.tallies, &delivery, end, redriven);
    }

    fn flush(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.completed |= ticket.settle(std::mem::take(&mut self.finished), &mut self.tallies);
        }
    }

    /// Settles the rest and wakes the committer if a ticket was completed.
    pub fn finish(mut self) {
        self.flush();
        self.port.shared.progressed(self.total);
        if self.completed {
            self.port.shared.commit_wanted.notify_one();
        }
    }
}

/// What dead letters do to the counters is the ledger's to say, when the commit comes: here they are only named.
/// `redriven`: the letter that the delivery is a new try of.
fn tally(port: &Port, tallies: &mut Tallies, delivery: &Delivery, end: End, redriven: Option<i64>) {
    let table = &delivery.change().schema.name;
    match end {
        End::Parked(parked) => {
            tallies.refused = true;
            return tally_parked(port, tallies, delivery, parked);
        }
        End::RefusedAgain => return tallies.refused = true,
        End::Applied => tallies.applied = true,
        End::Superseded => {}
    }
    let written = end == End::Applied || redriven.is_some();
    let obsolete = port.parked.overtake(&delivery.address, delivery.version, written);
    // What becomes of the letter itself follows from how all of its try ends.
    tallies.settled.extend(obsolete.filter(|id| redriven != Some(*id)));
    let counts = tallies.of(table);
    counts.coerced += u64::from(delivery.coerced);
    if redriven.is_some() {
        return;
    }
    match (&delivery.counted, end) {
        (Counted::No, _) => {}
        (Counted::Filtered(rule), _) => count_filtered(counts, rule),
        (Counted::Delivery, End::Applied) => counts.applied += 1,
        (Counted::Delivery, _) => counts.superseded += 1,
    }
}

/// One more row kept out by a rule.
pub(crate) fn count_filtered(counts: &mut crate::ledger::Counts, rule: &str) {
    match counts.filtered.get_mut(rule) {
        Some(n) => *n += 1,
        None => {
            counts.filtered.insert(rule.to_owned(), 1);
        }
    }
}

/// A letter that a newer one hides is superseded.
fn tally_parked(port: &Port, tallies: &mut Tallies, delivery: &Delivery, parked: Parked) {
    let table = &delivery.change().schema.name;
    match parked {
        Parked::New(id) | Parked::Again(id) | Parked::ReplacedOlder(id) => {
            port.parked.add(delivery.address.clone(), id, delivery.version);
            tallies.parked.push((Arc::clone(table), id));
        }
        Parked::Older(_) => tallies.of(table).superseded += 1,
    }
}

/// Parks refused deliveries in the ledger. Returns once they are durable there.
pub(crate) async fn park(port: &Port, refused: Vec<(Item, Error)>, ends: &mut Settlement<'_>) -> Result<()> {
    let (again, refused): (Vec<_>, Vec<_>) =
        refused.into_iter().partition(|(item, _)| item.ticket.letter().is_some());
    keep_parked(port, again, ends).await?;
    if refused.is_empty() {
        return Ok(());
    }
    let letters: Vec<DeadLetter> = refused.iter().map(|(item, error)| letter(port, item, error)).collect();
    let answers = port.shared.ledger.add_dead_letters(letters.clone()).await?;
    for (((item, error), letter), parked) in refused.into_iter().zip(letters).zip(answers) {
        tracing::warn!(table = letter.table, key = letter.key, "parked: {error}");
        let table = letter.table.clone();
        if matches!(parked, Parked::New(_)) {
            let many = port.count_cause(&letter);
            if many > port.shared.spec.max_dead_letters {
                port.shared.halt_table_for_letters(&table, &error, many).await?;
            }
        }
        ends.end(item, End::Parked(parked));
    }
    Ok(())
}

/// Letters that were tried again stay what they are: a letter made of each try would begin its attempts anew, and lie
/// where the row is now rather than where it was refused.
async fn keep_parked(port: &Port, again: Vec<(Item, Error)>, ends: &mut Settlement<'_>) -> Result<()> {
    let refusal = |(item, error): &(Item, Error)| {
        item.ticket.letter().map(|id| refused_again(&port.shared.spec.name, id, error))
    };
    let refusals: Vec<RefusedAgain> = again.iter().filter_map(refusal).collect();
    if !refusals.is_empty() {
        port.shared.ledger.refused_again(refusals).await?;
    }
    again.into_iter().for_each(|(item, _)| ends.end(item, End::RefusedAgain));
    Ok(())
}

/// A try that failed at this moment.
pub(crate) fn refused_again(pipeline: &str, id: i64, error: &Error) -> RefusedAgain {
    let (error, message) = (error.code().to_string(), said(error));
    RefusedAgain { pipeline: pipeline.to_owned(), id, at: now_millis(), error, message }
}

fn said(error: &Error) -> String {
    error.cause_text().map_or_else(|| error.message().to_owned(), |c| format!("{}: {c}", error.message()))
}

fn letter(port: &Port, item: &Item, error: &Error) -> DeadLetter {
    let delivery = &item.delivery;
    let change = delivery.change();
    let now = now_millis();
    let texts = port.shared.routes.letter_texts(delivery);
    DeadLetter {
        id: 0,
        pipeline: port.shared.spec.name.clone(),
        sink: port.name.clone(),
        table: change.schema.name.to_string(),
        target: delivery.plan.label.clone(),
        address_target: delivery.address.target.to_string(),
        address_id: delivery.address.id.to_string(),
        key: texts.key,
        tenant: tenant(port, change),
        error: error.code().to_string(),
        message: said(error),
        attempts: 1,
        first_at: now,
        last_at: now,
        version: delivery.version,
        change: texts.change,
        original: kept::keep(change),
        state: LetterState::Waiting,
    }
}

/// Whose row it is. A row without the column, or with nothing readable in it, is nobody's.
fn tenant(port: &Port, change: &Change) -> Option<String> {
    let column = change.schema.column(port.shared.spec.tenant.as_deref()?)?;
    column_text(change.after.as_ref().or(change.before.as_ref())?, column)
}
