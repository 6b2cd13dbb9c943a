//! Alerts by webhook, for those without Prometheus: looks at the pipelines every second and tells each receiver what has begun and what
//! has ended. What trouble is, is `trouble.rs`; what has been told, `memory.rs`; how it gets there, `courier.rs`. No pipeline waits for any of it.

mod courier;
mod memory;
#[cfg(test)]
mod memory_tests;
mod trouble;

pub use courier::Tally;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use syncline_connectors::registry;
use syncline_engine::clock::now_millis;
use syncline_engine::error::Result;
use syncline_engine::pipeline::PipelineHandle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::courier::{Courier, Letter};
use self::memory::{Memory, News};
use crate::assemble;
use crate::config::{Alerts, Config};
use crate::shape::moment;

const LOOK: Duration = Duration::from_secs(1);

/// The receivers of a file, before anything runs. Touches nothing yet.
pub struct Desk {
    couriers: Vec<Courier>,
}

/// While it looks.
pub struct Watching {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Desk {
    /// One without receivers if the file has no `alerts:`.
    pub fn new(config: &Config) -> Result<Desk> {
        let receivers = config.alerts.iter().flat_map(|alerts| &alerts.to);
        let courier = |to: &crate::config::AlertReceiver| {
            let connection = assemble::connection(config, &to.connection)?;
            let notifier = registry::notifier(&connection, &to.path)?;
            Ok(Courier::new(format!("{}{}", to.connection, to.path), notifier))
        };
        Ok(Desk { couriers: receivers.map(courier).collect::<Result<_>>()? })
    }

    /// What became of messages, for the metrics.
    pub fn tallies(&self) -> Vec<Arc<Tally>> {
        self.couriers.iter().map(Courier::tally).collect()
    }

    /// Begins to look.
    pub fn open(self, alerts: Option<Arc<Alerts>>, pipelines: Vec<PipelineHandle>) -> Watching {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            if let Some(alerts) = alerts {
                self.keep(&alerts, &pipelines, stopped).await;
            }
        });
        Watching { stop, task }
    }

    async fn keep(self, alerts: &Alerts, pipelines: &[PipelineHandle], mut stopped: watch::Receiver<bool>) {
        let mut memory = Memory::default();
        loop {
            let ending = *stopped.borrow();
            let statuses: Vec<_> = pipelines.iter().map(PipelineHandle::status).collect();
            let now = now_millis();
            for news in memory.look(alerts, now, &statuses) {
                // What ends with the process is not over.
                if !(ending && news.resolved) {
                    self.tell(alerts, now, &news);
                }
            }
            if ending {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = stopped.wait_for(|stop| *stop) => {}
            }
        }
        for courier in self.couriers {
            courier.end().await;
        }
    }

    fn tell(&self, alerts: &Alerts, now: i64, news: &News) {
        let trouble = &news.trouble;
        let kind = if news.resolved { "alert.resolved" } else { "alert.firing" };
        let (table, target, task) = trouble.place.parts();
        let body = json!({
            "type": kind,
            "timestamp": moment(now),
            "data": {
                "name": trouble.kind.name(),
                "severity": trouble.kind.severity(),
                "pipeline": trouble.pipeline,
                "table": table,
                "target": target,
                "task": task,
                "since": moment(news.since),
                "summary": trouble.summary,
                "runbook": format!("{}/{}.md", alerts.runbooks, trouble.kind.page()),
                "value": trouble.value,
            },
        });
        tracing::info!(
            pipeline = trouble.pipeline,
            alert = trouble.kind.name(),
            "{kind}: {}",
            trouble.summary
        );
        for courier in &self.couriers {
            courier.take(Letter::new(now, body.to_string()));
        }
    }
}

impl Watching {
    /// Looks once more, tells that and gives what waits a moment.
    pub async fn close(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "alerts ended early");
        }
    }
}
