//! The task behind a stream: takes events as they come, keeps track of transactions and positions, and cuts batches.
//! What a statement or a row event means is in `statements.rs` and `rows.rs`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use syncline_engine::change::{CaptureBatch, Captured, TableEvent};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::position::Position;
use tokio::sync::mpsc;

use super::batch::{self, Builder};
use super::complete::Completion;
use super::head::Head;
use super::missing;
use super::prepared::Prepared;
use super::tables::Tables;
use super::transaction::Transaction;
use crate::mysql::binlog::{Decoder, Event, EventBody, EventHeader, Payload, Place, kind};
use crate::mysql::context::Context;
use crate::mysql::ddl::Dialect;
use crate::mysql::position::Gtids;
use crate::mysql::schema::{History, TableName};
use crate::mysql::server::{Facts, Identity};
use crate::mysql::wire::Dump;

/// How long a position that moved without changes may stay untold.
const POSITION_EVERY: Duration = Duration::from_millis(100);
/// Row events below this size are copied out of the read buffer, so that a few rows do not keep all of it.
const COPY_BELOW: usize = 2048;
/// So many bytes are looked at to see whether most of the traffic is captured.
const SAMPLE: usize = 512 << 10;

/// Everything that one stream has in hand.
pub struct Follow {
    pub(super) context: Arc<Context>,
    pub(super) facts: Arc<Facts>,
    pub(super) dump: Dump,
    pub(super) decoder: Decoder,
    pub(super) head: Head,
    pub(super) gtids: Arc<Gtids>,
    pub(super) identity: Arc<Identity>,
    pub(super) epoch: u16,
    pub(super) tables: Tables,
    pub(super) history: History,
    pub(super) transaction: Option<Transaction>,
    /// Events read while the stream was opened.
    pub(super) ahead: Vec<Bytes>,
    /// Tables that could not be read when the stream was opened.
    pub(super) broken: Vec<(TableName, Error)>,
    /// Events before this offset of the first file were taken already (a dump cannot begin beyond 4 GiB).
    pub(super) skip_until: u64,
    pub(super) builder: Builder,
    pub(super) out: Out,
    pub(super) completion: Completion,
    pub(super) sample: Sample,
    /// How statements are read, but for what each session may change.
    pub(super) dialect: Dialect,
    /// Default character set of each database.
    pub(super) charsets: HashMap<String, String>,
    /// The ledger does not know yet that all tables of the present patterns are in the history.
    pub(super) selection_changed: bool,
    /// When the last transaction of any table was committed.
    pub(super) last_commit: Option<i64>,
    pub(super) prepared: Prepared,
}

/// The way to the engine.
pub struct Out {
    sender: mpsc::Sender<Result<Captured>>,
    told: (u64, u64),
    at: Instant,
    /// Pieces of the open transaction are out.
    in_pieces: bool,
}

impl Out {
    pub fn new(sender: mpsc::Sender<Result<Captured>>) -> Out {
        Out { sender, told: (0, 0), at: Instant::now(), in_pieces: false }
    }
}

/// How much of what is read is captured: where it is little, its buffers must not be kept for it.
#[derive(Default)]
pub struct Sample {
    seen: usize,
    kept: usize,
    sparse: bool,
}

impl Follow {
    /// The position at which it was opened.
    pub fn start(&self) -> Position {
        self.position()
    }

    /// Runs until the connection ends, an error halts, or nobody listens any more.
    pub async fn run(mut self) {
        if let Err(error) = self.follow().await {
            // A receiver that is gone needs to know nothing.
            drop(self.out.sender.send(Err(error)).await);
        }
    }

    async fn follow(&mut self) -> Result<()> {
        for (name, error) in std::mem::take(&mut self.broken) {
            self.halt_table(&name, error, self.head.settled).await?;
        }
        for event in std::mem::take(&mut self.ahead) {
            self.event(event).await?;
        }
        self.join_due().await?;
        loop {
            match self.dump.next_now()? {
                Some(event) => self.event(event).await?,
                None => {
                    self.idle().await?;
                    self.wait().await?;
                }
            }
        }
    }

    /// Nothing more has arrived: hands on what is whole.
    async fn idle(&mut self) -> Result<()> {
        if self.builder.has_whole() { self.flush().await } else { Ok(()) }
    }

    /// Waits for the next event, and meanwhile tells the position if it moved.
    async fn wait(&mut self) -> Result<()> {
        let untold = self.builder.is_empty() && self.out.told != (self.head.number, self.head.settled);
        let patience = if untold {
            POSITION_EVERY.saturating_sub(self.out.at.elapsed())
        } else {
            Duration::from_secs(60)
        };
        let context = Arc::clone(&self.context);
        let event = tokio::select! {
            event = self.dump.next() => Some(event?),
            () = context.asked.notified() => None,
            () = tokio::time::sleep(patience) => None,
        };
        match event {
            Some(event) => self.event(event).await,
            None => {
                self.bring_back().await?;
                self.tell_position(false).await
            }
        }
    }

