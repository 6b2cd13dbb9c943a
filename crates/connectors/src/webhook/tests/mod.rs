//! The sink against a receiver that checks every request with code of its own. Faults that a server of ours can show are
//! shown by it; nothing here pretends to be a vendor's service.

mod answers;
mod config;
mod faults;
mod messages;
mod order;
#[path = "../../../../../tests/receiver/mod.rs"]
mod receiver;

use std::sync::Arc;

use bytes::Bytes;
use receiver::{Receiver, SECRET};
use syncline_engine::change::Operation;
use syncline_engine::error::{Code, Error};
use syncline_engine::route::{TargetKind, TargetPlan};
use syncline_engine::sink::{Body, Delivery, Outcome, Sink};
use syncline_engine::version::Version;

use super::WebhookSink;
use crate::connection::ConnectionSpec;
use crate::testing;

/// A connection to this URL that signs with the receiver's secret.
fn connection(url: &str) -> ConnectionSpec {
    let mut connection = testing::connection("hook", url);
    connection.options.secret = Some(SECRET.to_owned());
    connection
}

fn sink(connection: &ConnectionSpec) -> WebhookSink {
    super::sink(connection, &testing::pipeline("shop", vec![])).unwrap()
}

fn sink_to(receiver: &Receiver) -> WebhookSink {
    sink(&connection(&receiver.url()))
}

fn plan() -> Arc<TargetPlan> {
    testing::plan(testing::target(TargetKind::Webhook, "hook", "/orders/{key}"))
}

/// An update of the row `id` as the route would deliver it to `url`.
fn change(url: &str, id: &str, number: u64) -> Delivery {
    written(url, id, number, Operation::Update, &format!("{{\"n\":{number}}}"))
}

fn written(url: &str, id: &str, number: u64, operation: Operation, after: &str) -> Delivery {
    let version = Version::from_number(0, number);
    let line = format!(
        "{{\"table\":\"shop.orders\",\"op\":\"{}\",\"key\":{{\"id\":\"{id}\"}},\"before\":null,\"after\":{after},\
         \"version\":\"{version}\",\"committed_at\":\"2026-01-31T12:00:00.123Z\",\
         \"source\":{{\"server_id\":1,\"file\":\"a\",\"pos\":{number},\"gtid\":null}}}}",
        operation.name()
    );
    testing::delivery(&plan(), (url, id), Body::Line(Bytes::from(line)), "shop.orders", operation, version)
}

async fn apply(sink: &WebhookSink, deliveries: &[Delivery]) -> Vec<Outcome> {
    let outcomes = sink.apply(deliveries).await.unwrap();
    assert_eq!(outcomes.len(), deliveries.len());
    outcomes
}

/// Outcomes as words.
fn words(outcomes: &[Outcome]) -> Vec<&'static str> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Applied => "applied",
        Outcome::Superseded => "superseded",
        Outcome::Retry(_) => "retry",
        Outcome::Refused(_) => "refused",
    };
    outcomes.iter().map(word).collect()
}

#[track_caller]
fn error(outcome: &Outcome) -> &Error {
    match outcome {
        Outcome::Retry(error) | Outcome::Refused(error) => error,
        other => panic!("{other:?} is no error"),
    }
}

fn code(outcome: &Outcome) -> Code {
    error(outcome).code()
}
