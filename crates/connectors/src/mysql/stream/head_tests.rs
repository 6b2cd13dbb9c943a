//! Where an event begins and ends, beyond 4 GiB too.

use super::*;

fn header(event_type: u8, size: u32, end_position: u64, flags: u16) -> EventHeader {
    EventHeader { timestamp: 1, event_type, server_id: 1, size, end_position: end_position as u32, flags }
}

fn head(next: u64) -> Head {
    Head::new("bin.000007", next).unwrap()
}

#[test]
fn events_stand_one_after_the_other_beyond_four_gibibytes() {
    let mut h = head(WRAP - 100);
    assert_eq!(h.locate(&header(kind::XID, 60, WRAP - 40, 0)).unwrap(), Some(WRAP - 100));
    assert_eq!(h.locate(&header(kind::XID, 60, 20, 0)).unwrap(), Some(WRAP - 40));
    assert_eq!(h.locate(&header(kind::XID, 30, 50, 0)).unwrap(), Some(WRAP + 20));
    assert_eq!(h.next, WRAP + 50);
    // One that ends exactly at the border has position 0 and still stands in the file.
    let mut h = head(WRAP - 60);
    assert_eq!(h.locate(&header(kind::XID, 60, 0, 0)).unwrap(), Some(WRAP - 60));
}

#[test]
fn made_up_events_do_not_move() {
    let mut h = head(1000);
    assert_eq!(h.locate(&header(kind::ROTATE, 44, 0, 0x20)).unwrap(), None);
    assert_eq!(h.locate(&header(kind::FORMAT_DESCRIPTION, 120, 0, 0)).unwrap(), None);
    assert_eq!(h.locate(&header(kind::HEARTBEAT, 40, 1000, 0)).unwrap(), None);
    assert_eq!(h.next, 1000);
    // At a file's beginning the format event does stand there.
    let mut h = head(4);
    assert_eq!(h.locate(&header(kind::FORMAT_DESCRIPTION, 120, 124, 0)).unwrap(), Some(4));
    // A server that leaves positions out of events inside a transaction.
    assert_eq!(h.locate(&header(kind::TABLE_MAP, 50, 0, 0)).unwrap(), Some(124));
}

#[test]
fn a_file_may_end_where_it_says_so_or_nothing_was_read() {
    let mut h = head(1000);
    assert!(h.may_end);
    for (event_type, end, may_end) in [
        (kind::XID, 1060, false),
        (kind::STOP, 1120, true),
        (kind::XID, 1180, false),
        (kind::ROTATE, 1240, true),
    ] {
        h.locate(&header(event_type, 60, end, 0)).unwrap();
        assert_eq!(h.may_end, may_end, "{end}");
    }
    h.locate(&header(kind::XID, 60, 1300, 0)).unwrap();
    // What the server makes for us says nothing.
    h.locate(&header(kind::ROTATE, 44, 0, 0x20)).unwrap();
    assert!(!h.may_end);
}

#[test]
fn skipped_events_are_passed_over_and_going_back_is_an_error() {
    let mut h = head(1000);
    assert_eq!(h.locate(&header(kind::GTID, 50, 5050, 0)).unwrap(), Some(5000));
    assert!(h.locate(&header(kind::GTID, 50, 3050, 0)).is_err());
    let mut h = head(WRAP - 10);
    assert_eq!(h.locate(&header(kind::GTID, 50, 90, 0)).unwrap(), Some(WRAP + 40));
}

#[test]
fn a_heartbeat_moves_only_forward_in_its_own_file() {
    let mut h = head(1000);
    h.heartbeat("bin.000006", 9000);
    h.heartbeat("bin.000007", 900);
    assert_eq!(h.settled, 1000);
    h.heartbeat("bin.000007", 1200);
    assert_eq!((h.settled, h.next), (1200, 1200));
}
