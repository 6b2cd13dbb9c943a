//! Whose turn it is among the dead letters, what they have in common, and who takes care of them.

use std::time::Duration;

use syncline_engine::ledger::{
    AuditRecord, Commit, CountKey, DeadLetter, DeadLetterFilter, Ledger, LetterState, Parked, RefusedAgain,
    Retry, StateChange, Turn, next_letters,
};

use super::{letter, open};
use crate::sqlite::ledger::schema::{APPLICATION, MIGRATIONS};
use crate::sqlite::ledger::{FILE, SqliteLedger};

/// Two letters, refused first at 1001 and 1002, counted.
async fn two(ledger: &SqliteLedger) {
    ledger.add_dead_letters(vec![letter("a", 1), letter("b", 2)]).await.unwrap();
    let key = CountKey { sink: "search".into(), table: "shop.cases".into() };
    let parked = vec![(key.clone(), 1), (key, 2)];
    ledger.commit("shop", Commit { parked, ..Commit::default() }).await.unwrap();
}

async fn refuse(ledger: &SqliteLedger, id: i64, at: i64) {
    let (error, message) = ("SYN-1601".to_owned(), format!("no 'x' in line {at}"));
    let refusal = RefusedAgain { pipeline: "shop".into(), id, at, error, message };
    ledger.refused_again(vec![refusal]).await.unwrap();
}

async fn turn(ledger: &SqliteLedger, turn: Turn) -> Vec<i64> {
    let filter = DeadLetterFilter { turn: Some(turn), ..Default::default() };
    ledger.dead_letters(&filter).await.unwrap().iter().map(|l| l.id).collect()
}

fn due(now: i64) -> Turn {
    let delay = Duration::from_millis;
    Turn::Due { retry: Retry { most_attempts: 6, first_delay: delay(100), longest_delay: delay(350) }, now }
}

fn change(ids: &[i64], state: LetterState, only_waiting: bool) -> StateChange {
    let audit = AuditRecord::now("me", "test", "shop", &());
    StateChange { pipeline: "shop".into(), ids: ids.to_vec(), state, only_waiting, audit }
}

#[tokio::test]
async fn delays_double_up_to_the_longest_and_end_at_the_limit() {
    let data = tempfile::tempdir().unwrap();
    let mut ledger = open(data.path());
    two(&ledger).await;
    assert_eq!(turn(&ledger, due(1100)).await, [0; 0]);
    assert_eq!((turn(&ledger, due(1101)).await, turn(&ledger, due(1102)).await), (vec![1], vec![1, 2]));
    for (attempts, delay) in [(2, 200), (3, 350), (4, 350), (5, 350)] {
        let at = 10_000 * attempts;
        refuse(&ledger, 1, at).await;
        // Another process goes on where this one was.
        drop(ledger);
        ledger = open(data.path());
        assert_eq!(turn(&ledger, due(at + delay - 1)).await, [2], "{attempts}");
        assert_eq!(turn(&ledger, due(at + delay)).await, [1, 2], "{attempts}");
    }
    refuse(&ledger, 1, 60_000).await;
    assert_eq!(turn(&ledger, due(i64::MAX)).await, [2]);
    assert_eq!(turn(&ledger, Turn::Spent { most_attempts: 6 }).await, [1]);
    let huge = Retry { most_attempts: u32::MAX, first_delay: Duration::MAX, longest_delay: Duration::MAX };
    assert_eq!(turn(&ledger, Turn::Due { retry: huge, now: 70_000 }).await, [0; 0]);
}

