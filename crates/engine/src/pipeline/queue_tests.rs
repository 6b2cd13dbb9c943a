//! Who gets what, by hand; and order per address with lanes that run at once.

use std::collections::HashMap;
use std::time::Duration;

use super::*;
use crate::change::CaptureBatch;
use crate::pipeline::ticket::{Ticket, Unit};
use crate::position::Position;
use crate::route::{RouteSpec, TargetKind, TargetPlan, TargetSpec};
use crate::sink::{Body, Counted, Delivery};
use crate::version::Version;

const ROOM: Room = Room { items: 1000, bytes: 1 << 20 };

fn item(id: &str, number: u64) -> Item {
    let spec = TargetSpec::new("target", TargetKind::Document, "items");
    let route = Arc::new(RouteSpec::new("shop.items", vec![spec.clone()]));
    let delivery = Delivery {
        plan: Arc::new(TargetPlan { id: 0, label: "target".into(), route, spec }),
        address: Address { target: "items".into(), id: id.into() },
        body: Body::Absent,
        version: Version::from_number(0, number),
        batch: Arc::new(CaptureBatch::at(Position::nowhere(Version::ZERO), Vec::new())),
        index: 0,
        counted: Counted::No,
        coerced: 0,
    };
    Item::new(delivery, Ticket::new(Unit::Redrive(0)), None)
}

fn push(queue: &Queue, ids: &[&str]) {
    queue.push(&mut ids.iter().zip(1..).map(|(id, number)| item(id, number)).collect());
}

/// What a lane gets without waiting; `None` if it would have to.
async fn now(queue: &Queue, lane: usize, room: Room) -> Option<Vec<Item>> {
    let mut pending = Vec::new();
    let filled = tokio::time::timeout(Duration::ZERO, queue.fill(lane, &mut pending, room)).await;
    filled.is_ok_and(|more| more).then_some(pending)
}

fn ids(items: &Option<Vec<Item>>) -> Option<Vec<&str>> {
    items.as_ref().map(|items| items.iter().map(|item| &*item.delivery.address.id).collect())
}

#[tokio::test]
async fn a_row_waits_for_the_lane_that_has_its_address_and_for_no_other() {
    let queue = Queue::new(3);
    push(&queue, &["a"]);
    let first = now(&queue, 0, ROOM).await;
    push(&queue, &["a", "b", "a"]);
    let other = now(&queue, 1, ROOM).await;
    assert_eq!(ids(&other), Some(vec!["b"]));
    assert_eq!(ids(&now(&queue, 2, ROOM).await), None);
    drop(first);
    // Two more to `a` are bound to its lane, so nobody else may begin a third.
    push(&queue, &["a"]);
    assert_eq!(ids(&now(&queue, 2, ROOM).await), None);
    let again = now(&queue, 0, ROOM).await;
    assert_eq!(ids(&again), Some(vec!["a", "a", "a"]));
    drop(again);
    push(&queue, &["a"]);
    assert_eq!(ids(&now(&queue, 2, ROOM).await), Some(vec!["a"]), "nobody holds it any more");
}

#[tokio::test]
async fn lanes_beyond_the_width_take_nothing_new_and_end_what_they_have() {
    let queue = Queue::new(3);
    queue.set_width(1);
    push(&queue, &["a"]);
    assert_eq!(ids(&now(&queue, 2, ROOM).await), None, "it is too narrow");
    assert_eq!(ids(&now(&queue, 0, ROOM).await), Some(vec!["a"]));
    queue.set_width(3);
    push(&queue, &["b"]);
    let held = now(&queue, 2, ROOM).await;
    assert_eq!(ids(&held), Some(vec!["b"]));
    queue.set_width(1);
    push(&queue, &["b", "c"]);
    assert_eq!(ids(&now(&queue, 0, ROOM).await), Some(vec!["c"]), "the other lane has `b` in its hands");
    let again = now(&queue, 2, ROOM).await;
    assert_eq!(ids(&again), Some(vec!["b"]), "so it is that lane's, narrow or not");
    drop((held, again));
    push(&queue, &["b"]);
    assert_eq!(ids(&now(&queue, 2, ROOM).await), None);
    assert_eq!(ids(&now(&queue, 0, ROOM).await), Some(vec!["b"]));
}

