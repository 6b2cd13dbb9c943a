//! The writer thread: takes whatever callers have queued, runs it in one transaction, syncs, then answers all of them.
//! One caller's failing statement harms only that caller; a failed commit fails the whole group and nobody is told `Ok`.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use rusqlite::{Connection, ErrorCode};
use syncline_engine::error::{Code, Error, Result};
use tokio::sync::{mpsc, oneshot};

/// Callers whose work shares a transaction at most.
const GROUP: usize = 512;
/// WAL pages after which they are moved into the file.
const WAL_PAGES: i64 = 1000;
/// Groups between two looks at the WAL's size.
const CHECKPOINT_EVERY: u32 = 32;

/// The callers' end.
pub struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Task>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread; it owns the connection.
    pub fn start(connection: Connection, path: &Path) -> Result<Writer> {
        let (queue, tasks) = mpsc::channel(GROUP);
        let mut thread = Thread { connection, path: path.to_owned(), groups: 0, failed: None };
        let thread = std::thread::Builder::new()
            .name("ledger".into())
            .spawn(move || thread.run(tasks))
            .map_err(|e| Error::new(Code::LedgerOpen, "no thread for the ledger").cause(e))?;
        Ok(Writer { queue: Some(queue), thread: Some(thread) })
    }

    /// Runs statements in the next group's transaction; `Ok` once that is durable.
    pub async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let task = Typed { work: Some(work), done: None, answer };
        let gone = || Error::new(Code::LedgerWrite, "the ledger's writer has stopped");
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        queue.send(Box::new(task)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the ledger's writer ended by a panic");
        }
    }
}

/// One caller's work.
trait Task: Send {
    /// Runs it; after an error its statements are undone.
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    /// Tells the caller. `group`: what became of the transaction.
    fn answer(self: Box<Self>, group: Result<()>);
}

struct Typed<T, F> {
    work: Option<F>,
    done: Option<Result<T>>,
    answer: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: FnOnce(&Connection) -> rusqlite::Result<T> + Send> Task for Typed<T, F> {
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let Some(work) = self.work.take() else { return Ok(()) };
        match work(connection) {
            Ok(value) => {
                self.done = Some(Ok(value));
                Ok(())
            }
            Err(error) => {
                self.done =
                    Some(Err(Error::new(Code::LedgerWrite, "the ledger refused a write").cause(&error)));
                Err(error)
            }
        }
    }

    fn answer(self: Box<Self>, group: Result<()>) {
        let never = || Err(Error::new(Code::LedgerWrite, "the ledger did not get to this write"));
        let result = match group {
            Ok(()) => self.done.unwrap_or_else(never),
            Err(error) => Err(error),
        };
        // A caller that no longer waits (its future was dropped) needs no answer.
        drop(self.answer.send(result));
    }
}

struct Thread {
    connection: Connection,
    path: PathBuf,
    groups: u32,
    failed: Option<Error>,
}

impl Thread {
    fn run(&mut self, mut tasks: mpsc::Receiver<Box<dyn Task>>) {
        // Moving the WAL into the file is done below, where a failed sync is noticed: SQLite's own way ignores it.
        if let Err(error) = self.connection.pragma_update(None, "wal_autocheckpoint", 0) {
            self.failed = Some(self.cannot(&error));
        }
        while let Some(first) = tasks.blocking_recv() {
            let mut group = vec![first];
            while group.len() < GROUP
                && let Ok(more) = tasks.try_recv()
            {
                group.push(more);
            }
            let result = match &self.failed {
                Some(error) => Err(error.clone()),
                None => self.transaction(&mut group),
            };
            for task in group {
                task.answer(result.clone());
            }
            if result.is_ok() {
                self.checkpoint();
            }
        }
    }

    fn transaction(&mut self, group: &mut [Box<dyn Task>]) -> Result<()> {
        let result = self.statements(group);
        if let Err(error) = &result {
            if !self.connection.is_autocommit()
                && let Err(rollback) = self.connection.execute_batch("ROLLBACK")
            {
                tracing::error!(%rollback, "the ledger cannot roll back");
            }
            if lost_sync(error) {
                self.failed = Some(self.cannot(error));
            }
        }
        result.map_err(|error| self.cannot(&error))
    }

    fn statements(&self, group: &mut [Box<dyn Task>]) -> rusqlite::Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        for task in group {
            self.connection.execute_batch("SAVEPOINT caller")?;
            if let Err(error) = task.run(&self.connection) {
                // On a full disk or an I/O error SQLite may have rolled everything back by itself: then all fail.
                if self.connection.is_autocommit() || lost_sync(&error) {
                    return Err(error);
                }
                self.connection.execute_batch("ROLLBACK TO caller")?;
            }
            self.connection.execute_batch("RELEASE caller")?;
        }
        self.connection.execute_batch("COMMIT")
    }

    fn checkpoint(&mut self) {
        self.groups += 1;
        if !self.groups.is_multiple_of(CHECKPOINT_EVERY) {
            return;
        }
        let size = std::fs::metadata(wal_of(&self.path)).map_or(0, |m| m.len());
        if i64::try_from(size).unwrap_or(i64::MAX) < WAL_PAGES * 4096 {
            return;
        }
        let done = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |r| r.get::<_, i64>(0));
        if let Err(error) = done
            && lost_sync(&error)
        {
            tracing::error!(%error, "the ledger's file cannot be synced");
            self.failed = Some(self.cannot(&error));
        }
    }

    fn cannot(&self, error: &rusqlite::Error) -> Error {
        Error::new(Code::LedgerWrite, format!("{} cannot be written", self.path.display())).cause(error)
    }
}

fn wal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// After such a failure nobody knows what the disk holds.
fn lost_sync(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}