    async fn event(&mut self, packet: Bytes) -> Result<()> {
        let packet = self.sample.own(packet);
        let header = EventHeader::parse(&packet)?;
        let (file, before) = (Arc::clone(&self.head.file), self.head.next);
        let located = |error: Error| located(error, &file, before);
        let at = self.head.locate(&header)?;
        if at.is_some_and(|at| at < self.skip_until) && header.event_type != kind::FORMAT_DESCRIPTION {
            return Ok(());
        }
        let event = self.decoder.decode(&packet).map_err(located)?;
        let start = at.unwrap_or(before);
        let place = match &event.body {
            EventBody::Payload(payload) => payload.place(start, header.size),
            EventBody::Rows(rows) => rows.place(start, header.size),
            _ => Place::plain(start),
        };
        match event.body {
            EventBody::Payload(payload) => self.payload(&payload, place, start).await.map_err(located),
            _ => self.body(event, at, start, &place).await.map_err(located),
        }
    }

    /// The events of a compressed transaction, one by one.
    async fn payload(&mut self, payload: &Payload, mut place: Place, start: u64) -> Result<()> {
        let (mut events, mut read) = (payload.open()?, 0);
        while let Some(bytes) = events.next_event()? {
            let event = self.decoder.decode_inner(&bytes)?;
            place.enter(read);
            read += bytes.len() as u64;
            Box::pin(self.body(event, Some(start), start, &place)).await?;
        }
        Ok(())
    }

    /// `at`: where it stands, `None` if it was made for us alone.
    async fn body(&mut self, event: Event, at: Option<u64>, start: u64, place: &Place) -> Result<()> {
        let Event { header, body } = event;
        match body {
            EventBody::TableMap { table_id, map } => return self.table_map(table_id, map, start).await,
            EventBody::Rows(rows) => return self.rows(&header, &rows, place, start).await,
            EventBody::Gtid(gtid) => {
                self.begin(Transaction::named(start, gtid, &header));
                return Ok(());
            }
            EventBody::Xid(_) => return self.commit().await,
            EventBody::Query(query) => return self.query(&header, &query, start).await,
            EventBody::XaPrepare(prepare) => return self.xa_prepared(&header, &prepare, start).await,
            EventBody::Heartbeat { file, position } => return self.heartbeat(&header, &file, position).await,
            EventBody::Rotate { position, file } => {
                self.require_whole(&file)?;
                self.require_end(&file).await?;
                self.tables.forget_ids();
                self.skip_until = 0;
                return self.head.rotate(&file, position);
            }
            EventBody::Format(format) => self.head.format = super::opening::format_hash(&header, &format),
            EventBody::Incident { number, message } => {
                let what = format!("the server reports that events are missing (incident {number})");
                return Err(Error::new(Code::MysqlUnknownEvent, what)
                    .cause(message)
                    .fix("syncline backfill FILE"));
            }
            EventBody::PreviousGtids(before) if at.is_some() => {
                missing::mysql(before, Arc::make_mut(&mut self.gtids))?;
            }
            EventBody::GtidList(before) if at.is_some() => missing::mariadb(&before, &self.gtids)?,
            EventBody::PreviousGtids(_)
            | EventBody::GtidList(_)
            | EventBody::RowsQuery(_)
            | EventBody::Stop
            | EventBody::StatementContext
            | EventBody::Nothing => {}
            EventBody::Payload(_) => return Err(Error::new(Code::MysqlDecode, "a payload inside a payload")),
        }
        if at.is_some() && self.transaction.is_none() {
            self.settle().await?;
        }
        Ok(())
    }

    /// A transaction begins.
    pub(super) fn begin(&mut self, transaction: Transaction) {
        self.head.settled = transaction.start;
        self.transaction = Some(transaction);
    }

    /// The open transaction ends here, committed.
    pub(super) async fn commit(&mut self) -> Result<()> {
        self.close_transaction().await?;
        if std::mem::take(&mut self.out.in_pieces) || self.builder.full() {
            self.flush().await?;
        } else if self.builder.is_empty() && self.out.at.elapsed() > POSITION_EVERY {
            self.tell_position(false).await?;
        }
        Ok(())
    }

    /// The same, and nobody is told yet.
    pub(super) async fn close_transaction(&mut self) -> Result<()> {
        if let Some(transaction) = self.transaction.take() {
            self.last_commit = transaction.commit_millis.or(self.last_commit);
            if let Some(gtid) = &transaction.gtid {
                Arc::make_mut(&mut self.gtids).add(gtid);
            }
        }
        self.builder.commit();
        self.settle().await
    }

