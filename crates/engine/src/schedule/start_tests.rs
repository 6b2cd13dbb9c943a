//! Delays that differ by name and never reach the next start.

use super::*;

fn schedule(name: &str, text: &str, jitter: u64) -> Schedule {
    let cron = Cron::parse(text).unwrap();
    Schedule::new(name, cron, TimeZone::UTC).with_jitter(Duration::from_secs(jitter))
}

/// Seconds from the due time to the start, for the first starts of 2026.
fn delays(schedule: &Schedule, count: usize) -> Vec<i64> {
    let first: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let starts = std::iter::successors(schedule.after(first), |start| schedule.after(start.due));
    starts.take(count).map(|start| start.at.duration_since(start.due).as_secs()).collect()
}

#[test]
fn without_jitter_it_starts_when_due() {
    assert_eq!(delays(&schedule("orders", "@hourly", 0), 3), [0, 0, 0]);
}

#[test]
fn delays_are_the_same_each_time_and_differ_by_name_and_time() {
    let orders = delays(&schedule("orders", "@hourly", 600), 100);
    assert_eq!(orders, delays(&schedule("orders", "@hourly", 600), 100));
    assert!(orders.iter().all(|delay| (0..600).contains(delay)));
    assert_ne!(orders, delays(&schedule("customers", "@hourly", 600), 100));
    let (early, late) =
        (orders.iter().filter(|d| **d < 200).count(), orders.iter().filter(|d| **d > 400).count());
    assert!(early > 15 && late > 15, "{orders:?}");
    let mut first: Vec<i64> =
        (0..50).map(|n| delays(&schedule(&format!("shard {n}"), "@daily", 3600), 1)[0]).collect();
    first.sort_unstable();
    first.dedup();
    assert!(first.len() > 40, "{first:?}");
}

#[test]
fn no_delay_reaches_the_next_start() {
    let minutely = delays(&schedule("orders", "* * * * *", 3600), 200);
    assert!(minutely.iter().all(|delay| (0..60).contains(delay)), "{minutely:?}");
    let last = schedule("orders", "0 0 0 1 6 ? 2026", 3600);
    assert!((0..3600).contains(&delays(&last, 2)[0]));
    assert_eq!(delays(&last, 2).len(), 1);
}

#[test]
fn what_is_due_and_delayed_is_still_to_come() {
    let (hourly, daily) = (schedule("orders", "@hourly", 3000), schedule("orders", "@daily", 100_000));
    let begin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    for schedule in [hourly, daily] {
        let mut start = schedule.after(begin).unwrap();
        for _ in 0..20 {
            let shortly_before = start.at - SignedDuration::from_millis(1);
            assert!(start.at > start.due, "it is delayed");
            assert_eq!(schedule.next(shortly_before), Some(start));
            assert_eq!(schedule.next(start.due), Some(start));
            start = schedule.next(start.at).unwrap();
        }
    }
}
