//! A scripted source: transactions kept in memory, streamed from any point, that breaks off at random. It stands in for
//! faults of a stream that a real server cannot be made to show at a chosen moment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use syncline_engine::change::{CaptureBatch, Captured, Change, Operation, Origin, TableEvent};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::packed;
use syncline_engine::position::{Position, ResumeToken, StoredPosition};
use syncline_engine::row::RowImage;
use syncline_engine::schema::{Column, ColumnKind, TableSchema};
use syncline_engine::source::{
    Bound, CaptureStream, Extent, HighMark, ReadMark, ReadRows, Recent, Source, TableReader,
};
use syncline_engine::value::{OwnedValue, Value};
use syncline_engine::version::Version;
use tokio::sync::mpsc;

use crate::dice::Dice;

/// One row's change: key, text before, text after.
pub type Step = (i64, Option<String>, Option<String>);

/// What happens to the table instead of changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Incident {
    Truncated,
    Halted,
}

#[derive(Default)]
struct History {
    transactions: Vec<Vec<Step>>,
    /// By transaction, which then has no changes.
    incidents: BTreeMap<u64, Incident>,
    rows: BTreeMap<i64, String>,
}

/// The scripted source.
pub struct ScriptedSource {
    schema: Arc<TableSchema>,
    history: Mutex<History>,
    pub dice: Dice,
    /// A stream without a position begins with the present, as servers do, or with the first transaction.
    from_present: bool,
    /// How often.
    rates: Rates,
}

/// One in so many.
#[derive(Clone, Copy)]
pub struct Rates {
    /// Steps of the stream break it off.
    pub breaks: u64,
    /// Rows are bad.
    pub bad: u64,
}

struct Token(u64);

impl ResumeToken for Token {
    fn encode(&self) -> String {
        self.0.to_string()
    }
    fn text(&self) -> String {
        format!("transaction {}", self.0)
    }
}

/// A transaction has room for so many rows in its version.
const WIDTH: u64 = 1000;

fn position(transaction: u64) -> Position {
    Position {
        version: Version::from_number(0, (transaction + 1) * WIDTH),
        token: Arc::new(Token(transaction)),
    }
}

impl ScriptedSource {
    pub fn new(dice: Dice, from_present: bool, rates: Rates) -> Arc<ScriptedSource> {
        let column = |name: &str, kind| Column { name: name.into(), kind, nullable: true };
        let columns = vec![
            column("id", ColumnKind::Integer { bits: 64, unsigned: false }),
            column("text", ColumnKind::Text { length: None }),
        ];
        let schema = Arc::new(TableSchema::new("main", "items", columns, vec![0]));
        Arc::new(ScriptedSource { schema, history: Mutex::default(), dice, from_present, rates })
    }

    /// Commits one transaction of random changes.
    pub fn write(&self, keys: u64, most: u64) {
        let mut history = self.history.lock().unwrap();
        let mut steps = Vec::new();
        for _ in 0..self.dice.roll(most) + 1 {
            let key = self.dice.roll(keys) as i64;
            let before = history.rows.get(&key).cloned();
            let after = (!self.dice.one_in(4)).then(|| {
                if self.dice.one_in(self.rates.bad) {
                    "bad".into()
                } else {
                    format!("v{}", self.dice.roll(1 << 30))
                }
            });
            if before.is_none() && after.is_none() {
                continue;
            }
            match &after {
                Some(text) => history.rows.insert(key, text.clone()),
                None => history.rows.remove(&key),
            };
            steps.push((key, before, after));
        }
        history.transactions.push(steps);
    }

    /// Empties the table without row events.
    pub fn truncate(&self) {
        self.history.lock().unwrap().rows.clear();
        self.incident(Incident::Truncated);
    }

    /// From here on the source cannot give the table's changes, until it is read again.
    pub fn halt(&self) {
        self.incident(Incident::Halted);
    }

    fn incident(&self, incident: Incident) {
        let mut history = self.history.lock().unwrap();
        let number = history.transactions.len() as u64;
        history.incidents.insert(number, incident);
        history.transactions.push(Vec::new());
    }

    fn event(&self, transaction: u64) -> Option<TableEvent> {
        let incident = self.history.lock().unwrap().incidents.get(&transaction).copied()?;
        let (schema, error) = (Arc::clone(&self.schema), Error::new(Code::MysqlSchema, "scripted"));
        Some(match incident {
            Incident::Truncated => TableEvent::Truncated { schema, origin: Self::origin() },
            Incident::Halted => TableEvent::Halted { table: Arc::clone(&schema.name), error },
        })
    }

