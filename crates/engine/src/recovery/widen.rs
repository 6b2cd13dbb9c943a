//! More requests at once while a pipeline is behind, up to the bound that the file sets, and the usual number once it has caught up. Which
//! lane takes what is the queue's, so no two requests ever hold one address.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::pipeline::{Shared, lag};

/// How often the lag is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// What the audit calls the cause.
const CAUSE: &str = "behind";

/// Until it is dropped.
pub(super) async fn run(shared: &Arc<Shared>) {
    let Some(widen) = shared.spec.recovery.widen else { return std::future::pending().await };
    let mut wide = false;
    loop {
        tokio::time::sleep(LOOK).await;
        let lag = lag(shared);
        let change = match wide {
            false if lag > widen.behind.as_secs_f64() => Some(true),
            // Not as soon as it is less: it would go to and fro.
            true if lag < widen.behind.as_secs_f64() / 2.0 => Some(false),
            _ => None,
        };
        if let Some(now) = change {
            wide = now;
            if let Err(error) = set(shared, wide).await {
                tracing::warn!(pipeline = shared.spec.name, "{error}: a step is not in the audit");
            }
        }
    }
}

async fn set(shared: &Shared, wide: bool) -> Result<()> {
    for port in shared.ports() {
        if port.set_wide(wide) {
            let step = if wide { "widen" } else { "narrow" };
            shared.recovery.tell(CAUSE, &port.name, step, None).await?;
        }
    }
    Ok(())
}
