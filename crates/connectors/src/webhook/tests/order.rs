//! In which order and how many at once: each address in order, different addresses side by side, and what waits when
//! one message must be sent again.

use std::collections::HashMap;
use std::time::Duration;

use super::receiver::{Receiver, say};
use super::*;

fn number(got: &receiver::Got) -> u64 {
    got.json()["data"]["after"]["n"].as_u64().unwrap()
}

/// `n` changes of each row, as they would be captured: the rows take turns.
fn taking_turns(rows: u64, n: u64) -> Vec<Delivery> {
    let numbers = 0..rows * n;
    numbers
        .map(|number| {
            let row = (number % rows).to_string();
            change(&format!("/orders/{row}"), &row, number)
        })
        .collect()
}

fn by_path(got: Vec<receiver::Got>) -> HashMap<String, Vec<u64>> {
    let mut paths: HashMap<String, Vec<u64>> = HashMap::new();
    for got in got {
        let number = number(&got);
        paths.entry(got.path).or_default().push(number);
    }
    paths
}

#[tokio::test]
async fn each_address_in_order_and_no_more_at_once_than_allowed() {
    // Later messages are answered faster: whoever does not wait overtakes.
    let receiver = Receiver::start(|got| say(200).after(Duration::from_millis(20 - number(got) % 20)));
    let mut connection = connection(&receiver.url());
    connection.options.requests = Some(3);
    let sink = sink(&connection);
    let deliveries = taking_turns(7, 10);
    assert_eq!(words(&apply(&sink, &deliveries).await), ["applied"; 70]);
    let paths = by_path(receiver.got());
    assert_eq!(paths.len(), 7);
    for (path, numbers) in paths {
        assert!(numbers.len() == 10 && numbers.is_sorted(), "{path}: {numbers:?}");
    }
    assert_eq!(receiver.most_at_once(), (3, 1));
}

#[tokio::test]
async fn eight_at_once_unless_said_otherwise_and_rows_of_one_url_too() {
    let receiver = Receiver::start(|_| say(200).after(Duration::from_millis(30)));
    let sink = sink_to(&receiver);
    let deliveries: Vec<Delivery> = (0..20).map(|n| change("/in", &n.to_string(), n)).collect();
    apply(&sink, &deliveries).await;
    assert_eq!(receiver.most_at_once(), (8, 8));
}

#[tokio::test]
async fn what_follows_a_retry_waits_and_other_addresses_go_on() {
    let receiver = Receiver::start(|got| match (&*got.path, number(got), got.attempt) {
        ("/orders/1", 4, 1) => say(500),
        _ => say(200),
    });
    let sink = sink_to(&receiver);
    // Row 1 has the numbers 1, 4, 7 and 10.
    let deliveries = taking_turns(3, 4);
    let outcomes = apply(&sink, &deliveries).await;
    let again: Vec<usize> = (0..12).filter(|n| matches!(outcomes[*n], Outcome::Retry(_))).collect();
    assert_eq!(again, [4, 7, 10]);
    assert_eq!(code(&outcomes[7]), Code::WebhookFailed);
    assert_eq!(by_path(receiver.taken())["/orders/1"], [1]);
    let rest: Vec<Delivery> = again.iter().map(|n| deliveries[*n].clone()).collect();
    let requests = receiver.got().len();
    assert_eq!(words(&apply(&sink, &rest).await), ["retry"; 3], "not at once");
    assert_eq!(receiver.got().len(), requests);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(words(&apply(&sink, &rest).await), ["applied"; 3]);
    assert_eq!(by_path(receiver.taken())["/orders/1"], [1, 4, 7, 10]);
}

#[tokio::test]
async fn an_address_that_fails_is_asked_less_and_less() {
    let receiver = Receiver::start(|got| say(if got.attempt < 4 { 500 } else { 200 }));
    let sink = sink_to(&receiver);
    let deliveries = [change("/orders/1", "1", 1)];
    while words(&apply(&sink, &deliveries).await) != ["applied"] {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let times: Vec<_> = receiver.got().iter().map(|got| got.at).collect();
    let gaps: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let least = [45, 95, 195].map(Duration::from_millis);
    assert!(gaps.len() == 3 && gaps.iter().zip(least).all(|(gap, least)| *gap >= least), "{gaps:?}");
    assert_eq!(words(&apply(&sink, &[change("/orders/1", "1", 2)]).await), ["retry"], "it begins anew");
}

#[tokio::test]
async fn what_is_refused_holds_up_nothing() {
    let receiver = Receiver::start(|got| say(if number(got) == 4 { 422 } else { 200 }));
    let outcomes = apply(&sink_to(&receiver), &taking_turns(3, 4)).await;
    let expected: Vec<&str> = (0..12).map(|n| if n == 4 { "refused" } else { "applied" }).collect();
    assert_eq!(words(&outcomes), expected);
}

#[tokio::test]
async fn another_try_has_the_same_id_and_body_and_a_fresh_timestamp() {
    let receiver = Receiver::start(|got| say(if got.attempt == 1 { 500 } else { 200 }));
    let sink = sink_to(&receiver);
    let deliveries = [change("/orders/1", "1", 1)];
    assert_eq!(words(&apply(&sink, &deliveries).await), ["retry"]);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(words(&apply(&sink, &deliveries).await), ["applied"]);
    let got = receiver.got();
    assert_eq!((&got[0].id, &got[0].body), (&got[1].id, &got[1].body));
    assert!(got[1].timestamp > got[0].timestamp, "{} {}", got[0].timestamp, got[1].timestamp);
    let signature = |n: usize| got[n].headers["webhook-signature"].clone();
    assert_ne!(signature(0), signature(1), "the receiver checked both");
}