    /// How many changes all transactions have.
    pub fn changes(&self) -> u64 {
        self.history.lock().unwrap().transactions.iter().map(|steps| steps.len() as u64).sum()
    }

    pub fn rows(&self) -> BTreeMap<i64, String> {
        self.history.lock().unwrap().rows.clone()
    }

    fn image(&self, key: i64, text: &str) -> RowImage {
        let mut writer = packed::Writer::new();
        writer.push(Value::Int(key));
        writer.push(Value::Text(text));
        packed::image(writer.finish())
    }

    fn origin() -> Arc<Origin> {
        Arc::new(Origin { server_id: 1, file: "script".into(), gtid: None, committed_at: 0 })
    }

    fn change(&self, (key, before, after): &Step, number: u64) -> Change {
        let image = |text: &Option<String>| text.as_ref().map(|text| self.image(*key, text));
        let version = Version::from_number(0, number);
        let operation = match (before, after) {
            (None, _) => Operation::Insert,
            (_, None) => Operation::Delete,
            _ => Operation::Update,
        };
        Change {
            schema: Arc::clone(&self.schema),
            operation,
            before: image(before),
            after: image(after),
            version,
            before_version: version,
            offset: number,
            ordinal: 0,
            origin: Self::origin(),
        }
    }

    fn read(&self, wanted: impl Fn(i64) -> bool) -> ReadRows {
        let history = self.history.lock().unwrap();
        let rows = history.rows.iter().filter(|(key, _)| wanted(**key));
        let rows = rows.map(|(key, text)| self.image(*key, text)).collect();
        let last = history.transactions.len() as u64;
        let mark = match self.dice.one_in(2) {
            true => ReadMark::At(Version::from_number(0, (last + 1) * WIDTH)),
            false => ReadMark::Until(Box::new(Mark(position(last)))),
        };
        ReadRows { schema: Arc::clone(&self.schema), rows, mark, origin: Self::origin() }
    }
}

struct Mark(Position);

impl HighMark for Mark {
    fn passed(&self, position: &Position) -> bool {
        position.version >= self.0.version
    }
}

/// The same script behind every start of a pipeline, and where its furthest sink was then. A row that the stream brings
/// while it is read is dropped from the read for all sinks, so no read may begin where one of them gets nothing of it.
#[derive(Clone)]
pub struct Shared {
    pub script: Arc<ScriptedSource>,
    pub furthest: Version,
}

impl Shared {
    fn read(&self, opened: &Position, wanted: impl Fn(i64) -> bool) -> ReadRows {
        assert!(opened.version >= self.furthest, "a read beside {}", opened.version);
        self.script.read(wanted)
    }
}

#[async_trait]
impl Source for Shared {
    async fn tables(&self) -> Result<Vec<Arc<TableSchema>>> {
        if self.script.dice.one_in(8) {
            return Err(Error::new(Code::Unreachable, "no tables this time"));
        }
        Ok(vec![Arc::clone(&self.script.schema)])
    }

    async fn stream(&self, from: Option<&StoredPosition>) -> Result<Box<dyn CaptureStream>> {
        if self.script.dice.one_in(4) {
            return Err(Error::new(Code::Unreachable, "not this time"));
        }
        let present = self.script.history.lock().unwrap().transactions.len() as u64;
        let first = if self.script.from_present { present } else { 0 };
        let next = from.map_or(first, |from| from.token.parse().expect("our own token"));
        Ok(Box::new(ScriptedStream { source: Arc::clone(&self.script), start: position(next), next, row: 0 }))
    }

    fn reader(&self) -> Arc<dyn TableReader> {
        Arc::new(self.clone())
    }

    async fn position(&self, text: &str, _: &StoredPosition) -> Result<StoredPosition> {
        let wrong = || Error::new(Code::CheckpointPosition, "no such transaction");
        let next = text.parse().map_err(|_| wrong())?;
        let present = self.script.history.lock().unwrap().transactions.len() as u64;
        if next > present { Err(wrong()) } else { Ok(StoredPosition::from(&position(next))) }
    }

    async fn mark(&self) -> Result<Box<dyn HighMark>> {
        let present = self.script.history.lock().unwrap().transactions.len() as u64;
        Ok(Box::new(Mark(position(present))))
    }

