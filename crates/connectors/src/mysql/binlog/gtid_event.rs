//! The event that begins a transaction and names it: MySQL's GTID, anonymous and tagged events, MariaDB's GTID event.

use super::gtid_mariadb;
use super::gtid_mysql;
use super::xa::Xid;

/// The beginning of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GtidEvent {
    pub id: GtidKind,
    /// When the server that committed first did so, in microseconds since 1970 (MySQL 8, MariaDB has none).
    pub original_commit_micros: Option<u64>,
    /// When this server did.
    pub commit_micros: Option<u64>,
    /// Bytes of the whole transaction with this event (MySQL 8).
    pub transaction_length: Option<u64>,
    /// MariaDB: no BEGIN and COMMIT around it, it is a single statement (DDL).
    pub standalone: bool,
    /// MariaDB: the group is DDL.
    pub ddl: bool,
    /// MariaDB: the transaction is an XA PREPARE of this id.
    pub prepares: Option<Xid>,
    /// MariaDB: the transaction is XA COMMIT or XA ROLLBACK of this id.
    pub completes: Option<Xid>,
}

/// How it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GtidKind {
    MySql(gtid_mysql::Gtid),
    MariaDb(gtid_mariadb::Gtid),
    /// A MySQL server without GTIDs.
    Anonymous,
}

impl std::fmt::Display for GtidKind {
    /// As the server prints it; empty for an anonymous one.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            GtidKind::MySql(gtid) => gtid.fmt(f),
            GtidKind::MariaDb(gtid) => gtid.fmt(f),
            GtidKind::Anonymous => Ok(()),
        }
    }
}
