//! Dead letters: one per address, the newest stays; settled together with their counts or not at all.

use syncline_engine::ledger::{Commit, CountKey, Counts, DeadLetter, DeadLetterFilter, Ledger, Parked};

use super::{letter, open};

async fn all(ledger: &impl Ledger) -> Vec<DeadLetter> {
    ledger.dead_letters(&DeadLetterFilter::default()).await.unwrap()
}

#[tokio::test]
async fn of_two_letters_at_one_address_the_newer_stays() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    let park = async |l: DeadLetter| ledger.add_dead_letters(vec![l]).await.unwrap()[0];
    let Parked::New(first) = park(letter("a", 5)).await else { panic!("the address was free") };
    assert_eq!(park(letter("a", 5)).await, Parked::Again(first));
    assert_eq!(park(letter("a", 4)).await, Parked::Older(first));
    let Parked::ReplacedOlder(second) = park(letter("a", 6)).await else { panic!("6 is newer than 5") };
    assert!(second > first, "a newer change has an id of its own");
    let stored = all(&ledger).await;
    let expected = DeadLetter { id: second, attempts: 3, first_at: 1005, last_at: 1006, ..letter("a", 6) };
    assert_eq!(stored, [expected]);
}

#[tokio::test]
async fn the_same_address_at_another_sink_or_pipeline_is_another_letter() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    let other_sink = DeadLetter { sink: "hot".into(), ..letter("a", 5) };
    let other_pipeline = DeadLetter { pipeline: "two".into(), ..letter("a", 5) };
    let parked = ledger.add_dead_letters(vec![letter("a", 5), other_sink, other_pipeline]).await.unwrap();
    assert!(parked.iter().all(|p| matches!(p, Parked::New(_))), "{parked:?}");
    assert_eq!(all(&ledger).await.len(), 3);
}

#[tokio::test]
async fn filters_select_and_limit() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    let mut letters: Vec<DeadLetter> = (0..5).map(|n| letter(&n.to_string(), 9 - n)).collect();
    letters[3].table = "shop.other".into();
    letters[4].error = "SYN-1608".into();
    ledger.add_dead_letters(letters).await.unwrap();
    let list = async |filter: DeadLetterFilter| -> Vec<String> {
        ledger.dead_letters(&filter).await.unwrap().into_iter().map(|l| l.address_id).collect()
    };
    assert_eq!(list(DeadLetterFilter::default()).await, ["4", "3", "2", "1", "0"]);
    assert_eq!(list(DeadLetterFilter { limit: 2, ..Default::default() }).await, ["4", "3"]);
    assert_eq!(
        list(DeadLetterFilter { table: Some("shop.other".into()), ..Default::default() }).await,
        ["3"]
    );
    assert_eq!(list(DeadLetterFilter { error: Some("SYN-1608".into()), ..Default::default() }).await, ["4"]);
    assert_eq!(list(DeadLetterFilter { id: Some(1), ..Default::default() }).await, ["0"]);
    assert!(list(DeadLetterFilter { pipeline: Some("other".into()), ..Default::default() }).await.is_empty());
    assert!(list(DeadLetterFilter { sink: Some("hot".into()), ..Default::default() }).await.is_empty());
}

fn key() -> CountKey {
    CountKey { sink: "search".into(), table: "shop.cases".into() }
}

fn parked(id: i64) -> Commit {
    Commit { parked: vec![(key(), id)], ..Commit::default() }
}

#[tokio::test]
async fn each_letter_moves_the_counters_once() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    ledger.add_dead_letters(vec![letter("a", 1), letter("b", 2), letter("c", 3)]).await.unwrap();
    let moved = ledger.commit("shop", parked(1)).await.unwrap();
    assert_eq!(moved, [(key(), Counts { dead: 1, ..Counts::default() })]);
    let again = ledger.commit("shop", parked(1)).await.unwrap();
    assert_eq!(again, [(key(), Counts { superseded: 1, ..Counts::default() })], "the same change once more");
    let settle = || Commit { settled: vec![1, 2], redriven: vec![3], ..Commit::default() };
    let moved = ledger.commit("shop", settle()).await.unwrap();
    assert_eq!(
        moved,
        [(key(), Counts { dead: -1, superseded: 1, ..Counts::default() })],
        "2 and 3 never counted"
    );
    assert!(ledger.commit("shop", settle()).await.unwrap().is_empty());
    let late = ledger.commit("shop", parked(2)).await.unwrap();
    assert_eq!(
        late,
        [(key(), Counts { superseded: 1, ..Counts::default() })],
        "overtaken before it was counted"
    );
    let counts = ledger.pipeline("shop").await.unwrap().counts[&key()].clone();
    assert_eq!((counts.dead, counts.superseded, counts.applied), (0, 3, 0));
    assert!(all(&ledger).await.is_empty());
}

#[tokio::test]
async fn a_redriven_letter_counts_as_applied() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    ledger.add_dead_letters(vec![letter("a", 1)]).await.unwrap();
    ledger.commit("shop", parked(1)).await.unwrap();
    ledger.commit("other", Commit { redriven: vec![1], ..Commit::default() }).await.unwrap();
    assert_eq!(all(&ledger).await.len(), 1, "another pipeline's");
    ledger.commit("shop", Commit { redriven: vec![1], ..Commit::default() }).await.unwrap();
    let counts = ledger.pipeline("shop").await.unwrap().counts[&key()].clone();
    assert_eq!((counts.dead, counts.applied), (0, 1));
}

#[tokio::test]
async fn letters_that_no_commit_counted_are_forgotten_and_what_they_hid_comes_back() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    let ids = async || all(&ledger).await.into_iter().map(|l| l.id).collect::<Vec<_>>();
    ledger.add_dead_letters(vec![letter("a", 1), letter("b", 2)]).await.unwrap();
    ledger.commit("shop", parked(1)).await.unwrap();
    assert_eq!(ledger.add_dead_letters(vec![letter("a", 3)]).await.unwrap(), [Parked::ReplacedOlder(3)]);
    assert_eq!(ids().await, [3, 2], "the newer one hides the older one");
    ledger.forget_uncounted_letters("other").await.unwrap();
    assert_eq!(ids().await, [3, 2]);
    ledger.forget_uncounted_letters("shop").await.unwrap();
    assert_eq!(ids().await, [1], "only what was counted is left");
    assert_eq!(ledger.add_dead_letters(vec![letter("a", 3)]).await.unwrap(), [Parked::ReplacedOlder(4)]);
    ledger.commit("shop", parked(4)).await.unwrap();
    ledger.forget_uncounted_letters("shop").await.unwrap();
    assert_eq!(ids().await, [4]);
    ledger.commit("shop", Commit { settled: vec![4], ..Commit::default() }).await.unwrap();
    assert!(ids().await.is_empty(), "nothing older stood behind it");
}
