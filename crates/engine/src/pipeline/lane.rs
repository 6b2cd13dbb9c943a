//! One lane: gathers what is queued, coalesces per address, hands it to the sink, keeps what must be tried again.
//! A lane has one request in flight at most, so no two requests hold the same address (rule 4).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;

use super::backoff::Backoff;
use super::phase::Phase;
use super::placement::Place;
use super::port::{Item, Port};
use super::settle::{End, Settlement, park};
use super::ticket::Ticket;
use super::verdict::{Verdict, verdict};
use crate::error::Error;
use crate::sink::{Delivery, Feeding, Outcome};

/// What an item holds while its delivery is in the sink's hands.
type Held = (Arc<Ticket>, Option<Place>);

struct Limits {
    items: usize,
    bytes: usize,
    coalesce: bool,
}

/// Runs until its queue is closed and empty, or the sink halts.
pub(crate) async fn run(port: Arc<Port>, mut queue: mpsc::Receiver<Vec<Item>>) {
    let limits = match port.feeding() {
        Feeding::Lanes { max_items, max_bytes, .. } => {
            Limits { items: max_items.max(1), bytes: max_bytes, coalesce: true }
        }
        Feeding::CaptureOrder { max_items, max_bytes } => {
            Limits { items: max_items.max(1), bytes: max_bytes, coalesce: false }
        }
    };
    let mut pending: Vec<Item> = Vec::new();
    let mut backoff = Backoff::default();
    loop {
        if pending.is_empty() {
            match queue.recv().await {
                Some(items) => pending = items,
                None => return,
            }
        }
        while pending.len() < limits.items {
            match queue.try_recv() {
                Ok(items) => pending.extend(items),
                Err(_) => break,
            }
        }
        if limits.coalesce && pending.len() > 1 {
            pending = coalesce(&port, pending);
        }
        let batch = cut(&mut pending, &limits, backoff.failures());
        let sent = batch.len();
        match deliver(&port, batch).await {
            Ok(again) if again.is_empty() => backoff.reset(),
            Ok(again) => {
                // With one lane for all, what waits must not make the others wait longer: only a call that finished
                // nothing speaks against the target.
                if !limits.coalesce && again.len() < sent {
                    backoff.reset();
                }
                pending.splice(0..0, again);
                tokio::time::sleep(backoff.next()).await;
            }
            Err(error) => {
                port.health.halt(&error);
                return drain(&port, queue).await;
            }
        }
    }
}

/// Of several deliveries at one address only the newest is sent; the others are superseded.
fn coalesce(port: &Port, items: Vec<Item>) -> Vec<Item> {
    let mut newest: HashMap<(&str, &str), usize> = HashMap::with_capacity(items.len());
    let mut older = vec![false; items.len()];
    let mut any = false;
    for (index, item) in items.iter().enumerate() {
        let address = &item.delivery.address;
        let slot = newest.entry((&address.target, &address.id)).or_insert(index);
        if *slot == index {
            continue;
        }
        any = true;
        if items[*slot].delivery.version <= item.delivery.version {
            older[*slot] = true;
            *slot = index;
        } else {
            older[index] = true;
        }
    }
    if !any {
        return items;
    }
    let mut ends = Settlement::new(port);
    let mut kept = Vec::with_capacity(items.len());
    for (item, older) in items.into_iter().zip(older) {
        match older {
            true => ends.end(item, End::Superseded),
            false => kept.push(item),
        }
    }
    ends.finish();
    kept
}

/// Takes the front that fits one request. After failures requests are smaller: a busy target is asked for less.
fn cut(pending: &mut Vec<Item>, limits: &Limits, failures: u32) -> Vec<Item> {
    let shrink = 1 << failures.min(6);
    let (items, bytes) = ((limits.items / shrink).max(1), limits.bytes / shrink);
    let mut size = 0;
    let mut count = 0;
    for item in pending.iter().take(items) {
        size += item.size();
        if count > 0 && size > bytes {
            break;
        }
        count += 1;
    }
    if count == pending.len() {
        return std::mem::take(pending);
    }
    let rest = pending.split_off(count);
    std::mem::replace(pending, rest)
}

