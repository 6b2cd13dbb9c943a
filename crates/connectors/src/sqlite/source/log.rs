//! Reads the change table: a run of entries in one read transaction, made into changes and table events. A hole in the ids
//! is a gap and nothing is read past it.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, Row};
use syncline_engine::change::{CaptureBatch, Captured, Change, Operation, Origin, TableEvent};
use syncline_engine::error::{Code, Error};
use syncline_engine::packed;
use syncline_engine::position::Position;
use syncline_engine::row::RowImage;
use syncline_engine::schema::TableSchema;

use super::token::{Token, version};
use super::{Shared, install, layout, values};

/// Entries and bytes of a run at most; reading ahead stops there.
const RUN_ENTRIES: usize = 2000;
const RUN_BYTES: usize = 1 << 20;

/// Reads on from a token.
pub struct Log {
    /// Where reading stands.
    pub token: Token,
    epoch: u16,
    file: Arc<str>,
    shared: Arc<Shared>,
    shapes: HashMap<i64, Option<Arc<TableSchema>>>,
    writer: packed::Writer,
    origin: Option<Arc<Origin>>,
    /// Where the entry before the last one stood.
    before: Token,
}

/// Why a run could not be read.
#[derive(Debug)]
pub enum Stop {
    /// SQLite's own error.
    Sqlite(rusqlite::Error),
    /// Entries are missing; what was seen.
    Gap(String),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Stop {
        Stop::Sqlite(error)
    }
}

/// What a run gave.
pub struct Run {
    /// In order.
    pub captured: Vec<Captured>,
    /// Whether entries are left.
    pub more: bool,
}

/// One entry as read, before pairs are joined.
struct Entry {
    id: i64,
    op: u8,
    at: i64,
    schema: Option<Arc<TableSchema>>,
    image: Option<RowImage>,
    what: String,
}

impl Log {
    pub fn new(token: Token, epoch: u16, file: Arc<str>, shared: Arc<Shared>) -> Log {
        let writer = packed::Writer::new();
        let before = token.clone();
        Log { token, epoch, file, shared, shapes: HashMap::new(), writer, origin: None, before }
    }

    /// Whether the token still fits the file's history. Inside a read transaction.
    pub fn check(&self, c: &Connection) -> Result<(), Stop> {
        let Token { identity, id, at } = &self.token;
        let gap = |what: String| Err(Stop::Gap(what));
        if layout::identity(c)? != **identity {
            return gap("the file's history is not the one of the checkpoint".into());
        }
        let (pruned, last) = (layout::pruned(c)?, layout::last(c)?);
        if pruned > *id {
            return gap(format!("changes up to {pruned} are gone, the checkpoint is at {id}"));
        }
        if last < *id {
            return gap(format!(
                "the last change is {last}, the checkpoint is at {id}: an older copy of the file"
            ));
        }
        match layout::recorded_at(c, *id)? {
            // It was gone already when the stream began there.
            None if *at == 0 => Ok(()),
            None if *id > pruned => gap(format!("change {id} was removed")),
            Some(found) if found != *at => {
                gap(format!("change {id} is another one than the checkpoint's: a copy that went another way"))
            }
            _ => Ok(()),
        }
    }

    /// The next entries, up to a bound. Inside a read transaction.
    pub fn run(&mut self, c: &Connection) -> Result<Run, Stop> {
        let last = layout::last(c)?;
        if last < self.token.id {
            return Err(Stop::Gap(format!("the last change is {last}, {} was read before", self.token.id)));
        }
        let mut run =
            Building { captured: Vec::new(), changes: Vec::new(), bytes: 0, start: self.token.clone() };
        let (mut entries, mut bytes) = (0, 0);
        let mut pending: Option<Entry> = None;
        let mut statement = c.prepare_cached("SELECT * FROM _syncline_changes WHERE id > ?1 ORDER BY id")?;
        let mut rows = statement.query([self.token.id])?;
        let mut more = false;
        while let Some(row) = rows.next()? {
            let full = entries >= RUN_ENTRIES || bytes >= RUN_BYTES;
            if full && pending.is_none() {
                more = true;
                break;
            }
            let entry = self.entry(c, row)?;
            entries += 1;
            let size = entry.image.as_ref().map_or(0, |image| image.bytes.len());
            (bytes, run.bytes) = (bytes + size, run.bytes + size);
            if let Some(before) = pending.take() {
                if entry.op == b'A' {
                    self.update(&mut run, before, entry);
                    continue;
                }
                // The row was gone again before its after image could be noted.
                self.single(&mut run, Entry { op: b'D', ..before });
            }
            match entry.op {
                b'B' => pending = Some(entry),
                _ => self.single(&mut run, entry),
            }
        }
        if let Some(before) = pending.take() {
            self.single(&mut run, Entry { op: b'D', ..before });
        }
        if self.token.id < last && !more {
            return Err(Stop::Gap(format!("changes {} to {last} were removed", self.token.id + 1)));
        }
        run.cut(&self.token, self.epoch, !more);
        Ok(Run { captured: run.captured, more })
    }

