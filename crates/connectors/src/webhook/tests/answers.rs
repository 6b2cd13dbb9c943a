//! What each answer leads to, and what of it is shown.

use std::time::{Duration, Instant};

use axum::body::{Body as Stream, Bytes as Piece};
use syncline_engine::error::Kind;

use super::receiver::{Receiver, say};
use super::*;

#[tokio::test]
async fn every_status_has_its_meaning() {
    let receiver = Receiver::start(|got| {
        let status = got.path.trim_start_matches('/').parse().unwrap();
        say(status).body("because")
    });
    let cases: [(u16, &str, Option<Code>); 19] = [
        (200, "applied", None),
        (202, "applied", None),
        (299, "applied", None),
        (301, "refused", Some(Code::WebhookMoved)),
        (304, "refused", Some(Code::WebhookMoved)),
        (400, "refused", Some(Code::WebhookRefused)),
        (401, "retry", Some(Code::WebhookDenied)),
        (403, "retry", Some(Code::WebhookDenied)),
        (404, "refused", Some(Code::WebhookRefused)),
        (408, "retry", Some(Code::Overloaded)),
        (409, "refused", Some(Code::WebhookRefused)),
        (410, "refused", Some(Code::WebhookRefused)),
        (413, "refused", Some(Code::WebhookRefused)),
        (425, "retry", Some(Code::Overloaded)),
        (429, "retry", Some(Code::Overloaded)),
        (500, "retry", Some(Code::WebhookFailed)),
        (502, "retry", Some(Code::WebhookFailed)),
        (503, "retry", Some(Code::Overloaded)),
        (599, "retry", Some(Code::WebhookFailed)),
    ];
    for (status, word, expected) in cases {
        let outcomes = apply(&sink_to(&receiver), &[change(&format!("/{status}"), "1", 1)]).await;
        assert_eq!(words(&outcomes), [word], "{status}");
        if let Some(expected) = expected {
            let error = error(&outcomes[0]);
            assert_eq!(error.code(), expected, "{status}");
            assert!(error.message().ends_with(&format!("the receiver answers {status}")), "{error}");
            let kind = if word == "retry" { Kind::Retry } else { Kind::DeadLetter };
            assert_eq!(error.kind(), kind, "{status}");
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Receiver::with(None, |_| say(200));
    let there = format!("{}/new", elsewhere.url());
    let to = there.clone();
    let receiver = Receiver::start(move |_| say(308).header("location", to.clone()));
    let outcomes = apply(&sink_to(&receiver), &[change("/in", "1", 1)]).await;
    let error = error(&outcomes[0]);
    assert_eq!(
        (error.code(), error.cause_text()),
        (Code::WebhookMoved, Some(&*format!("it leads to {there}")))
    );
    assert_eq!((elsewhere.got().len(), elsewhere.probes()), (0, 0));
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let receiver = Receiver::start(|got| match got.attempt {
        1 => say(429).header("retry-after", "2"),
        _ => say(200),
    });
    let mut connection = connection(&receiver.url());
    connection.options.requests = Some(1);
    let sink = sink(&connection);
    let deliveries = [change("/orders/1", "1", 1), change("/orders/2", "2", 2)];
    let began = Instant::now();
    let outcomes = apply(&sink, &deliveries).await;
    assert_eq!((words(&outcomes), code(&outcomes[1])), (vec!["retry"; 2], Code::Overloaded));
    assert_eq!(receiver.got().len(), 1, "one answer speaks for all that was not sent yet");
    let outcomes = apply(&sink, &deliveries).await;
    assert_eq!(words(&outcomes), ["retry"; 2]);
    assert!(error(&outcomes[0]).message().contains("left alone for"), "{:?}", outcomes[0]);
    let probe = sink.probe().await.unwrap_err();
    assert_eq!((probe.code(), probe.kind()), (Code::Overloaded, Kind::Retry));
    assert_eq!((receiver.got().len(), receiver.probes()), (1, 0), "nothing is sent meanwhile");
    while sink.probe().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    receiver_takes_the_rest(&sink, &deliveries, &receiver).await;
}

async fn receiver_takes_the_rest(sink: &WebhookSink, deliveries: &[Delivery], receiver: &Receiver) {
    assert_eq!(words(&apply(sink, &deliveries[..1]).await), ["applied"]);
    assert_eq!(receiver.taken().len(), 1);
}

#[tokio::test]
async fn a_wrong_password_sends_no_flood_and_parks_nothing() {
    let receiver = Receiver::start(|_| say(401).after(Duration::from_millis(20)));
    let deliveries: Vec<Delivery> = (0..50).map(|n| change("/in", &n.to_string(), n)).collect();
    let outcomes = apply(&sink_to(&receiver), &deliveries).await;
    assert_eq!(words(&outcomes), ["retry"; 50]);
    assert!(receiver.got().len() <= 8, "{}", receiver.got().len());
}

#[tokio::test]
async fn of_an_answer_two_hundred_characters_are_shown_and_no_secrets() {
    let receiver = Receiver::start(|got| {
        let token = got.headers["authorization"].to_str().unwrap();
        say(400).body(format!("  refused:\r\n{token} hunter22 1 {}", "é".repeat(300)))
    });
    let mut connection = connection(&receiver.url().replace("://", "://me:hunter22@"));
    connection.options.headers = vec![("x-key".into(), "Key refused:".into()), ("x-one".into(), "1".into())];
    let outcomes = apply(&sink(&connection), &[change("/in", "1", 1)]).await;
    let shown = error(&outcomes[0]).cause_text().unwrap();
    assert_eq!(shown.chars().count(), 200);
    assert!(shown.starts_with("***  *** *** 1 ééé"), "{shown}");
    let text = format!("{} {:?}", error(&outcomes[0]), connection);
    assert!(!text.contains("hunter22") && !text.contains("Basic"), "{text}");
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let endless = || {
        let piece = |n| std::future::ready(Some((Ok::<_, std::io::Error>(Piece::from(vec![b'x'; 8192])), n)));
        Stream::from_stream(futures_util::stream::unfold((), piece))
    };
    let receiver = Receiver::start(move |got| say(if got.path == "/no" { 400 } else { 200 }).body(endless()));
    let sink = sink_to(&receiver);
    let deliveries = [change("/no", "1", 1), change("/yes", "2", 2), change("/yes", "2", 3)];
    let answered = tokio::time::timeout(Duration::from_secs(20), apply(&sink, &deliveries)).await;
    let outcomes = answered.expect("the sink reads on");
    assert_eq!(words(&outcomes), ["refused", "applied", "applied"]);
    assert_eq!(error(&outcomes[0]).cause_text(), Some(&*"x".repeat(200)));
}

#[test]
fn a_pause_is_read_and_bounded() {
    use crate::webhook::pause::{Pause, retry_after};
    assert_eq!(retry_after(" 7 "), Some(Duration::from_secs(7)));
    assert_eq!(retry_after("soon"), None);
    assert_eq!(retry_after("-1"), None);
    assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), None, "it has passed");
    let far = retry_after("Tue, 01 Jan 2999 00:00:00 GMT").unwrap();
    assert!(far > Duration::from_secs(1 << 32));
    let pause = Pause::default();
    assert_eq!(pause.left(), None);
    pause.begin(far);
    pause.begin(Duration::from_secs(1));
    let left = pause.left().unwrap();
    assert!(left > Duration::from_secs(290) && left <= Duration::from_secs(300), "{left:?}");
}