/// One request. Answers what must be tried again; `Err` only if the sink halted.
async fn deliver(port: &Port, batch: Vec<Item>) -> Result<Vec<Item>, Error> {
    let batch = park_unroutable(port, batch).await?;
    if batch.is_empty() {
        return Ok(batch);
    }
    port.health.ready(&*port.sink).await?;
    if let Err(error) = port.prepare(&batch).await {
        return refuse_or_retry(port, batch, error).await;
    }
    let (deliveries, held): (Vec<Delivery>, Vec<Held>) =
        batch.into_iter().map(|item| (item.delivery, (item.ticket, item.place))).unzip();
    let in_flight = port.shared.phases.enter(Phase::Bulk);
    let answer = port.sink.apply(&deliveries).await;
    drop(in_flight);
    let batch = deliveries.into_iter().zip(held);
    let batch = batch.map(|(delivery, (ticket, place))| Item { delivery, ticket, place, refused: None });
    match answer {
        Ok(outcomes) => settle(port, batch, outcomes).await,
        Err(error) => refuse_or_retry(port, batch.collect(), error).await,
    }
}

async fn settle(
    port: &Port,
    batch: impl ExactSizeIterator<Item = Item>,
    outcomes: Vec<Outcome>,
) -> Result<Vec<Item>, Error> {
    debug_assert_eq!(outcomes.len(), batch.len(), "one outcome per delivery");
    port.health.queued.fetch_sub(batch.len() as u64, Ordering::Relaxed);
    let mut ends = Settlement::new(port);
    let (mut again, mut refused) = (Vec::new(), Vec::new());
    for (item, outcome) in batch.zip(outcomes) {
        match outcome {
            Outcome::Applied => ends.end(item, End::Applied),
            Outcome::Superseded => ends.end(item, End::Superseded),
            Outcome::Refused(error) => refused.push((item, error)),
            Outcome::Retry(error) => {
                if again.is_empty() {
                    port.health.failed(&error);
                }
                again.push(item);
            }
        }
    }
    port.health.queued.fetch_add(again.len() as u64, Ordering::Relaxed);
    let parked = park(port, refused, &mut ends).await;
    ends.finish();
    parked.map(|()| again)
}

/// Rows that the route itself could not turn into a document are parked without asking the sink.
async fn park_unroutable(port: &Port, batch: Vec<Item>) -> Result<Vec<Item>, Error> {
    if batch.iter().all(|item| item.refused.is_none()) {
        return Ok(batch);
    }
    let (mut refused, mut good) = (Vec::new(), Vec::new());
    for mut item in batch {
        match item.refused.take() {
            Some(error) => refused.push((item, error)),
            None => good.push(item),
        }
    }
    port.health.queued.fetch_sub(refused.len() as u64, Ordering::Relaxed);
    let mut ends = Settlement::new(port);
    let parked = park(port, refused, &mut ends).await;
    ends.finish();
    parked.map(|()| good)
}

async fn refuse_or_retry(port: &Port, batch: Vec<Item>, error: Error) -> Result<Vec<Item>, Error> {
    match verdict(&error) {
        Verdict::Retry => {
            port.health.failed(&error);
            Ok(batch)
        }
        Verdict::Park => {
            port.health.queued.fetch_sub(batch.len() as u64, Ordering::Relaxed);
            let mut ends = Settlement::new(port);
            let refused = batch.into_iter().map(|item| (item, error.clone())).collect();
            let parked = park(port, refused, &mut ends).await;
            ends.finish();
            parked.map(|()| Vec::new())
        }
        Verdict::HaltTable | Verdict::Halt => Err(error),
    }
}

/// A halted sink finishes nothing more: what comes is dropped so that its memory is free for the others. Nothing is
/// lost, since its checkpoint does not move.
async fn drain(port: &Port, mut queue: mpsc::Receiver<Vec<Item>>) {
    port.shared.tracker.abandon(port.index);
    while queue.recv().await.is_some() {}
}