#[tokio::test]
async fn a_lane_that_waited_beyond_the_width_is_woken_when_it_counts() {
    let queue = Queue::new(2);
    queue.set_width(1);
    let wide = Arc::clone(&queue);
    let other = tokio::spawn(async move {
        let mut pending = Vec::new();
        wide.fill(1, &mut pending, ROOM).await.then_some(pending)
    });
    tokio::task::yield_now().await;
    push(&queue, &["a"]);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!other.is_finished(), "it waits though there is something");
    queue.set_width(2);
    let taken = tokio::time::timeout(Duration::from_secs(5), other).await.expect("it was woken").unwrap();
    assert_eq!(ids(&taken), Some(vec!["a"]));
}

#[tokio::test]
async fn what_comes_together_goes_together_and_a_flood_is_spread() {
    let queue = Queue::new(2);
    let names: Vec<String> = (0..4 * SHARE).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    push(&queue, &names[..20]);
    assert_eq!(now(&queue, 0, ROOM).await.map(|items| items.len()), Some(20));
    assert!(now(&queue, 0, ROOM).await.is_none(), "now it waits");
    push(&queue, &names);
    let half = now(&queue, 1, ROOM).await;
    assert_eq!(half.map(|items| items.len()), Some(2 * SHARE), "the other half is for the one that waits");
    let few = Room { items: 7, bytes: 1 << 20 };
    assert_eq!(now(&queue, 1, few).await.map(|items| items.len()), Some(7));
    let narrow = Room { items: 1000, bytes: 1 };
    assert_eq!(
        now(&queue, 1, narrow).await.map(|items| items.len()),
        Some(1),
        "one that is too large goes alone"
    );
}

#[tokio::test]
async fn lanes_end_when_nothing_more_comes_or_is_wanted() {
    let queue = Queue::new(2);
    push(&queue, &["a"]);
    queue.close();
    assert_eq!(ids(&now(&queue, 0, ROOM).await), Some(vec!["a"]), "what waits is done first");
    assert!(!queue.fill(1, &mut Vec::new(), ROOM).await);

    let queue = Queue::new(2);
    let waiting = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { queue.fill(1, &mut Vec::new(), ROOM).await })
    };
    tokio::task::yield_now().await;
    let kept = item("a", 1);
    let ticket = Arc::clone(&kept.ticket);
    queue.halt();
    queue.push(&mut vec![kept]);
    assert!(!waiting.await.unwrap());
    assert_eq!(Arc::strong_count(&ticket), 1, "what comes after a halt is dropped");
}

/// Lanes take, hold for a while and let go; some keep a part for another try.
async fn work(queue: Arc<Queue>, lane: usize, log: Arc<Mutex<HashMap<String, Vec<u64>>>>) {
    let (mut pending, mut turn) = (Vec::new(), lane);
    while queue.fill(lane, &mut pending, Room { items: 5, bytes: 1 << 20 }).await {
        turn += 1;
        let again = if turn.is_multiple_of(3) { pending.split_off(pending.len() / 2) } else { Vec::new() };
        tokio::task::yield_now().await;
        for Item { delivery, place, .. } in pending {
            let number = delivery.version.offset();
            log.lock().unwrap().entry(delivery.address.id.to_string()).or_default().push(number);
            drop(place);
        }
        pending = again;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writes_to_one_address_stay_in_order() {
    let (queue, log) = (Queue::new(4), Arc::default());
    let lanes: Vec<_> =
        (0..4).map(|lane| tokio::spawn(work(Arc::clone(&queue), lane, Arc::clone(&log)))).collect();
    for number in 1..=50_000_u64 {
        // Few addresses, unevenly used: most deliveries meet one that is under way.
        let id = xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes()) % (1 + number % 16);
        queue.push(&mut vec![item(&id.to_string(), number)]);
        if number % 64 == 0 {
            queue.set_width(1 + (number / 64 % 4) as usize);
            tokio::task::yield_now().await;
        }
    }
    queue.close();
    for lane in lanes {
        lane.await.unwrap();
    }
    let log = log.lock().unwrap();
    assert_eq!(log.values().map(Vec::len).sum::<usize>(), 50_000);
    assert!(log.values().all(|numbers| numbers.is_sorted()), "an address was written out of order");
    assert!(queue.slots.iter().all(|slot| slot.load(Ordering::Relaxed) & COUNT == 0));
}
