//! MariaDB's GTIDs: `domain-server-number`, and positions that hold the last one of each domain.

use std::collections::BTreeMap;
use std::fmt;

use syncline_engine::error::{Code, Error, Result};

use super::cursor::Cursor;

/// One transaction's GTID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtid {
    pub domain: u32,
    pub server: u32,
    pub number: u64,
}

/// The last GTID of each domain and server (`@@gtid_binlog_pos` holds one a domain, `@@gtid_binlog_state` and a GTID
/// list event one a server); the newest of a domain is the one that was added last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GtidPosition {
    domains: BTreeMap<u32, Vec<Gtid>>,
}

/// The upper bits of a list event's count are flags.
const COUNT_MASK: u32 = (1 << 28) - 1;

impl Gtid {
    /// Reads `0-1-5`.
    pub fn parse(text: &str) -> Result<Gtid> {
        fn number<T: std::str::FromStr>(part: Option<&str>) -> Option<T> {
            part.filter(|p| p.bytes().all(|b| b.is_ascii_digit())).and_then(|p| p.parse().ok())
        }
        let mut parts = text.trim().split('-');
        let parsed = number(parts.next())
            .zip(number(parts.next()))
            .zip(number(parts.next()))
            .map(|((domain, server), number)| Gtid { domain, server, number });
        parsed
            .filter(|_| parts.next().is_none())
            .ok_or_else(|| Error::new(Code::MysqlDecode, format!("{text:?} is not a GTID of MariaDB")))
    }
}

impl GtidPosition {
    /// Reads `0-1-5,1-2-7`; empty is the empty position.
    pub fn parse(text: &str) -> Result<GtidPosition> {
        let mut position = GtidPosition::default();
        for part in text.split(',').filter(|p| !p.trim().is_empty()) {
            position.add(&Gtid::parse(part)?);
        }
        Ok(position)
    }

    /// The body of a GTID list event: within a domain, the newest comes last.
    pub(super) fn decode(body: &[u8]) -> Result<GtidPosition> {
        let mut c = Cursor::new(body, "GTID list event");
        let count = c.u32()? & COUNT_MASK;
        let mut position = GtidPosition::default();
        for _ in 0..count {
            position.add(&Gtid { domain: c.u32()?, server: c.u32()?, number: c.u64()? });
        }
        Ok(position)
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// Whether the GTID's number is not above that of its domain (numbers rise within a domain, whoever gives them).
    pub fn contains(&self, gtid: &Gtid) -> bool {
        let highest = self.domains.get(&gtid.domain).into_iter().flatten().map(|g| g.number).max();
        highest.is_some_and(|n| gtid.number <= n)
    }

    /// Whether a binlog with this state (`@@gtid_binlog_state`) has the very transaction: numbers of other servers prove
    /// nothing, since two servers that were both written to give the same ones.
    pub fn has(&self, gtid: &Gtid) -> bool {
        let servers = self.domains.get(&gtid.domain).into_iter().flatten();
        servers.into_iter().any(|held| held.server == gtid.server && held.number >= gtid.number)
    }

    /// Moves its domain on to this GTID.
    pub fn add(&mut self, gtid: &Gtid) {
        let servers = self.domains.entry(gtid.domain).or_default();
        match servers.last_mut() {
            Some(last) if last.server == gtid.server => *last = *gtid,
            _ => {
                servers.retain(|g| g.server != gtid.server);
                servers.push(*gtid);
            }
        }
    }

    /// Whether the newest of every domain of this position is contained in the other.
    pub fn is_subset(&self, other: &GtidPosition) -> bool {
        self.newest().all(|gtid| other.contains(gtid))
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
