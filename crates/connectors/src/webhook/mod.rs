//! Webhooks: each change as one signed HTTP request in the form of Standard Webhooks, to an address that the row names.
//! What a change line is comes from the engine's routes; nothing here looks further into one than its first words.
//!
//! # Order and repetition
//!
//! A receiver cannot compare versions for us, so nothing is coalesced and every change is sent. Requests to one address
//! (a URL and a key) follow each other: the next is sent once the one before was taken or refused for good. Different
//! addresses go out side by side. A change may come again after a restart, then with the same `webhook-id`, by which a
//! receiver tells it; rows that were read anew (backfill, redrive) are new messages.

mod answer;
mod client;
mod config;
mod message;
mod notice;
mod pause;
mod sign;
mod sink;
#[cfg(test)]
mod tests;

pub use sink::WebhookSink;
use syncline_engine::error::Result;
use syncline_engine::route::PipelineSpec;

use crate::connection::ConnectionSpec;

/// The sink of an `http:` or `https:` connection. Touches nothing yet.
pub fn sink(connection: &ConnectionSpec, pipeline: &PipelineSpec) -> Result<WebhookSink> {
    WebhookSink::new(config::Config::new(connection)?, &pipeline.name)
}

/// Who sends Syncline's own messages to an `http:` or `https:` connection. Touches nothing yet.
pub fn notifier(connection: &ConnectionSpec, path: &str) -> Result<impl crate::notice::Notifier + use<>> {
    notice::WebhookNotifier::new(config::Config::new(connection)?, path)
}

/// Whether the connection is written well; nothing is connected.
pub fn lint(connection: &ConnectionSpec) -> Result<()> {
    config::Config::new(connection).map(drop)
}
