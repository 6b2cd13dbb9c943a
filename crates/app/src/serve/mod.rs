//! The HTTP interface of a running process: on `http.listen` if the file asks for it, and always on a socket in the data
//! folder that only the same user can open, so that the other commands reach the process. Pipeline rules stay in the engine.

mod access;
mod consistency;
mod dead_letters;
mod idempotency;
mod letter_care;
mod listen;
mod metrics;
mod pipelines;
mod probes;
mod problem;
mod request;
mod resyncs;
mod router;
pub mod socket;

pub use consistency::{compare, folder as comparison_folder, wanted as comparison};
pub use dead_letters::{discarded, grouped, listed};
pub use letter_care::{no_letter, released, taken};
pub use pipelines::audit;

use std::path::PathBuf;
use std::sync::Arc;

use syncline_engine::error::{Code, Error, Result};
use syncline_engine::ledger::Ledger;
use syncline_engine::pipeline::PipelineHandle;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::access::Door;
use self::consistency::Runs;
use crate::alerts::Tally;
use crate::config::Config;
use crate::resync::Resyncs;

/// What the handlers share.
pub struct Shared {
    /// The pipelines of this process.
    pub pipelines: Vec<PipelineHandle>,
    /// Their book.
    pub ledger: Arc<dyn Ledger>,
    /// Comparisons that were asked for.
    pub runs: Runs,
    /// What became of alerts by webhook, a receiver each.
    pub alerts: Vec<Arc<Tally>>,
    /// Targets that are made anew.
    pub resyncs: Arc<Resyncs>,
}

impl Shared {
    /// A pipeline by name.
    pub fn pipeline(&self, name: &str) -> Result<&PipelineHandle> {
        let known = self.pipelines.iter().map(PipelineHandle::name);
        self.pipelines
            .iter()
            .find(|p| p.name() == name)
            .ok_or_else(|| crate::cli::names::unknown("pipeline", name, known))
    }
}

/// Addresses that are taken, but not answered yet: a bad address is found before anything runs.
pub struct Doors {
    runs: Runs,
    http: Option<(TcpListener, Door)>,
    socket: UnixListener,
    socket_path: PathBuf,
}

/// Takes the addresses.
pub async fn bind(config: &Config) -> Result<Doors> {
    let http = match &config.http {
        None => None,
        Some(http) => {
            if !http.listen.ip().is_loopback() && http.tokens_file.is_none() {
                let message = format!("http.listen {} can be reached from outside", http.listen);
                return Err(Error::new(Code::HttpBind, message)
                    .fix("add `tokens_file:` (lines NAME SCOPES SHA256), or listen on 127.0.0.1"));
            }
            let door = Door::http(http.tokens_file.clone());
            door.check().await?;
            let listener = TcpListener::bind(http.listen).await.map_err(|e| {
                Error::new(Code::HttpBind, format!("http.listen {} cannot be used", http.listen)).cause(e)
            })?;
            Some((listener, door))
        }
    };
    let socket = socket::bind(&config.data)?;
    Ok(Doors { runs: Runs::new(&config.data), http, socket, socket_path: socket::path(&config.data) })
}

/// The interface while it answers.
pub struct Server {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    socket_path: PathBuf,
}

impl Doors {
    /// Begins to answer.
    pub fn open(
        self,
        pipelines: Vec<PipelineHandle>,
        ledger: Arc<dyn Ledger>,
        alerts: Vec<Arc<Tally>>,
        resyncs: Arc<Resyncs>,
    ) -> Server {
        let shared = Arc::new(Shared { pipelines, ledger, runs: self.runs, alerts, resyncs });
        let (stop, stopped) = watch::channel(false);
        let mut tasks = Vec::new();
        let local = router::router(Arc::clone(&shared), Door::Socket);
        tasks.push(tokio::spawn(listen::answer(self.socket, local, stopped.clone())));
        if let Some((listener, door)) = self.http {
            if let Ok(address) = listener.local_addr() {
                tracing::info!("http://{address}");
            }
            let router = router::router(shared, door);
            tasks.push(tokio::spawn(listen::answer(listener, router, stopped)));
        }
        Server { stop, tasks, socket_path: self.socket_path }
    }
}

impl Server {
    /// Takes no more requests and gives those under way a moment.
    pub async fn close(self) {
        // The name goes first: a command that comes now finds no process instead of one that is leaving.
        if let Err(error) = std::fs::remove_file(&self.socket_path) {
            tracing::debug!(%error, "the control socket was gone already");
        }
        self.stop.send_replace(true);
        for task in self.tasks {
            let _ = tokio::time::timeout(std::time::Duration::from_secs(2), task).await;
        }
    }
}
