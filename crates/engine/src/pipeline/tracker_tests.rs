//! The rules of checkpoints and counters, on tickets made by hand.

use std::sync::Arc;

use super::ticket::{Tallies, Ticket, Unit};
use super::tracker::Tracker;
use crate::ledger::{ChunkKey, Commit, PipelineRecord};
use crate::position::{Position, ResumeToken, StoredPosition};
use crate::version::Version;

struct Token(u64);

impl ResumeToken for Token {
    fn encode(&self) -> String {
        self.0.to_string()
    }
    fn text(&self) -> String {
        self.0.to_string()
    }
}

fn at(n: u64) -> Position {
    Position { version: Version::from_number(0, n), token: Arc::new(Token(n)) }
}

fn tracker() -> Tracker {
    Tracker::new(&["a".to_owned()], &PipelineRecord::default())
}

/// A ticket with one delivery under way.
fn ticket(tracker: &Tracker, unit: Unit) -> Arc<Ticket> {
    let ticket = Ticket::new(unit);
    tracker.push(0, &ticket);
    ticket.expect(1);
    let mut tallies = Tallies::default();
    tallies.of(&"t".into()).accepted = 1;
    ticket.settle(0, &mut tallies);
    ticket.close();
    ticket
}

fn stream(tracker: &Tracker, start: u64, resume: u64) -> Arc<Ticket> {
    ticket(tracker, Unit::Stream { start: at(start), resume: at(resume) })
}

fn apply(ticket: &Ticket) {
    let mut tallies = Tallies::default();
    tallies.of(&"t".into()).applied = 1;
    ticket.settle(1, &mut tallies);
}

fn checkpoint(commit: &Commit) -> Option<&str> {
    commit.checkpoints.first().map(|(_, position)| position.token.as_str())
}

#[test]
fn the_checkpoint_is_the_lowest_unfinished_position() {
    let tracker = tracker();
    let (one, two) = (stream(&tracker, 1, 2), stream(&tracker, 2, 3));
    apply(&two);
    assert!(tracker.take_commit().is_none(), "the first is unfinished");
    apply(&one);
    let commit = tracker.take_commit().expect("both are finished");
    assert_eq!(checkpoint(&commit), Some("3"));
    assert_eq!(commit.counts[0].1.applied, 2);
    assert!(tracker.take_commit().is_none(), "nothing is written twice");
}

#[test]
fn pieces_of_a_transaction_count_when_its_end_is_durable() {
    let tracker = tracker();
    let (one, two) = (stream(&tracker, 5, 5), stream(&tracker, 5, 6));
    apply(&one);
    let counted = tracker.take_commit().map_or(0, |commit| commit.counts.len());
    assert_eq!(counted, 0, "its end has not come");
    apply(&two);
    let commit = tracker.take_commit().expect("the transaction is whole");
    assert_eq!((checkpoint(&commit), commit.counts[0].1.accepted), (Some("6"), 2));
}

#[test]
fn a_transaction_that_starts_over_counts_once() {
    let tracker = tracker();
    let (finished, flying) = (stream(&tracker, 5, 5), stream(&tracker, 5, 5));
    apply(&finished);
    drop(tracker.take_commit());
    tracker.restart_open_transaction();
    apply(&flying);
    apply(&stream(&tracker, 5, 6));
    let commit = tracker.take_commit().expect("the transaction is whole");
    let counts = &commit.counts[0].1;
    assert_eq!((counts.accepted, counts.applied), (1, 1));
}

#[test]
fn chunks_do_not_hold_the_checkpoint() {
    let tracker = tracker();
    let key = ChunkKey { run: 1, table: "t".into(), ordinal: 0 };
    let expected = tracker.expect_chunk(key.clone(), Arc::new(vec![0]));
    let chunk = ticket(&tracker, Unit::Chunk(key.clone()));
    apply(&stream(&tracker, 1, 2));
    assert_eq!(tracker.take_commit().as_ref().and_then(checkpoint), Some("2"));
    apply(&chunk);
    assert!(tracker.take_commit().is_none(), "more rows of the chunk may come");
    tracker.close_chunk(&expected);
    let commit = tracker.take_commit().expect("the chunk is done");
    assert_eq!(commit.chunks, [("a".to_owned(), key)]);
    assert_eq!(commit.counts[0].1.applied, 1);
}

#[test]
fn a_transaction_that_starts_over_takes_nothing_from_the_one_before() {
    let tracker = tracker();
    apply(&stream(&tracker, 1, 1));
    assert!(tracker.take_commit().is_none());
    let end = stream(&tracker, 1, 2);
    let piece = stream(&tracker, 2, 2);
    tracker.restart_open_transaction();
    apply(&end);
    apply(&piece);
    let commit = tracker.take_commit().unwrap();
    assert_eq!(checkpoint(&commit), Some("2"));
    assert_eq!((commit.counts[0].1.accepted, commit.counts[0].1.applied), (2, 2));
}