    async fn recent(&self, since: i64, _pieces: &mpsc::Sender<Recent>) -> Result<()> {
        Err(Error::new(Code::VerifySince, format!("a script knows no time, so not {since}")))
    }

    async fn acknowledge(&self, _position: &StoredPosition) -> Result<()> {
        Ok(())
    }

    async fn check(&self) -> Result<Vec<Error>> {
        Ok(Vec::new())
    }
}

struct ScriptedStream {
    source: Arc<ScriptedSource>,
    start: Position,
    next: u64,
    /// Rows of `next` that went out already.
    row: usize,
}

#[async_trait]
impl CaptureStream for ScriptedStream {
    async fn next(&mut self) -> Result<Captured> {
        tokio::time::sleep(Duration::from_micros(self.source.dice.roll(500))).await;
        if self.source.dice.one_in(self.source.rates.breaks) {
            return Err(Error::new(Code::Interrupted, "broken off"));
        }
        let steps = self.source.history.lock().unwrap().transactions.get(self.next as usize).cloned();
        let Some(steps) = steps else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            return Ok(Captured::Batch(self.batch(Vec::new(), self.next, true)));
        };
        if let Some(event) = self.source.event(self.next) {
            self.next += 1;
            return Ok(Captured::Table(event, position(self.next - 1)));
        }
        let from = self.row;
        let cut = self.source.dice.one_in(3) && steps.len() - from > 1;
        let to = if cut { from + 1 } else { steps.len() };
        let base = (self.next + 1) * WIDTH + 1;
        let changes: Vec<Change> =
            (from..to).map(|row| self.source.change(&steps[row], base + row as u64)).collect();
        let transaction = self.next;
        (self.next, self.row) = if cut { (transaction, to) } else { (transaction + 1, 0) };
        Ok(Captured::Batch(self.batch(changes, transaction, false)))
    }

    fn start(&self) -> Position {
        self.start.clone()
    }
}

impl ScriptedStream {
    fn batch(&self, changes: Vec<Change>, start: u64, caught_up: bool) -> CaptureBatch {
        let bytes = changes.len() * 64;
        CaptureBatch {
            changes,
            start: position(start),
            resume: position(self.next),
            source_time: None,
            caught_up,
            bytes,
            permit: None,
        }
    }
}

fn bound(key: i64) -> Bound {
    Bound(key.to_string())
}

fn key(bound: &Bound) -> i64 {
    bound.0.parse().expect("our own bound")
}

#[async_trait]
impl TableReader for Shared {
    async fn extent(&self, _: &TableSchema, _: &[usize]) -> Result<Option<Extent>> {
        let rows = self.script.rows();
        Ok(rows.keys().last().map(|last| Extent { last: bound(*last), rows: rows.len() as u64 }))
    }

    async fn bound(&self, _: &TableSchema, _: &[usize], values: &[OwnedValue]) -> Result<Bound> {
        match values {
            [OwnedValue::Int(key)] => Ok(bound(*key)),
            _ => Err(Error::new(Code::ResyncPart, "keys are one whole number")),
        }
    }

    async fn next_bound(
        &self,
        _: &TableSchema,
        _: &[usize],
        after: Option<&Bound>,
        last: &Bound,
        _: usize,
    ) -> Result<Option<Bound>> {
        if self.script.dice.one_in(20) {
            return Err(Error::new(Code::Interrupted, "look broken off"));
        }
        let from = after.map_or(i64::MIN, |after| key(after) + 1);
        Ok((from <= key(last)).then(|| bound((from.max(0) + 7).min(key(last)))))
    }

    async fn read_range(
        &self,
        _: &TableSchema,
        _: &[usize],
        after: Option<&Bound>,
        upto: &Bound,
        opened: &Position,
    ) -> Result<ReadRows> {
        if self.script.dice.one_in(10) {
            return Err(Error::new(Code::Interrupted, "read broken off"));
        }
        let rows = self.read(opened, |k| after.is_none_or(|a| k > key(a)) && k <= key(upto));
        tokio::time::sleep(Duration::from_micros(self.script.dice.roll(2000))).await;
        Ok(rows)
    }

    async fn read_keys(
        &self,
        _: &TableSchema,
        _: &[usize],
        keys: &[Vec<OwnedValue>],
        opened: &Position,
    ) -> Result<ReadRows> {
        Ok(self.read(opened, |k| keys.iter().any(|key| key[..] == [OwnedValue::Int(k)])))
    }
}
