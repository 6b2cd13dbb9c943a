//! Every way in which a chain can be other than it was written, and that none goes unseen.

use super::*;

fn record(n: i64) -> AuditRecord {
    AuditRecord {
        at: 1000 + n,
        actor: "ops".to_owned(),
        action: "pause".to_owned(),
        pipeline: "shop".to_owned(),
        detail: format!("{{\"n\":{n}}}"),
    }
}

fn chain(entries: i64) -> AuditChain {
    let mut chain = AuditChain { entries: Vec::new(), head: Some(AuditHead::beginning()) };
    for n in 1..=entries {
        let entry = AuditEntry::after(chain.head.as_ref().unwrap(), record(n));
        chain.head = Some(entry.head());
        chain.entries.push(entry);
    }
    chain
}

fn wrong(chain: &AuditChain) -> (i64, FaultKind) {
    let fault = chain.verify(None).unwrap_err();
    (fault.number, fault.kind)
}

/// Makes an entry fit its own hash again, as somebody would who knows how it is made.
fn seal(entry: &mut AuditEntry) {
    entry.hash = hash(entry.number, &entry.record, &entry.previous);
}

#[test]
fn a_chain_that_nobody_touched_holds() {
    assert_eq!(chain(0).verify(None), Ok(AuditHead::beginning()));
    let five = chain(5);
    assert_eq!(five.verify(None).ok(), five.head);
    assert_eq!(five.entries.iter().map(|e| e.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(five.entries[4].previous, five.entries[3].hash);
}

/// Who checks a chain with another program relies on this form.
#[test]
fn the_form_that_is_hashed_stays() {
    let entry = AuditEntry::after(&AuditHead::beginning(), record(1));
    let mut bytes = Vec::new();
    for field in ["syncline audit 1", BEGINNING, "1", "1001", "ops", "pause", "shop", "{\"n\":1}"] {
        bytes.extend((field.len() as u64).to_be_bytes());
        bytes.extend(field.as_bytes());
    }
    assert_eq!(entry.hash, format!("{:x}", Sha256::digest(&bytes)));
}

#[test]
fn what_moves_from_one_field_to_the_next_changes_the_hash() {
    let before = AuditEntry::after(&AuditHead::beginning(), record(1));
    let moved = AuditRecord { actor: "opsp".to_owned(), action: "ause".to_owned(), ..record(1) };
    assert_ne!(AuditEntry::after(&AuditHead::beginning(), moved).hash, before.hash);
}

#[test]
fn a_change_of_any_field_is_found() {
    let changes: [fn(&mut AuditEntry); 7] = [
        |e| e.record.at += 1,
        |e| e.record.actor.push('x'),
        |e| e.record.action.clear(),
        |e| e.record.pipeline = "other".to_owned(),
        |e| e.record.detail = "null".to_owned(),
        |e| e.previous = BEGINNING.to_owned(),
        |e| e.hash = e.hash.replace(['0', '1', '2'], "3"),
    ];
    for change in changes {
        for n in 2..=5 {
            let mut chain = chain(5);
            change(&mut chain.entries[n - 1]);
            assert_eq!(wrong(&chain), (n as i64, FaultKind::Changed));
        }
    }
}

#[test]
fn a_change_whose_hash_was_made_anew_is_found_by_what_came_after() {
    for n in 1..=5 {
        let mut chain = chain(5);
        let entry = &mut chain.entries[n - 1];
        entry.record.actor = "nobody".to_owned();
        seal(entry);
        assert_eq!(wrong(&chain), (n as i64, FaultKind::Replaced));
    }
    let mut chain = chain(2);
    chain.entries[0].previous = "1".repeat(64);
    seal(&mut chain.entries[0]);
    assert_eq!(wrong(&chain), (1, FaultKind::Changed));
}

#[test]
fn a_dropped_entry_is_missing() {
    for n in 1..=4 {
        let mut chain = chain(5);
        chain.entries.remove(n - 1);
        assert_eq!(wrong(&chain), (n as i64, FaultKind::Missing));
    }
}

#[test]
fn a_dropped_entry_whose_gap_was_closed_is_found() {
    let mut chain = chain(5);
    chain.entries.remove(2);
    for (n, entry) in chain.entries.iter_mut().enumerate() {
        entry.number = n as i64 + 1;
    }
    assert_eq!(wrong(&chain), (3, FaultKind::Changed));
    seal(&mut chain.entries[2]);
    assert_eq!(wrong(&chain), (2, FaultKind::Replaced));
}

#[test]
fn a_dropped_end_is_found_by_the_head() {
    for left in 0..5 {
        let mut chain = chain(5);
        chain.entries.truncate(left);
        assert_eq!(wrong(&chain), (left as i64 + 1, FaultKind::CutOff));
    }
}

#[test]
fn entries_that_changed_places_are_out_of_order() {
    let mut chain = chain(5);
    chain.entries.swap(1, 3);
    assert_eq!(wrong(&chain), (4, FaultKind::OutOfOrder));
    let (second, fourth) = (chain.entries[3].number, chain.entries[1].number);
    (chain.entries[1].number, chain.entries[3].number) = (second, fourth);
    assert_eq!(wrong(&chain), (2, FaultKind::Changed));
}

#[test]
fn an_entry_that_was_put_in_is_found() {
    let forged = |chain: &AuditChain, at: usize| AuditEntry::after(&chain.entries[at - 1].head(), record(77));
    let mut between = chain(5);
    between.entries.insert(2, forged(&between, 2));
    assert_eq!(wrong(&between), (3, FaultKind::OutOfOrder));
    let mut twice = chain(5);
    twice.entries.insert(2, twice.entries[1].clone());
    assert_eq!(wrong(&twice), (2, FaultKind::OutOfOrder));
    let mut behind = chain(5);
    behind.entries.push(forged(&behind, 5));
    assert_eq!(wrong(&behind), (6, FaultKind::Added));
}

#[test]
fn a_head_that_was_touched_is_found() {
    let head = |number, hash: &str| Some(AuditHead { number, hash: hash.to_owned() });
    let whole = chain(3);
    let hash = &whole.head.as_ref().unwrap().hash;
    let cases = [
        (None, (3, FaultKind::NoHead)),
        (head(3, BEGINNING), (3, FaultKind::Replaced)),
        (head(4, hash), (4, FaultKind::CutOff)),
        (head(2, hash), (3, FaultKind::Added)),
        (head(i64::MIN, hash), (1, FaultKind::Added)),
        (head(i64::MAX, hash), (4, FaultKind::CutOff)),
    ];
    for (head, expected) in cases {
        assert_eq!(wrong(&AuditChain { head, ..whole.clone() }), expected);
    }
}

/// What entries and head cannot show: somebody who makes both anew. A head that was noted elsewhere does.
#[test]
fn a_head_that_was_noted_tells_a_chain_that_was_made_anew() {
    let five = chain(5);
    let noted = five.entries[2].head();
    assert!(five.verify(Some(&noted)).is_ok());
    assert!(five.verify(Some(&AuditHead::beginning())).is_ok());
    assert!(chain(3).verify(Some(&noted)).is_ok());
    let cut = chain(2);
    assert!(cut.verify(None).is_ok());
    assert_eq!(cut.verify(Some(&noted)), Err(Fault { number: 3, kind: FaultKind::CutOff }));
    let mut anew = AuditChain { entries: Vec::new(), head: Some(AuditHead::beginning()) };
    for n in [1, 2, 30, 4, 5] {
        let entry = AuditEntry::after(anew.head.as_ref().unwrap(), record(n));
        anew.head = Some(entry.head());
        anew.entries.push(entry);
    }
    assert!(anew.verify(None).is_ok());
    assert_eq!(anew.verify(Some(&noted)), Err(Fault { number: 3, kind: FaultKind::Rewritten }));
}

#[test]
fn a_head_reads_back_from_its_text() {
    let head = chain(3).head.unwrap();
    assert_eq!(head.to_string().parse(), Ok(head.clone()));
    assert_eq!(head.to_string().to_uppercase().parse(), Ok(head.clone()));
    for bad in
        ["", "3", "3:", "3:12", &head.hash, &format!("-1:{}", head.hash), &format!("3:{}g", &head.hash[1..])]
    {
        assert!(bad.parse::<AuditHead>().is_err(), "{bad}");
    }
}

#[test]
fn every_fault_names_its_entry() {
    let kinds = [
        FaultKind::Changed,
        FaultKind::Replaced,
        FaultKind::Missing,
        FaultKind::OutOfOrder,
        FaultKind::CutOff,
        FaultKind::Added,
        FaultKind::NoHead,
        FaultKind::Rewritten,
    ];
    let words: std::collections::BTreeSet<&str> = kinds.iter().map(|kind| kind.word()).collect();
    assert_eq!(words.len(), kinds.len());
    for kind in kinds {
        assert!(Fault { number: 42, kind }.to_string().contains("entry 42"));
    }
}
