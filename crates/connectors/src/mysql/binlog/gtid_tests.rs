//! The algebra of GTID sets against plain sets of numbers, and texts and events as servers write them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::gtid_mariadb::{self, GtidPosition};
use super::gtid_mysql::{Gtid, GtidSet, Tsid};

const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const B: &str = "00000000-0000-0000-0000-000000000001";

#[test]
fn texts_are_those_of_the_server() {
    for (text, printed) in [
        ("", ""),
        (&format!("{A}:1"), format!("{A}:1").as_str()),
        (&format!("{}:1-3:5-5:4", A.to_uppercase()), &format!("{A}:1-5")),
        (&format!("{A}:5:1-2,\n{B}:7"), &format!("{B}:7,{A}:1-2:5")),
        (&format!("{A}:1-2:tag_1:4:5:Other:9"), &format!("{A}:1-2:other:9:tag_1:4-5")),
        (&format!("{A}:tag:1-2,{A}:3"), &format!("{A}:3:tag:1-2")),
        (&format!("{}:1", A.replace('-', "")), &format!("{A}:1")),
        (&format!("{A}:5-4"), ""),
    ] {
        assert_eq!(GtidSet::parse(text).unwrap().to_string(), printed, "{text}");
    }
    for wrong in ["x", A, &format!("{A}:0"), &format!("{A}:1-x"), &format!("{A}:+1"), "1-1-1", &A[1..]] {
        let parsed = GtidSet::parse(wrong);
        // A server without numbers is the empty set to MySQL too.
        assert!(parsed.is_err() || wrong == A && parsed.unwrap().is_empty(), "{wrong}");
    }
    assert!(GtidSet::parse(&format!("{A}:9223372036854775807")).is_err());
    assert!(GtidSet::parse(&format!("{A}:{}", "t".repeat(33))).is_err());
}

#[test]
fn a_previous_gtids_event_holds_a_set() {
    let uuid = GtidSet::parse(&format!("{A}:1")).unwrap().iter().next().unwrap().0.uuid;
    let mut plain = 1u64.to_le_bytes().to_vec();
    plain.extend_from_slice(&uuid);
    plain.extend_from_slice(&2u64.to_le_bytes());
    for n in [1u64, 6, 9, 10] {
        plain.extend_from_slice(&n.to_le_bytes());
    }
    assert_eq!(GtidSet::decode(&plain).unwrap().to_string(), format!("{A}:1-5:9"));
    let mut tagged = (1u64 << 56 | 2 << 8 | 1).to_le_bytes().to_vec();
    for (tag, first, end) in [("", 1u64, 3u64), ("abc", 7, 8)] {
        tagged.extend_from_slice(&uuid);
        tagged.push((tag.len() as u8) << 1);
        tagged.extend_from_slice(tag.as_bytes());
        tagged.extend_from_slice(&1u64.to_le_bytes());
        tagged.extend_from_slice(&first.to_le_bytes());
        tagged.extend_from_slice(&end.to_le_bytes());
    }
    assert_eq!(GtidSet::decode(&tagged).unwrap().to_string(), format!("{A}:1-2:abc:7"));
    assert!(GtidSet::decode(&tagged[..tagged.len() - 1]).is_err());
}

#[test]
fn mariadb_positions_go_by_domain() {
    let mut position = GtidPosition::parse("0-1-5,1-2-7").unwrap();
    let gtid = |text| gtid_mariadb::Gtid::parse(text).unwrap();
    assert!(position.contains(&gtid("0-1-5")) && position.contains(&gtid("0-9-4")));
    assert!(!position.contains(&gtid("0-1-6")) && !position.contains(&gtid("2-1-1")));
    position.add(&gtid("0-3-6"));
    position.add(&gtid("7-1-1"));
    assert_eq!(position.to_string(), "0-3-6,1-2-7,7-1-1");
    assert!(GtidPosition::parse("0-1-6").unwrap().is_subset(&position));
    assert!(!GtidPosition::parse("0-1-7").unwrap().is_subset(&position));
    assert!(!GtidPosition::parse("3-1-1").unwrap().is_subset(&position));
    assert!(GtidPosition::parse("").unwrap().is_subset(&position));
    for wrong in ["0-1", "0-1-x", "0-1-2-3", "-1-2", "0--2", "4294967296-1-1", "0-1-+2"] {
        assert!(GtidPosition::parse(wrong).is_err(), "{wrong}");
    }
    let mut list = 3u32.to_le_bytes().to_vec();
    for (domain, server, number) in [(0u32, 2u32, 9u64), (0, 1, 4), (5, 1, 2)] {
        list.extend_from_slice(&domain.to_le_bytes());
        list.extend_from_slice(&server.to_le_bytes());
        list.extend_from_slice(&number.to_le_bytes());
    }
    assert_eq!(GtidPosition::decode(&list).unwrap().to_string(), "0-1-4,5-1-2");
}

fn tsid(n: u8) -> Tsid {
    Tsid { uuid: [n / 2; 16], tag: if n.is_multiple_of(2) { String::new() } else { "t".to_owned() } }
}

fn ranges() -> impl Strategy<Value = Vec<(u8, u64, u64)>> {
    prop::collection::vec((0..4u8, 1..60u64, 0..12u64), 0..25)
}

fn both(ranges: &[(u8, u64, u64)]) -> (GtidSet, BTreeSet<(Tsid, u64)>) {
    let (mut set, mut model) = (GtidSet::default(), BTreeSet::new());
    for (source, first, more) in ranges {
        set.add_range(&tsid(*source), *first, first + more);
        model.extend((*first..=first + more).map(|n| (tsid(*source), n)));
    }
    (set, model)
}

proptest! {
    #[test]
    fn sets_of_gtids_are_sets(a in ranges(), b in ranges()) {
        let ((set_a, model_a), (set_b, model_b)) = (both(&a), both(&b));
        for source in 0..4 {
            for number in 1..75 {
                let gtid = Gtid { tsid: tsid(source), number };
                prop_assert_eq!(set_a.contains(&gtid), model_a.contains(&(tsid(source), number)));
            }
        }
        prop_assert_eq!(set_a.is_subset(&set_b), model_a.is_subset(&model_b));
        let mut merged = set_a.clone();
        merged.merge(&set_b);
        let joined: BTreeSet<_> = model_a.union(&model_b).cloned().collect();
        let mut one_by_one = GtidSet::default();
        for (tsid, number) in &joined {
            one_by_one.add(&Gtid { tsid: tsid.clone(), number: *number });
        }
        prop_assert_eq!(&merged, &one_by_one);
        prop_assert!(set_a.is_subset(&merged) && set_b.is_subset(&merged));
        prop_assert_eq!(GtidSet::parse(&merged.to_string()).unwrap(), merged);
    }
}
