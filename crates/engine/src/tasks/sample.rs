//! Once a minute: how far behind the pipeline was at worst, and how many dead letters wait. For the report, never for what the
//! pipeline does.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::now_millis;
use crate::consistency::Sample;
use crate::pipeline::{Shared, lag, look};

/// How often the lag is looked at.
const LOOK: Duration = Duration::from_secs(1);
const MINUTE: i64 = 60_000;

/// Until it is to stop.
pub(super) async fn run(shared: &Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut sample = of_this_minute();
    loop {
        let stop = tokio::select! {
            () = tokio::time::sleep(LOOK) => false,
            _ = stopped.wait_for(|stop| *stop) => true,
        };
        sample.worst_lag = sample.worst_lag.max((lag(shared) * 1000.0) as u64);
        let next = of_this_minute();
        if stop || next.at != sample.at {
            sample.dead_letters = look(shared).dead_letters;
            write(shared, &sample).await;
            sample = next;
        }
        if stop {
            return;
        }
    }
}

fn of_this_minute() -> Sample {
    let now = now_millis();
    Sample { at: now - now.rem_euclid(MINUTE), ..Sample::default() }
}

async fn write(shared: &Shared, sample: &Sample) {
    if let Err(error) = shared.ledger.add_sample(&shared.spec.name, sample).await {
        tracing::warn!(pipeline = shared.spec.name, "{error}: a minute will be missing in the report");
    }
}
