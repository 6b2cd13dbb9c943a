//! Receivers that are not there, do not answer, answer something else than HTTP or break off: all of it is tried again,
//! and what was taken beside it counts.

use std::time::Duration;

use syncline_engine::error::Kind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::receiver::{Receiver, say};
use super::*;

/// A port that nobody listens on.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn nobody_listens() {
    let mut connection = connection(&format!("{}/in", nobody()).replace("://", "://me:hunter22@"));
    connection.options.requests = Some(1);
    let sink = sink(&connection);
    let outcomes = apply(&sink, &[change("/1", "1", 1), change("/2", "2", 2)]).await;
    assert_eq!((words(&outcomes), code(&outcomes[1])), (vec!["retry"; 2], Code::Unreachable));
    let probe = sink.probe().await.unwrap_err();
    assert_eq!((probe.code(), probe.kind()), (Code::Unreachable, Kind::Retry));
    assert_eq!(sink.check().await.unwrap()[0].code(), Code::Unreachable);
    for error in [error(&outcomes[0]), &probe] {
        let text = error.to_string();
        assert!(text.contains("http://127.0.0.1:") && !text.contains("hunter22"), "{text}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_tried_again_and_its_neighbours_count() {
    let receiver = Receiver::start(|got| match (&got.json()["data"]["after"]["n"], got.attempt) {
        (n, 1) if *n == 1 => say(200).after(Duration::from_secs(30)),
        _ => say(200),
    });
    let mut connection = connection(&receiver.url());
    connection.options.request_timeout = Duration::from_secs(2);
    let sink = sink(&connection);
    let deliveries = [change("/slow", "1", 1), change("/quick", "2", 2), change("/slow", "1", 3)];
    let outcomes = apply(&sink, &deliveries).await;
    assert_eq!(words(&outcomes), ["retry", "applied", "retry"]);
    assert_eq!(code(&outcomes[0]), Code::Interrupted);
    assert!(error(&outcomes[0]).message().contains("did not answer within 2s"), "{:?}", outcomes[0]);
    assert_eq!(sink.probe().await.err().map(|e| e.to_string()), None, "it answers at all");
    assert_eq!(words(&apply(&sink, &[deliveries[0].clone(), deliveries[2].clone()]).await), ["applied"; 2]);
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        drop(stream);
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        stream.write_all(b"this is no HTTP\r\n\r\n").await.unwrap();
    });
    let sink = sink(&connection(&url));
    for _ in 0..2 {
        let outcomes = apply(&sink, &[change("/in", "1", 1)]).await;
        assert_eq!((words(&outcomes), code(&outcomes[0])), (vec!["retry"], Code::Interrupted));
    }
    serve.await.unwrap();
}

#[tokio::test]
async fn an_answer_that_breaks_off_behind_its_status_counts() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await.unwrap();
    });
    assert_eq!(words(&apply(&sink(&connection(&url)), &[change("/in", "1", 1)]).await), ["applied"]);
    serve.await.unwrap();
}

#[tokio::test]
async fn tls_to_a_receiver_without_it_is_found_at_the_start() {
    let receiver = Receiver::start(|_| say(200));
    let sink = sink(&connection(&receiver.url().replace("http://", "https://")));
    let probe = sink.probe().await.unwrap_err();
    assert_eq!((probe.code(), probe.kind()), (Code::Tls, Kind::Config));
    assert_eq!(sink.check().await.unwrap()[0].code(), Code::Tls);
    let outcomes = apply(&sink, &[change("/in", "1", 1)]).await;
    assert_eq!((words(&outcomes), code(&outcomes[0])), (vec!["retry"], Code::Tls), "the probe then halts");
}

#[tokio::test]
async fn any_answer_at_all_proves_that_it_is_there() {
    let receiver = Receiver::start(|_| say(200));
    let sink = sink_to(&receiver);
    sink.probe().await.unwrap();
    assert_eq!((receiver.probes(), receiver.got().len()), (1, 0), "and no message was sent for it");
    sink.close().await.unwrap();
}