#[test]
fn a_sink_that_is_ahead_keeps_its_checkpoint_through_a_replay() {
    let mut record = PipelineRecord::default();
    record.checkpoints.insert("a".into(), StoredPosition::from(&at(5)));
    let tracker = Tracker::new(&["a".to_owned()], &record);
    assert_eq!(tracker.skip_below(), [at(5).version]);
    apply(&stream(&tracker, 2, 3));
    assert_eq!(tracker.take_commit().as_ref().and_then(checkpoint), None);
    assert_eq!(tracker.lowest(), Some(StoredPosition::from(&at(5))));
    apply(&stream(&tracker, 5, 6));
    assert_eq!(tracker.take_commit().as_ref().and_then(checkpoint), Some("6"));
}

/// The rows of a small table may wait behind those of a large one.
#[test]
fn a_chunk_is_unfinished_before_it_is_dispatched() {
    let tracker = tracker();
    let key = ChunkKey { run: 1, table: "t".into(), ordinal: 0 };
    tracker.begin(&tracker.new_sinks(), &at(1));
    tracker.committed(&[]);
    let expected = tracker.expect_chunk(key.clone(), Arc::new(vec![0]));
    assert!(!tracker.table_done(1, "t") && !tracker.idle());
    let rows = ticket(&tracker, Unit::Chunk(key.clone()));
    tracker.close_chunk(&expected);
    assert!(!tracker.table_done(1, "t"));
    apply(&rows);
    let commit = tracker.take_commit().unwrap();
    assert_eq!(commit.chunks, [("a".to_owned(), key)]);
    assert!(!tracker.table_done(1, "t"), "written, but not yet durable");
    tracker.committed(&[]);
    assert!(tracker.table_done(1, "t") && !tracker.any_abandoned(&[0]));
}

#[test]
fn an_abandoned_sink_keeps_its_checkpoint() {
    let tracker = tracker();
    apply(&stream(&tracker, 1, 2));
    drop(tracker.take_commit());
    let flying = stream(&tracker, 2, 3);
    tracker.abandon(0);
    assert!(tracker.any_abandoned(&[0]));
    apply(&flying);
    assert!(tracker.take_commit().is_none());
    assert_eq!(tracker.lowest().map(|p| p.token), Some("2".to_owned()));
}

#[test]
fn a_letter_of_a_transaction_that_starts_over_is_counted_once() {
    let tracker = tracker();
    let piece = || {
        let piece = stream(&tracker, 1, 1);
        let mut tallies = Tallies::default();
        tallies.parked.push(("t".into(), 7));
        piece.settle(1, &mut tallies);
    };
    piece();
    // Folded, with the transaction still open.
    let parked = |commit: Option<Commit>| commit.map_or(0, |commit| commit.parked.len());
    assert_eq!(parked(tracker.take_commit()), 0);
    tracker.restart_open_transaction();
    piece();
    apply(&stream(&tracker, 1, 2));
    assert_eq!(parked(tracker.take_commit()), 1);
}

#[test]
fn a_letter_ends_as_applied_only_if_the_target_took_it() {
    let end = |applied, refused| {
        let tracker = tracker();
        let ticket = ticket(&tracker, Unit::Redrive(7));
        ticket.settle(1, &mut Tallies { applied, refused, ..Tallies::default() });
        let commit = tracker.take_commit().unwrap_or_default();
        (commit.redriven, commit.settled)
    };
    assert_eq!(end(true, false), (vec![7], vec![]));
    assert_eq!(end(false, false), (vec![], vec![7]), "the target holds something newer");
    assert_eq!(end(false, true), (vec![], vec![]), "it stays");
}

#[test]
fn what_waits_behind_one_open_ticket_is_joined_and_counts_as_before() {
    let tracker = tracker();
    let open = stream(&tracker, 0, 1);
    for n in 1..10_000 {
        apply(&stream(&tracker, n, n + 1));
    }
    let second = stream(&tracker, 10_000, 10_001);
    let piece = stream(&tracker, 10_001, 10_001);
    apply(&piece);
    for n in 10_001..20_000 {
        apply(&stream(&tracker, n, n + 1));
    }
    assert!(tracker.take_commit().is_none(), "the first is unfinished");
    assert!(tracker.tickets(0) < 3000, "{} tickets", tracker.tickets(0));
    apply(&open);
    let commit = tracker.take_commit().expect("the first part is finished");
    assert_eq!((checkpoint(&commit), commit.counts[0].1.applied), (Some("10000"), 10_000));
    tracker.restart_open_transaction();
    apply(&second);
    let commit = tracker.take_commit().expect("all is finished");
    assert_eq!((checkpoint(&commit), commit.counts[0].1.applied), (Some("20000"), 10_001));
}