    fn entry(&mut self, c: &Connection, row: &Row<'_>) -> Result<Entry, Stop> {
        let (id, shape): (i64, i64) = (row.get(0)?, row.get(1)?);
        if id != self.token.id + 1 {
            return Err(Stop::Gap(format!("changes {} to {} were removed", self.token.id + 1, id - 1)));
        }
        let (op, at): (String, i64) = (row.get(2)?, row.get(3)?);
        (self.before.id, self.before.at) = (self.token.id, self.token.at);
        (self.token.id, self.token.at) = (id, at);
        let op = op.bytes().next().unwrap_or(b'?');
        let schema = self.shape(c, shape)?;
        let is_row = matches!(op, b'I' | b'D' | b'B' | b'A');
        let image = match &schema {
            Some(schema) if is_row => {
                for column in 0..schema.columns.len() {
                    self.writer.push(values::value(row.get_ref(4 + column)?));
                }
                Some(packed::image(self.writer.finish()))
            }
            _ => None,
        };
        let what = if op == b'S' { row.get(4)? } else { String::new() };
        Ok(Entry { id, op, at, schema, image, what })
    }

    /// A shape's columns; `None` if this pipeline does not capture the table.
    fn shape(&mut self, c: &Connection, id: i64) -> Result<Option<Arc<TableSchema>>, Stop> {
        if let Some(known) = self.shapes.get(&id) {
            return Ok(known.clone());
        }
        let sql = "SELECT columns FROM _syncline_shapes WHERE id = ?1";
        let columns: String = c.prepare_cached(sql)?.query_row([id], |r| r.get(0))?;
        let schema = install::decode(&columns)?;
        let schema = self.shared.wants(&schema.name).then(|| self.shared.schemas.known(schema));
        self.shapes.insert(id, schema.clone());
        Ok(schema)
    }

    fn origin(&mut self, at: i64) -> Arc<Origin> {
        match &self.origin {
            Some(origin) if origin.committed_at == at => Arc::clone(origin),
            _ => {
                let origin =
                    Origin { server_id: 0, file: Arc::clone(&self.file), gtid: None, committed_at: at };
                Arc::clone(self.origin.insert(Arc::new(origin)))
            }
        }
    }

    fn update(&mut self, run: &mut Building, before: Entry, after: Entry) {
        let Some(schema) = after.schema else { return };
        run.changes.push(Change {
            schema,
            operation: Operation::Update,
            before: before.image,
            after: after.image,
            version: version(self.epoch, after.id),
            before_version: version(self.epoch, before.id),
            offset: after.id.unsigned_abs(),
            ordinal: 0,
            origin: self.origin(after.at),
        });
    }

    fn single(&mut self, run: &mut Building, entry: Entry) {
        let Entry { id, op, at, schema, image, what } = entry;
        let Some(schema) = schema else { return };
        let (operation, before, after) = match op {
            b'I' => (Operation::Insert, None, image),
            // An after image without its before image: only a hand-made entry looks so; the row is as it says.
            b'A' => (Operation::Insert, None, image),
            b'D' => (Operation::Delete, image, None),
            _ => {
                let event = match (op, &*what) {
                    (b'X', _) => {
                        TableEvent::Dropped { table: Arc::clone(&schema.name), schema: Some(schema) }
                    }
                    (_, "appeared") => TableEvent::Appeared(schema),
                    (_, "unseen") => unseen(schema),
                    (_, what) => TableEvent::Altered { schema, reread: what == "reread" },
                };
                // A checkpoint of the rows before it must not stand behind the event.
                run.cut(&self.before, self.epoch, false);
                let position = self.token.position(self.epoch);
                run.captured.push(Captured::Table(event, position));
                run.start = self.token.clone();
                return;
            }
        };
        let (version, origin) = (version(self.epoch, id), self.origin(at));
        run.changes.push(Change {
            schema,
            operation,
            before,
            after,
            version,
            before_version: version,
            offset: id.unsigned_abs(),
            ordinal: 0,
            origin,
        });
    }

    /// Behind what was read.
    pub fn position(&self) -> Position {
        self.token.position(self.epoch)
    }

    /// An empty batch: nothing new.
    pub fn heartbeat(&self, caught_up: bool) -> Captured {
        Captured::Batch(CaptureBatch {
            source_time: caught_up.then(syncline_engine::clock::now_millis),
            caught_up,
            ..CaptureBatch::at(self.position(), Vec::new())
        })
    }
}

/// The table was made anew, or its triggers were taken away: nobody recorded which rows came and went meanwhile.
fn unseen(schema: Arc<TableSchema>) -> TableEvent {
    let what = format!("{}: its triggers were gone, and changes may have gone by unseen", schema.name);
    TableEvent::Unseen { schema, error: Error::new(Code::SqliteSchema, what) }
}

/// A run while it is read.
struct Building {
    captured: Vec<Captured>,
    changes: Vec<Change>,
    bytes: usize,
    start: Token,
}

impl Building {
    /// Ends the batch that is being built. What a transaction was nobody knows any more: between two changes a reader may
    /// always start again, since entries are whole changes.
    fn cut(&mut self, upto: &Token, epoch: u16, caught_up: bool) {
        if self.changes.is_empty() && self.start == *upto {
            return;
        }
        let changes = std::mem::take(&mut self.changes);
        let bytes = std::mem::take(&mut self.bytes);
        let resume = upto.clone();
        let start = std::mem::replace(&mut self.start, resume.clone());
        self.captured.push(Captured::Batch(CaptureBatch {
            source_time: Some(changes.last().map_or(resume.at, |change| change.origin.committed_at)),
            changes,
            start: start.position(epoch),
            resume: resume.position(epoch),
            caught_up,
            bytes,
            permit: None,
        }));
    }
}
