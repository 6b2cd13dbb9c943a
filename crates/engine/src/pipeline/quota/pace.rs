//! How far a backfill may read ahead of quotas: what it reads of one tenant must leave room for what the stream brings.

use std::time::Duration;

use crate::pipeline::{Control, Shared, Wish};

const LOOK: Duration = Duration::from_millis(50);

/// Returns once no sink has much held, or the pipeline is to stop.
pub(crate) async fn room_to_read(shared: &Shared, control: &Control) {
    let mut control = control.clone();
    let much = || shared.ports().iter().any(|port| port.gate.as_ref().is_some_and(|gate| gate.much()));
    while control.wish() != Wish::Stop && much() {
        control.sleep(LOOK).await;
    }
}
