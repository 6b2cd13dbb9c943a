//! Messages of Syncline's own, such as alerts, and what became of one try to send one. Who sends is a connector; queues and tries are
//! the caller's.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use syncline_engine::error::Error;

/// What became of one try.
#[derive(Debug)]
pub enum Told {
    Taken,
    /// It will never be taken.
    Refused(Error),
    /// Not now. `wait`: how long the receiver wants to be left alone.
    Later {
        error: Error,
        wait: Option<Duration>,
    },
}

/// One receiver of messages.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Sends once. `id`: the same at each try of a message, without dots.
    async fn send(&self, id: &str, body: Bytes) -> Told;
}