#[tokio::test]
async fn a_letter_without_a_checkpoint_or_with_a_person_has_no_turn() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    two(&ledger).await;
    ledger.add_dead_letters(vec![letter("c", 3)]).await.unwrap();
    assert_eq!(turn(&ledger, Turn::Any).await, [1, 2]);
    let note = || LetterState::Manual("waiting for the schema team".into());
    assert_eq!(ledger.set_letter_state(&change(&[1, 99], note(), false)).await.unwrap(), [1]);
    assert_eq!(turn(&ledger, due(i64::MAX)).await, [2]);
    assert!(
        ledger
            .set_letter_state(&change(&[1], LetterState::Manual("given up".into()), true))
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        ledger.set_letter_state(&change(&[1], note(), false)).await.unwrap().is_empty(),
        "it is that already"
    );
    assert_eq!(ledger.audits().await.unwrap().entries.len(), 1, "what changes nothing is no entry");
    // A newer change that is refused at its place is still that person's, with the attempts of both.
    for at in 0..5 {
        refuse(&ledger, 1, at).await;
    }
    assert_eq!(ledger.add_dead_letters(vec![letter("a", 9)]).await.unwrap(), [Parked::ReplacedOlder(4)]);
    let filter = DeadLetterFilter { id: Some(4), ..Default::default() };
    let found = ledger.dead_letters(&filter).await.unwrap();
    assert_eq!((&found[0].state, found[0].attempts), (&note(), 7));
    let key = CountKey { sink: "search".into(), table: "shop.cases".into() };
    ledger.commit("shop", Commit { parked: vec![(key, 4)], ..Commit::default() }).await.unwrap();
    assert_eq!(ledger.set_letter_state(&change(&[4], LetterState::Waiting, false)).await.unwrap(), [4]);
    assert_eq!(
        turn(&ledger, due(1009)).await,
        [4],
        "given back, it has all its attempts, and the first at once"
    );
}

#[tokio::test]
async fn letters_are_grouped_by_cause_and_read_in_pages() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    let made = |n: u64| DeadLetter {
        message: format!("no '{n}' in line {n}"),
        tenant: Some(format!("t{}", n % 2)),
        ..letter(&n.to_string(), n)
    };
    let mut letters: Vec<DeadLetter> = (0..1200).map(made).collect();
    letters[7].message = "something else".into();
    ledger.add_dead_letters(letters).await.unwrap();
    let all = DeadLetterFilter::default();
    let groups = ledger.dead_letter_groups(&all).await.unwrap();
    let found: Vec<_> =
        groups.iter().map(|g| (&*g.cause, g.letters, g.oldest, g.newest, g.example)).collect();
    assert_eq!(found, [("no \"…\" in line #", 1199, 1000, 2199, 1), ("something else", 1, 1007, 1007, 8)]);
    let odd = DeadLetterFilter { tenant: Some("t1".into()), limit: 1, ..all.clone() };
    assert_eq!(ledger.dead_letter_groups(&odd).await.unwrap()[0].letters, 599);
    assert_eq!(ledger.count_dead_letters(&odd).await.unwrap(), 600);
    let (mut filter, mut pages, mut ids) = (all, Vec::new(), Vec::new());
    loop {
        let page = next_letters(&ledger, &mut filter).await.unwrap();
        if page.is_empty() {
            break;
        }
        pages.push(page.len());
        ids.extend(page.iter().map(|l| l.id));
    }
    assert_eq!((pages, ids), (vec![500, 500, 200], (1..=1200).collect::<Vec<i64>>()));
    assert!(ledger.dead_letter_codes("shop", 9).await.unwrap().is_empty(), "none counts as dead yet");
}

#[tokio::test]
async fn letters_of_an_older_layout_get_their_cause() {
    let data = tempfile::tempdir().unwrap();
    let c = rusqlite::Connection::open(data.path().join(FILE)).unwrap();
    // The last layout without causes.
    let before = 6;
    MIGRATIONS[..before].iter().for_each(|step| step(&c).unwrap());
    c.pragma_update(None, "application_id", APPLICATION).unwrap();
    c.pragma_update(None, "user_version", before as i64).unwrap();
    let sql = "INSERT INTO dead_letter (pipeline, sink, table_name, target, address_target, address_id, key, error,
        message, attempts, first_at, last_at, version, change, original)
        SELECT 'shop', 'hot', 't', 'hot', 'a', value, '{}', 'SYN-1601', 'bad ' || value, 1, 1, 1, 1, '{}', x'00'
        FROM (WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 1500)
            SELECT value FROM n)";
    c.execute_batch(sql).unwrap();
    drop(c);
    let ledger = open(data.path());
    let groups = ledger.dead_letter_groups(&DeadLetterFilter::default()).await.unwrap();
    assert_eq!((groups.len(), &*groups[0].cause, groups[0].letters), (1, "bad #", 1500));
}
