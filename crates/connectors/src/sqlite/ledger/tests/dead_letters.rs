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

#[tokio::test]
async fn counts_of_a_settled_letter_are_added_once() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    ledger.add_dead_letters(vec![letter("a", 1), letter("b", 2)]).await.unwrap();
    let key = CountKey { sink: "search".into(), table: "shop.cases".into() };
    let moved = || vec![(key.clone(), Counts { dead: -1, applied: 1, ..Counts::default() })];
    assert_eq!(ledger.remove_dead_letters("shop", &[1], moved()).await.unwrap(), 1);
    assert_eq!(ledger.remove_dead_letters("shop", &[1], moved()).await.unwrap(), 0);
    assert_eq!(ledger.remove_dead_letters("shop", &[1, 2], moved()).await.unwrap(), 1, "one of two is gone");
    assert_eq!(ledger.remove_dead_letters("other", &[2], moved()).await.unwrap(), 0, "another pipeline's");
    let counts = ledger.pipeline("shop").await.unwrap().counts[&key].clone();
    assert_eq!((counts.applied, counts.dead), (1, -1));
    assert_eq!(all(&ledger).await.len(), 1);
    let settle = Commit { settled: vec![2], counts: moved(), ..Commit::default() };
    ledger.commit("shop", settle).await.unwrap();
    assert!(all(&ledger).await.is_empty());
}

#[tokio::test]
async fn letters_that_no_commit_counted_are_forgotten_and_what_they_hid_comes_back() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    let ids = async || all(&ledger).await.into_iter().map(|l| l.id).collect::<Vec<_>>();
    ledger.add_dead_letters(vec![letter("a", 1), letter("b", 2)]).await.unwrap();
    ledger.commit("shop", Commit { parked: vec![1], ..Commit::default() }).await.unwrap();
    assert_eq!(ledger.add_dead_letters(vec![letter("a", 3)]).await.unwrap(), [Parked::ReplacedOlder(3)]);
    assert_eq!(ids().await, [3, 2], "the newer one hides the older one");
    ledger.forget_uncounted_letters("other").await.unwrap();
    assert_eq!(ids().await, [3, 2]);
    ledger.forget_uncounted_letters("shop").await.unwrap();
    assert_eq!(ids().await, [1], "only what was counted is left");
    assert_eq!(ledger.add_dead_letters(vec![letter("a", 3)]).await.unwrap(), [Parked::ReplacedOlder(4)]);
    ledger.commit("shop", Commit { parked: vec![4], ..Commit::default() }).await.unwrap();
    ledger.forget_uncounted_letters("shop").await.unwrap();
    assert_eq!(ids().await, [4]);
    assert_eq!(ledger.remove_dead_letters("shop", &[4], vec![]).await.unwrap(), 1);
    assert!(ids().await.is_empty(), "nothing older stood behind it");
}
