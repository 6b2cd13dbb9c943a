//! Rows that are read again under a window for one sink, and written there through the lanes. Which rows, and why, is decided
//! elsewhere.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::error::{Code, Error, Result};
use crate::pipeline::{Accepted, Port, Purpose, Request, Shared, Ticket, Unit};
use crate::position::Position;
use crate::schema::TableSchema;
use crate::source::ReadRows;

/// One table at one sink.
pub(super) struct ReadAgain<'a> {
    pub shared: &'a Arc<Shared>,
    pub schema: &'a Arc<TableSchema>,
    /// Columns of the key.
    pub key: &'a [usize],
    pub port: &'a Port,
}

/// A window that is open. Closed when it is dropped, whatever became of the read.
struct Window {
    id: Option<u64>,
    requests: mpsc::Sender<Request>,
}

impl Drop for Window {
    fn drop(&mut self) {
        if let (Some(window), Ok(runtime)) = (self.id, tokio::runtime::Handle::try_current()) {
            let requests = self.requests.clone();
            // If capture is gone, so are its windows.
            runtime.spawn(async move { drop(requests.send(Request::Close { window }).await) });
        }
    }
}

impl ReadAgain<'_> {
    /// Reads until the window stood, and waits until what was read is durable in the target. `read` gets the position at which
    /// the window was opened. Answers how many rows went on.
    pub async fn rows<F: Future<Output = Result<ReadRows>>>(
        &self,
        read: impl Fn(Position) -> F,
    ) -> Result<u64> {
        let ticket = Ticket::new(Unit::Repair);
        loop {
            if let Accepted::Rows(rows) = self.once(&read, &ticket).await? {
                self.done(&ticket).await?;
                return Ok(rows);
            }
        }
    }

    async fn once<F: Future<Output = Result<ReadRows>>>(
        &self,
        read: &impl Fn(Position) -> F,
        ticket: &Arc<Ticket>,
    ) -> Result<Accepted> {
        let (reply, opened) = oneshot::channel();
        let key = self.key.to_vec();
        self.send(Request::Open { table: Arc::clone(&self.schema.name), key, reply }).await?;
        let (id, position) = opened.await.map_err(|_| stopping())?;
        let mut window = Window { id: Some(id), requests: self.shared.requests.clone() };
        let rows = read(position).await?;
        let purpose = Purpose::Repair { sink: self.port.index, ticket: Arc::clone(ticket) };
        let (reply, answer) = oneshot::channel();
        let rows = Request::Rows { window: id, key: self.key.to_vec(), rows, purpose, reply };
        self.send(rows).await?;
        // Capture closes it with them.
        window.id = None;
        answer.await.map_err(|_| stopping())
    }

    async fn send(&self, request: Request) -> Result<()> {
        self.shared.requests.send(request).await.map_err(|_| stopping())
    }

    /// Until what is on the ticket is durable.
    pub async fn done(&self, ticket: &Ticket) -> Result<()> {
        let shared = self.shared;
        let mut committed = shared.committed.subscribe();
        let mut ended = shared.ended.subscribe();
        while !ticket.is_done() || ticket.is_untaken() {
            if let Some(error) = shared.halted() {
                return Err(error);
            }
            if shared.tracker.any_abandoned(&[self.port.index]) {
                return Err(Error::new(Code::VerifyStopped, format!("{} has halted", self.port.name)));
            }
            shared.commit_wanted.notify_one();
            tokio::select! {
                changed = committed.changed() => changed.map_err(|_| stopping())?,
                // Nothing is committed any more.
                _ = ended.wait_for(|ended| *ended) => {
                    if !ticket.is_done() || ticket.is_untaken() {
                        return Err(stopping());
                    }
                }
            }
        }
        Ok(())
    }
}

pub(super) fn stopping() -> Error {
    Error::new(Code::Stopped, "the pipeline is stopping")
}
