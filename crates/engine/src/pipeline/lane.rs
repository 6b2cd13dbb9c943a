//! One lane: takes what waits, coalesces per address, hands it to the sink, keeps what must be tried again.
//! A lane has one request in flight at most, so no two requests hold the same address (rule 4).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::backoff::Backoff;
use super::phase::Phase;
use super::port::{Item, Port};
use super::queue::{Place, Queue, Room};
use super::quota::Share;
use super::settle::{End, Settlement, park};
use super::ticket::Ticket;
use super::verdict::{Verdict, verdict};
use crate::error::Error;
use crate::sink::{Delivery, Feeding, Outcome};
use crate::version::Version;

/// What an item holds while its delivery is in the sink's hands.
type Held = (Arc<Ticket>, Option<Place>, Option<Share>);

/// Runs until nothing more comes, or the sink halts.
pub(crate) async fn run(port: Arc<Port>, queue: Arc<Queue>, lane: usize) {
    let (most, coalesces) = match port.feeding() {
        Feeding::Lanes { max_items, max_bytes, .. } => (Room { items: max_items, bytes: max_bytes }, true),
        Feeding::CaptureOrder { max_items, max_bytes } => {
            (Room { items: max_items, bytes: max_bytes }, false)
        }
    };
    let mut pending: Vec<Item> = Vec::new();
    let mut backoff = Backoff::default();
    loop {
        let room = shrunk(most, backoff.failures());
        if !queue.fill(lane, &mut pending, room).await {
            return;
        }
        if coalesces && pending.len() > 1 {
            pending = coalesce(&port, pending);
        }
        let batch = cut(&mut pending, room);
        let sent = batch.len();
        match deliver(&port, batch).await {
            Ok(again) if again.is_empty() => backoff.reset(),
            Ok(again) => {
                // With one lane for all, what waits must not make the others wait longer: only a call that finished
                // nothing speaks against the target.
                if !coalesces && again.len() < sent {
                    backoff.reset();
                }
                pending.splice(0..0, again);
                tokio::time::sleep(backoff.next()).await;
            }
            Err(error) => {
                port.health.halt(&error);
                port.shared.tracker.abandon(port.index);
                return queue.halt();
            }
        }
    }
}

/// Of several deliveries at one address only the newest is sent; the others are superseded. A letter that is tried again
/// gives way to any other: what it read comes by the stream too, and if it took the place of a change and were refused,
/// nothing would be left of the two.
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
        if rank(&items[*slot]) <= rank(item) {
            older[*slot] = true;
            *slot = index;
        } else {
            older[index] = true;
        }
    }
    if !any {
        return items;
    }
    let all = items.len();
    let mut ends = Settlement::new(port);
    let mut kept = Vec::with_capacity(all);
    for (item, older) in items.into_iter().zip(older) {
        match older {
            true => ends.end(item, End::Superseded),
            false => kept.push(item),
        }
    }
    ends.finish();
    port.health.queued.fetch_sub((all - kept.len()) as u64, Ordering::Relaxed);
    kept
}

/// Which of two deliveries at one address is sent: the higher.
fn rank(item: &Item) -> (bool, Version) {
    (item.ticket.letter().is_none(), item.delivery.version)
}

/// After failures requests are smaller: a busy target is asked for less.
fn shrunk(most: Room, failures: u32) -> Room {
    let shrink = 1 << failures.min(6);
    Room { items: (most.items / shrink).max(1), bytes: (most.bytes / shrink).max(1) }
}

/// Takes the front that fits one request.
fn cut(pending: &mut Vec<Item>, room: Room) -> Vec<Item> {
    let mut size = 0;
    let mut count = 0;
    for item in pending.iter().take(room.items) {
        size += item.size();
        if count > 0 && size > room.bytes {
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
    if let Err(error) = port.recalled().await {
        return refuse_or_retry(port, batch, error).await;
    }
    if let Err(error) = port.prepare(&batch).await {
        return refuse_or_retry(port, batch, error).await;
    }
    let (deliveries, held): (Vec<Delivery>, Vec<Held>) =
        batch.into_iter().map(|item| (item.delivery, (item.ticket, item.place, item.share))).unzip();
    let in_flight = port.shared.phases.enter(Phase::Bulk);
    let answer = port.sink.apply(&deliveries).await;
    drop(in_flight);
    let batch = deliveries.into_iter().zip(held);
    let batch = batch.map(|(delivery, (ticket, place, share))| Item {
        place,
        share,
        ..Item::new(delivery, ticket, None)
    });
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
            port.memory.doubt();
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
