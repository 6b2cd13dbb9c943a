//! The transaction that is being read: where it starts, its name, who wrote it and when.

use std::sync::Arc;

use syncline_engine::change::Origin;
use syncline_engine::schema::TableSchema;

use crate::mysql::binlog::{EventHeader, GtidEvent, GtidKind};

/// An open transaction.
pub struct Transaction {
    /// Where its first event stands (its GTID event, else BEGIN).
    pub start: u64,
    pub gtid: Option<GtidKind>,
    /// It has a BEGIN: it ends with COMMIT. Without one, its single statement is all of it.
    pub begun: bool,
    /// It is the first phase of an XA transaction.
    pub prepares: bool,
    /// The captured tables that it has changed so far.
    pub tables: Vec<Arc<TableSchema>>,
    /// When it was committed, in milliseconds since 1970.
    pub commit_millis: Option<i64>,
    origin: Option<Arc<Origin>>,
}

impl Transaction {
    /// One without a GTID event.
    pub fn new(start: u64) -> Transaction {
        Transaction {
            start,
            gtid: None,
            begun: false,
            prepares: false,
            tables: Vec::new(),
            commit_millis: None,
            origin: None,
        }
    }

    /// One that a GTID event begins. MariaDB's event is its BEGIN too, unless it says that a single statement follows.
    pub fn named(start: u64, event: GtidEvent, header: &EventHeader) -> Transaction {
        let mariadb = matches!(event.id, GtidKind::MariaDb(_));
        let micros = event.commit_micros.or(event.original_commit_micros);
        Transaction {
            begun: mariadb && !event.standalone,
            prepares: event.prepares.is_some(),
            commit_millis: micros
                .and_then(|m| i64::try_from(m / 1000).ok())
                .or(Some(i64::from(header.timestamp) * 1000)),
            gtid: Some(event.id).filter(|id| *id != GtidKind::Anonymous),
            ..Transaction::new(start)
        }
    }

    /// Notes a table that it changes.
    pub fn touches(&mut self, schema: &Arc<TableSchema>) {
        if !self.tables.iter().any(|known| Arc::ptr_eq(known, schema)) {
            self.tables.push(Arc::clone(schema));
        }
    }

    /// Shared by all its changes. `header`: of the event at hand.
    pub fn origin(&mut self, file: &Arc<str>, header: &EventHeader) -> Arc<Origin> {
        let time = *self.commit_millis.get_or_insert(i64::from(header.timestamp) * 1000);
        let origin = self.origin.get_or_insert_with(|| {
            Arc::new(Origin {
                server_id: header.server_id,
                file: Arc::clone(file),
                gtid: self.gtid.as_ref().map(|id| id.to_string().into()),
                committed_at: time,
            })
        });
        Arc::clone(origin)
    }
}
