//! Reads the end of the binlog once more, beside the stream: which rows changed since a moment. Nobody applies what is told
//! here, so it may tell too much: where a row event says too little, the whole table is named.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use syncline_engine::change::{Change, Origin};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::source::Recent;
use syncline_engine::version::Version;
use tokio::sync::mpsc;

use super::head::Head;
use super::open;
use super::rows::change;
use super::statements::dialect_of;
use super::tables::Target;
use crate::mysql::binlog::{
    Decoder, Event, EventBody, EventHeader, Image, Payload, Place, Query, RowsEvent, TableMap, kind,
};
use crate::mysql::client::Session;
use crate::mysql::context::Context;
use crate::mysql::ddl::{self, Clause, Dialect, Name, Statement, Xa};
use crate::mysql::schema::{Columns, History, TableName};
use crate::mysql::server::{Coordinate, Facts};
use crate::mysql::wire::{Dump, DumpStart, Wire};

/// Changes that are told together.
const PIECE: usize = 2000;
/// And bytes of their images.
const PIECE_BYTES: usize = 1 << 20;

/// See [`syncline_engine::source::Source::recent`].
pub async fn read(context: &Context, since: i64, pieces: &mpsc::Sender<Recent>) -> Result<()> {
    // Events carry whole seconds.
    let since = since.div_euclid(1000);
    let mut session = context.session().await?;
    let end = session.coordinate().await?;
    let file = first_file(context, &mut session, since).await?;
    let facts = Arc::clone(session.facts());
    let ledger = Arc::clone(&context.ledger);
    let mut again = Again {
        context,
        pieces,
        since,
        head: Head::new(&file, 4)?,
        epoch: ledger.pipeline(&context.pipeline).await?.epoch,
        history: History::load(ledger, &context.pipeline, facts.folds_names()).await?,
        folds: facts.folds_names(),
        dialect: open::dialect(&facts),
        decoder: Decoder::new(true),
        maps: HashMap::new(),
        begun: false,
        prepared: HashSet::new(),
        told: HashSet::new(),
        changes: Vec::new(),
        bytes: 0,
    };
    again.read(dump(context, &session, &facts, &file).await?, &end).await
}

async fn dump(context: &Context, session: &Session, facts: &Facts, file: &str) -> Result<Dump> {
    let wire = Wire::connect(&context.config, session.endpoint()).await?;
    let start = DumpStart::File { name: file.to_owned(), offset: 4 };
    // A replica of its own: the stream's would be thrown out.
    Dump::start(wire, open::drawn_id()?, facts.mariadb(), &start).await
}

/// The newest file that was begun before a second: the one before it may still hold events of the second in which it was begun.
async fn first_file(context: &Context, session: &mut Session, since: i64) -> Result<String> {
    let rows = session.texts("SHOW BINARY LOGS").await?;
    let files: Vec<String> = rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
    let facts = Arc::clone(session.facts());
    // All before `low` were begun early enough, none from `high` on was.
    let (mut low, mut high, mut oldest) = (0, files.len(), None);
    while low < high {
        let middle = low + (high - low) / 2;
        let begun = begun_at(&mut dump(context, session, &facts, &files[middle]).await?).await?;
        if begun < since {
            low = middle + 1;
        } else {
            (high, oldest) = (middle, Some(begun));
        }
    }
    low.checked_sub(1).and_then(|n| files.get(n).cloned()).ok_or_else(|| {
        let seconds = oldest.unwrap_or(since) - since;
        let what = format!("{}: the binlog begins {seconds} s later than that", session.shown());
        Error::new(Code::VerifySince, what)
    })
}

/// When the file of a dump was begun, in seconds since 1970.
async fn begun_at(dump: &mut Dump) -> Result<i64> {
    loop {
        let header = EventHeader::parse(&dump.next().await?)?;
        if header.event_type == kind::FORMAT_DESCRIPTION {
            return Ok(i64::from(header.timestamp));
        }
    }
}

struct Again<'a> {
    context: &'a Context,
    pieces: &'a mpsc::Sender<Recent>,
    /// Seconds since 1970.
    since: i64,
    head: Head,
    epoch: u16,
    history: History,
    folds: bool,
    dialect: Dialect,
    decoder: Decoder,
    /// What ids stand for; `None` for tables whose rows are not told.
    maps: HashMap<u64, (Arc<TableMap>, Option<Target>)>,
    /// An event of the moment or later was seen. The log is in the order of commits, so all behind it counts.
    begun: bool,
    /// XA transactions whose rows were told.
    prepared: HashSet<String>,
    /// Tables that were named.
    told: HashSet<TableName>,
    changes: Vec<Change>,
    bytes: usize,
}

