//! Counting what became of deliveries, each term on its own (rule 6), and parking the refused ones.

use std::sync::Arc;

use super::kept;
use super::port::{Item, Port};
use super::ticket::{Tallies, Ticket, Unit};
use crate::clock::now_millis;
use crate::error::{Error, Result};
use crate::ledger::{DeadLetter, Parked};
use crate::sink::{Counted, Delivery};

/// How a delivery ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Applied,
    Superseded,
    Parked(Parked),
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
        let Item { delivery, ticket, .. } = item;
        if self.ticket.as_ref().is_none_or(|t| !Arc::ptr_eq(t, &ticket)) {
            self.flush();
            self.ticket = Some(ticket);
        }
        self.finished += 1;
        self.total += 1;
        let redrive = matches!(self.ticket.as_ref().map(|t| &t.unit), Some(Unit::Redrive(_)));
        tally(self.port, &mut self.tallies, &delivery, end, redrive);
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
fn tally(port: &Port, tallies: &mut Tallies, delivery: &Delivery, end: End, redrive: bool) {
    let table = &delivery.change().schema.name;
    if let End::Parked(parked) = end {
        tallies.refused = true;
        return tally_parked(port, tallies, delivery, parked, redrive);
    }
    let written = end == End::Applied || redrive;
    let obsolete = port.parked.overtake(&delivery.address, delivery.version, written);
    tallies.settled.extend(obsolete.filter(|_| !redrive));
    let counts = tallies.of(table);
    counts.coerced += u64::from(delivery.coerced);
    if redrive {
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

/// A redriven letter that is refused again changes no count; a letter that a newer one hides is superseded.
fn tally_parked(port: &Port, tallies: &mut Tallies, delivery: &Delivery, parked: Parked, redrive: bool) {
    let table = &delivery.change().schema.name;
    match parked {
        Parked::New(id) | Parked::Again(id) | Parked::ReplacedOlder(id) => {
            port.parked.add(delivery.address.clone(), id, delivery.version);
            if !redrive {
                tallies.parked.push((Arc::clone(table), id));
            }
        }
        Parked::Older(_) if redrive => {}
        Parked::Older(_) => tallies.of(table).superseded += 1,
    }
}

/// Parks refused deliveries in the ledger. Returns once they are durable there.
pub(crate) async fn park(port: &Port, refused: Vec<(Item, Error)>, ends: &mut Settlement<'_>) -> Result<()> {
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
        error: error.code().to_string(),
        message: error
            .cause_text()
            .map_or_else(|| error.message().to_owned(), |c| format!("{}: {c}", error.message())),
        attempts: 1,
        first_at: now,
        last_at: now,
        version: delivery.version,
        change: texts.change,
        original: kept::keep(change),
    }
}
