//! A running stream: a thread of its own that looks at the file, reads what is new and hands it over through a short queue.
//! It holds no transaction while it waits, neither for news nor for the engine.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rusqlite::Connection;
use syncline_engine::change::{Captured, TableEvent};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::position::Position;
use syncline_engine::source::CaptureStream;
use tokio::sync::mpsc;

use super::install::{self, Brought, Wish};
use super::log::{Log, Run, Stop};
use super::token::Token;
use super::{Shared, layout, prune};
use crate::sqlite::file::{self, Inode};

/// The shortest and the longest time between two looks at the file.
const SOON: Duration = Duration::from_millis(5);
const LATE: Duration = Duration::from_millis(40);
/// Without news something is said so often.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// What is read ahead: each is about a MiB at most.
const AHEAD: usize = 3;
/// A locked file is waited for so long, then a heartbeat is due.
const BRIEFLY: Duration = Duration::from_millis(300);

/// The engine's end.
pub struct Stream {
    start: Position,
    captured: mpsc::Receiver<Result<Captured>>,
}

#[async_trait]
impl CaptureStream for Stream {
    async fn next(&mut self) -> Result<Captured> {
        let ended = || Err(Error::new(Code::Interrupted, "the thread that reads the SQLite file has ended"));
        self.captured.recv().await.unwrap_or_else(ended)
    }

    fn start(&self) -> Position {
        self.start.clone()
    }
}

impl Stream {
    /// Sets up capture, proves the position and starts the thread. Blocks.
    pub fn open(shared: Arc<Shared>, from: Option<Token>, epoch: u16, consumer: &str) -> Result<Stream> {
        let inode = Inode::of(&shared.path);
        let mut c = shared.open()?;
        if let Some(token) = &from {
            check(&shared, &mut c, token, epoch)?;
        }
        let known = from.as_ref().map_or(0, |token| token.id);
        let wish = Wish { wanted: &|name| shared.wants(name), known };
        let failed = |e: rusqlite::Error| shared.failed(&e);
        let brought = install::bring_up(&mut c, &wish).map_err(failed)?;
        let token = match from {
            Some(token) => token,
            None => present(&mut c).map_err(failed)?,
        };
        prune::register(&c, consumer, &token).map_err(failed)?;
        c.busy_timeout(BRIEFLY).map_err(failed)?;
        let log = log(&shared, token, epoch);
        let (sender, captured) = mpsc::channel(AHEAD);
        let start = log.token.position(epoch);
        let thread = Thread {
            c,
            log,
            inode,
            captured: sender,
            consumer: consumer.to_owned(),
            schema_version: brought.schema_version,
            data_version: None,
            told: HashSet::new(),
            troubles: Vec::new(),
            said: Instant::now(),
            shared,
        };
        std::thread::Builder::new()
            .name("sqlite-source".into())
            .spawn(move || thread.run(&brought))
            .map_err(|e| Error::new(Code::SqliteQuery, "no thread for the SQLite source").cause(e))?;
        Ok(Stream { start, captured })
    }
}

fn log(shared: &Arc<Shared>, token: Token, epoch: u16) -> Log {
    let name = shared.path.file_name().map_or("".into(), |name| name.to_string_lossy());
    Log::new(token, epoch, Arc::from(&*name), Arc::clone(shared))
}

/// Whether the file still has what lies behind the position.
fn check(shared: &Arc<Shared>, c: &mut Connection, token: &Token, epoch: u16) -> Result<()> {
    let failed = |e: rusqlite::Error| shared.failed(&e);
    let transaction = c.transaction().map_err(failed)?;
    if !layout::exists(&transaction).map_err(failed)? {
        return Err(shared.gap("the file has no change table: it is not the file of the checkpoint"));
    }
    log(shared, token.clone(), epoch).check(&transaction).map_err(|stop| shared.stopped(stop))
}

/// Behind everything there is now.
fn present(c: &mut Connection) -> rusqlite::Result<Token> {
    let transaction = c.transaction()?;
    let id = layout::last(&transaction)?;
    let at = layout::recorded_at(&transaction, id)?.unwrap_or(0);
    Ok(Token { identity: layout::identity(&transaction)?.into(), id, at })
}

struct Thread {
    c: Connection,
    log: Log,
    inode: Inode,
    captured: mpsc::Sender<Result<Captured>>,
    consumer: String,
    schema_version: i64,
    data_version: Option<i64>,
    /// Tables whose trouble has been told.
    told: HashSet<String>,
    /// To be told once everything recorded so far is handed on: that a table appeared comes first.
    troubles: Vec<(String, Error)>,
    said: Instant,
    shared: Arc<Shared>,
}