    /// Everything up to here is whole.
    async fn settle(&mut self) -> Result<()> {
        if self.head.next < self.skip_until {
            return Ok(());
        }
        self.head.settled = self.head.next;
        if self.context.is_asked() {
            self.bring_back().await?;
        }
        self.join_due().await
    }

    async fn heartbeat(&mut self, header: &EventHeader, file: &str, position: u64) -> Result<()> {
        if self.transaction.is_none() {
            self.head.heartbeat(file, position);
        }
        self.join_due().await?;
        self.bring_back().await?;
        self.idle().await?;
        let time = (header.timestamp > 0).then(|| i64::from(header.timestamp) * 1000);
        self.last_commit = time.or(self.last_commit);
        self.tell_position(self.transaction.is_none()).await
    }

    /// Where reading may resume: the end of the last transaction, or the start of the one that is open.
    pub(super) fn position(&self) -> Position {
        self.head.position(self.head.settled, &self.gtids, &self.identity, self.epoch)
    }

    /// The batch is full within a transaction: hands on the whole ones before it, or a piece of it.
    pub(super) async fn cut(&mut self) -> Result<()> {
        if self.builder.has_whole() {
            self.flush().await?;
            if !self.builder.full() {
                return Ok(());
            }
        }
        let batch = self.builder.take_piece(self.position());
        self.piece(batch).await
    }

    async fn piece(&mut self, mut piece: CaptureBatch) -> Result<()> {
        self.out.in_pieces = true;
        self.complete(&mut piece).await?;
        self.send(Captured::Batch(piece)).await
    }

    /// Hands on the whole transactions.
    pub(super) async fn flush(&mut self) -> Result<()> {
        let mut batch = self.builder.take_whole(self.position());
        self.complete(&mut batch).await?;
        self.batch(batch).await
    }

    async fn batch(&mut self, batch: CaptureBatch) -> Result<()> {
        self.out.told = (self.head.number, self.head.settled);
        self.out.at = Instant::now();
        self.send(Captured::Batch(batch)).await
    }

    /// A batch without changes, unless changes are still to come.
    pub(super) async fn tell_position(&mut self, caught_up: bool) -> Result<()> {
        if !self.builder.is_empty() || self.transaction.is_some() {
            return Ok(());
        }
        self.batch(batch::empty(self.position(), self.last_commit, caught_up)).await
    }

    /// Hands on all that there is, whole or not.
    pub(super) async fn hand_over(&mut self) -> Result<()> {
        if self.builder.has_whole() {
            self.flush().await?;
        }
        if !self.builder.is_empty() {
            let piece = self.builder.take_piece(self.position());
            self.piece(piece).await?;
        }
        Ok(())
    }

    /// Something happened to a table: after everything before it.
    pub(super) async fn tell(&mut self, event: TableEvent) -> Result<()> {
        self.hand_over().await?;
        let position = self.position();
        self.send(Captured::Table(event, position)).await
    }

    async fn send(&mut self, captured: Captured) -> Result<()> {
        self.keep_prepared().await?;
        self.out
            .sender
            .send(Ok(captured))
            .await
            .map_err(|_| Error::new(Code::Stopped, "nobody reads the stream any more"))
    }

    /// An event's rows were captured.
    pub(super) fn kept(&mut self, bytes: usize) {
        self.sample.kept += bytes;
    }
}

impl Sample {
    /// The event in a buffer that may be kept for its rows.
    fn own(&mut self, packet: Bytes) -> Bytes {
        self.seen += packet.len();
        if self.seen > SAMPLE {
            self.sparse = self.kept < self.seen / 4;
            (self.seen, self.kept) = (0, 0);
        }
        let rows = packet.get(4).is_some_and(|t| holds_rows(*t));
        if rows && (self.sparse || packet.len() < COPY_BELOW) {
            Bytes::copy_from_slice(&packet)
        } else {
            packet
        }
    }
}

/// Events whose rows are slices of the packet (compressed ones are inflated elsewhere).
fn holds_rows(event_type: u8) -> bool {
    matches!(event_type, kind::WRITE_ROWS_V1..=kind::DELETE_ROWS_V1 | kind::WRITE_ROWS..=kind::DELETE_ROWS | kind::PARTIAL_UPDATE_ROWS)
}

/// Says where in the binlog an error was met.
fn located(error: Error, file: &str, offset: u64) -> Error {
    match error.code() {
        Code::MysqlDecode | Code::MysqlChecksum | Code::MysqlUnknownEvent | Code::MysqlIdentity => {
            let located = Error::new(error.code(), format!("{file}:{offset}: {}", error.message()));
            match error.cause_text() {
                Some(cause) => located.cause(cause),
                None => located,
            }
        }
        _ => error,
    }
}