impl Again<'_> {
    async fn read(&mut self, mut dump: Dump, end: &Coordinate) -> Result<()> {
        let end = end.version(0)?;
        while Version::new(0, self.head.number, self.head.next) < end && !self.pieces.is_closed() {
            let packet = dump.next().await?;
            self.event(packet).await?;
            if self.changes.len() >= PIECE || self.bytes >= PIECE_BYTES {
                self.hand_over().await;
            }
        }
        self.hand_over().await;
        Ok(())
    }

    async fn hand_over(&mut self) {
        self.bytes = 0;
        let changes = std::mem::take(&mut self.changes);
        // Whoever listens no longer knows enough.
        drop(self.pieces.send(Recent::Changes(changes)).await);
    }

    async fn event(&mut self, packet: Bytes) -> Result<()> {
        let header = EventHeader::parse(&packet)?;
        let before = self.head.next;
        let at = self.head.locate(&header)?;
        let start = at.unwrap_or(before);
        self.begun |= at.is_some()
            && header.event_type != kind::FORMAT_DESCRIPTION
            && i64::from(header.timestamp) >= self.since;
        let event = self.decoder.decode(&packet)?;
        let place = match &event.body {
            EventBody::Payload(payload) => payload.place(start, header.size),
            EventBody::Rows(rows) => rows.place(start, header.size),
            _ => Place::plain(start),
        };
        match event.body {
            EventBody::Payload(payload) if self.begun => self.payload(&payload, place, start).await,
            EventBody::Payload(_) => Ok(()),
            _ => self.body(event, start, &place).await,
        }
    }

    async fn payload(&mut self, payload: &Payload, mut place: Place, start: u64) -> Result<()> {
        let (mut events, mut read) = (payload.open()?, 0);
        while let Some(bytes) = events.next_event()? {
            let event = self.decoder.decode_inner(&bytes)?;
            place.enter(read);
            read += bytes.len() as u64;
            self.body(event, start, &place).await?;
        }
        Ok(())
    }

    async fn body(&mut self, event: Event, start: u64, place: &Place) -> Result<()> {
        match event.body {
            EventBody::Rotate { position, file } => {
                self.maps.clear();
                self.head.rotate(&file, position)
            }
            EventBody::Heartbeat { file, position } => {
                self.head.heartbeat(&file, position);
                Ok(())
            }
            EventBody::TableMap { table_id, map } => {
                let known = self.maps.get(&table_id).is_some_and(|(known, _)| Arc::ptr_eq(known, &map));
                if self.begun && !known {
                    let target = self.target(&map, start).await;
                    self.maps.insert(table_id, (map, target));
                }
                Ok(())
            }
            EventBody::Rows(rows) if self.begun => self.rows(&rows, place),
            EventBody::Query(query) if self.begun => self.query(&query, start).await,
            EventBody::XaPrepare(prepare) if self.begun => {
                self.prepared.insert(prepare.xid.to_string());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// How rows of a table are read; `None` if they are not told, and then perhaps the table is.
    async fn target(&mut self, map: &Arc<TableMap>, at: u64) -> Option<Target> {
        let name = TableName::new(&map.database, &map.table);
        if !self.context.selection.takes(&name.to_string(), self.folds) {
            return None;
        }
        let version = Version::new(self.epoch, self.head.number, at);
        let target = match self.history.at(&name, version) {
            Some(Columns::Known(known)) => Target::new(name.clone(), known, map).ok(),
            Some(Columns::Dropped | Columns::Lost) | None => None,
        };
        if target.is_none() {
            self.whole(name).await;
        }
        target
    }

    fn rows(&mut self, event: &RowsEvent, place: &Place) -> Result<()> {
        let Some((map, Some(target))) = self.maps.get_mut(&event.table_id) else { return Ok(()) };
        let (map, schema, formats) = (Arc::clone(map), Arc::clone(&target.schema), target.formats.of(event));
        let (epoch, number, origin) = (self.epoch, self.head.number, Origin::nobody());
        for images in event.rows(&map, place)? {
            let version = |image: &Image| Version::new(epoch, number, image.offset);
            let (part, bytes) = change(event, images?, &formats, version)?;
            self.bytes += bytes;
            self.changes.push(part.complete(&schema, &origin));
        }
        Ok(())
    }

    /// All of a table is named, once.
    async fn whole(&mut self, name: TableName) {
        if self.context.selection.takes(&name.to_string(), self.folds) && self.told.insert(name.clone()) {
            drop(self.pieces.send(Recent::Table(name.to_string().into())).await);
        }
    }

    async fn query(&mut self, query: &Query, at: u64) -> Result<()> {
        let version = Version::new(self.epoch, self.head.number, at);
        let of = |database: Option<&str>| {
            let known = self.history.existing(version).into_iter();
            let all = known.map(|known| TableName::new(&known.schema.database, &known.schema.table));
            all.filter(|name| database.is_none_or(|database| *name.database == *database)).collect()
        };
        let full =
            |name: &Name| TableName::new(name.database.as_deref().unwrap_or(&query.database), &name.table);
        let names: Vec<TableName> = match ddl::read(&query.text(), dialect_of(self.dialect, query)) {
            Statement::Create(create) => vec![full(&create.name)],
            Statement::Alter(alter) => {
                let others = alter.clauses.iter().filter_map(|clause| match clause {
                    Clause::Exchange(other) => Some(full(other)),
                    _ => None,
                });
                others.chain([full(&alter.name)]).collect()
            }
            Statement::Truncate(name) | Statement::DropPrimaryKey(name) => vec![full(&name)],
            Statement::Drop(names) | Statement::Dml { names, .. } | Statement::Unclear { names } => {
                names.iter().map(full).collect()
            }
            Statement::Rename(pairs) => pairs.iter().flat_map(|(from, to)| [full(from), full(to)]).collect(),
            Statement::DropDatabase(database) => of(Some(&database)),
            // What it prepared stands before the moment, and may be of any table.
            Statement::Xa(Xa::Commit { xid, one_phase: false }) if !self.prepared.contains(&xid) => of(None),
            _ => Vec::new(),
        };
        for name in names {
            self.whole(name).await;
        }
        Ok(())
    }
}
