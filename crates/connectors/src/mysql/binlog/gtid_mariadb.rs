//! MariaDB's GTIDs: `domain-server-number`, and positions that hold the last one of each domain.

use std::collections::BTreeMap;
use std::fmt;

use syncline_engine::error::Result;

/// One transaction's GTID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtid {
    pub domain: u32,
    pub server: u32,
    pub number: u64,
}

/// The last GTID of each domain (`@@gtid_binlog_pos`), or of each domain and server (a GTID list event,
/// `@@gtid_binlog_state`); the newest of a domain is the one that was added last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GtidPosition {
    domains: BTreeMap<u32, Vec<Gtid>>,
}

impl GtidPosition {
    /// Reads `0-1-5,1-2-7`; empty is the empty position.
    pub fn parse(text: &str) -> Result<GtidPosition> {
        let _ = text;
        Err(super::cursor::malformed("GTID position"))
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// Whether the GTID's number is not above that of its domain (numbers rise within a domain).
    pub fn contains(&self, gtid: &Gtid) -> bool {
        let _ = gtid;
        false
    }

    /// Moves its domain on to this GTID.
    pub fn add(&mut self, gtid: &Gtid) {
        let _ = gtid;
    }

    /// Whether every domain of this position is contained in the other.
    pub fn is_subset(&self, other: &GtidPosition) -> bool {
        let _ = other;
        false
    }

    /// The newest GTID of each domain: what `SET @slave_connect_state` takes.
    pub fn newest(&self) -> impl Iterator<Item = &Gtid> {
        self.domains.values().filter_map(|servers| servers.last())
    }
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.domain, self.server, self.number)
    }
}

impl fmt::Display for GtidPosition {
    /// The newest of each domain, `0-1-5,1-2-7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, gtid) in self.newest().enumerate() {
            write!(f, "{}{gtid}", if n == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}