/// The engine no longer listens.
struct Gone;

/// What a look at the file found.
enum Look {
    Nothing,
    Some { more: bool },
}

impl Thread {
    fn run(mut self, brought: &Brought) {
        self.note_unfit(brought);
        if self.heartbeat(false).is_err() {
            return;
        }
        let mut wait = SOON;
        while !self.captured.is_closed() {
            let looked = match self.look() {
                Ok(Ok(looked)) => looked,
                Ok(Err(Gone)) => return,
                // A writer holds the file: its lock goes, and the next look sees what it wrote.
                Err(Stop::Sqlite(error)) if file::is_busy(&error) => Look::Nothing,
                Err(stop) => {
                    let error = self.shared.stopped(stop);
                    return self.end(error);
                }
            };
            match looked {
                Look::Some { more: true } => continue,
                Look::Some { more: false } => wait = SOON,
                Look::Nothing => wait = (wait * 2).min(LATE),
            }
            if self.said.elapsed() >= HEARTBEAT {
                if Inode::of(&self.shared.path) != self.inode {
                    let what = format!("{} is another file now", self.shared.path.display());
                    return self.end(Error::new(Code::Interrupted, what));
                }
                if self.heartbeat(self.data_version.is_some()).is_err() {
                    return;
                }
            }
            self.prune();
            std::thread::sleep(wait);
        }
    }

    /// Reads what is new, if anything is.
    fn look(&mut self) -> std::result::Result<std::result::Result<Look, Gone>, Stop> {
        let data_version = self.c.prepare_cached("PRAGMA data_version")?.query_row([], |r| r.get(0))?;
        if self.data_version == Some(data_version) {
            return Ok(Ok(Look::Nothing));
        }
        self.data_version = None;
        let transaction = self.c.transaction()?;
        let run = match layout::schema_version(&transaction)? == self.schema_version {
            true => Some(self.log.run(&transaction)?),
            false => None,
        };
        drop(transaction);
        let Some(run) = run else {
            // Before anything recorded after the change is read: what is read so far was recorded before it.
            let shared = Arc::clone(&self.shared);
            let wish = Wish { wanted: &|name| shared.wants(name), known: self.log.token.id };
            let brought = install::bring_up(&mut self.c, &wish)?;
            self.schema_version = brought.schema_version;
            self.note_unfit(&brought);
            return Ok(Ok(Look::Some { more: true }));
        };
        let more = run.more;
        if !more {
            self.data_version = Some(data_version);
        }
        Ok(self.hand_over(run).map(|()| Look::Some { more }))
    }

    fn hand_over(&mut self, run: Run) -> std::result::Result<(), Gone> {
        let mut ended_by_event = matches!(run.captured.last(), Some(Captured::Table(..)));
        for captured in run.captured {
            self.say(Ok(captured))?;
        }
        if run.more {
            return Ok(());
        }
        for (table, error) in std::mem::take(&mut self.troubles) {
            let event = TableEvent::Halted { table: table.into(), error };
            self.say(Ok(Captured::Table(event, self.log.position())))?;
            ended_by_event = true;
        }
        if ended_by_event { self.heartbeat(true) } else { Ok(()) }
    }

    /// Tables that match but cannot be captured, or whose rows nothing tells apart.
    fn note_unfit(&mut self, brought: &Brought) {
        let other = brought.unfit.iter().map(|(table, why)| {
            let error = Error::new(Code::SqliteCapture, format!("{table} cannot be captured")).cause(why);
            (table.clone(), error)
        });
        let keyless = brought
            .captured
            .iter()
            .filter_map(|schema| Some((schema.name.to_string(), self.shared.lacks_key(schema)?)));
        let troubles: Vec<_> = other.chain(keyless).collect();
        self.told.retain(|table| troubles.iter().any(|(name, _)| name == table));
        let new = troubles.into_iter().filter(|(table, _)| self.told.insert(table.clone()));
        self.troubles.extend(new);
    }

    fn heartbeat(&mut self, caught_up: bool) -> std::result::Result<(), Gone> {
        self.say(Ok(self.log.heartbeat(caught_up)))
    }

    fn say(&mut self, captured: Result<Captured>) -> std::result::Result<(), Gone> {
        self.said = Instant::now();
        self.captured.blocking_send(captured).map_err(|_| Gone)
    }

    fn end(&mut self, error: Error) {
        if self.say(Err(error)).is_err() {
            tracing::debug!("the stream ended when nobody listened any more");
        }
    }

    fn prune(&self) {
        if self.shared.pruner.due()
            && let Err(error) = self.shared.pruner.run(&self.shared, &self.consumer)
        {
            tracing::warn!("{error}");
        }
    }
}
