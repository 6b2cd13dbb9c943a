//! MySQL's GTIDs: `uuid[:tag]:number` and sets of them, with the algebra that resuming needs.

use std::collections::BTreeMap;
use std::fmt;

use syncline_engine::error::{Code, Error, Result};

use super::cursor::Cursor;
use super::varlen;

/// Who numbered a transaction: a server's UUID and, since MySQL 8.3, an optional tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tsid {
    /// `server_uuid` of the server that committed first.
    pub uuid: [u8; 16],
    /// Lower case; empty without a tag.
    pub tag: String,
}

/// One transaction's GTID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtid {
    pub tsid: Tsid,
    /// From 1.
    pub number: u64,
}

/// A set of GTIDs: for each [`Tsid`] disjoint ascending ranges `first..=last` that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GtidSet {
    ranges: BTreeMap<Tsid, Vec<(u64, u64)>>,
}

/// The highest number there is: 2^63 - 2.
const MAX_NUMBER: u64 = i64::MAX as u64 - 1;
const MAX_TAG: usize = 32;

impl Tsid {
    /// A server without a tag.
    pub fn untagged(uuid: [u8; 16]) -> Tsid {
        Tsid { uuid, tag: String::new() }
    }

    /// With a tag as an event carries it; `None` if it is not a tag.
    pub fn tagged(uuid: [u8; 16], tag: &[u8]) -> Option<Tsid> {
        let tag = std::str::from_utf8(tag).ok()?;
        (tag.is_empty() || is_tag(tag)).then(|| Tsid { uuid, tag: tag.to_ascii_lowercase() })
    }
}

/// Letters, digits and underscores, not a digit first, at most 32.
fn is_tag(text: &str) -> bool {
    text.len() <= MAX_TAG
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && text.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

#[cold]
fn bad(text: &str) -> Error {
    Error::new(Code::MysqlDecode, format!("{text:?} is not a GTID or a part of a GTID set"))
}

/// 32 hex digits with or without the four dashes.
fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let mut uuid = [0u8; 16];
    let mut digits = 0;
    for (n, b) in text.bytes().enumerate() {
        if b == b'-' && matches!(n, 8 | 13 | 18 | 23) {
            continue;
        }
        let nibble = (b as char).to_digit(16)? as u8;
        *uuid.get_mut(digits / 2)? |= nibble << if digits.is_multiple_of(2) { 4 } else { 0 };
        digits += 1;
    }
    (digits == 32).then_some(uuid)
}

fn parse_range(text: &str) -> Option<(u64, u64)> {
    let number = |t: &str| {
        let t = t.trim();
        if !t.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        t.parse::<u64>().ok().filter(|n| (1..=MAX_NUMBER).contains(n))
    };
    match text.split_once('-') {
        Some((first, last)) => Some((number(first)?, number(last)?)),
        None => number(text).map(|n| (n, n)),
    }
}

impl Gtid {
    /// As an event carries it; `None` for a number that no server gives, which a set could not be read back with.
    pub(super) fn numbered(tsid: Tsid, number: u64) -> Option<Gtid> {
        (1..=MAX_NUMBER).contains(&number).then_some(Gtid { tsid, number })
    }

    /// Reads `uuid:number` or `uuid:tag:number`.
    pub fn parse(text: &str) -> Result<Gtid> {
        let set = GtidSet::parse(text)?;
        let mut all =
            set.ranges.iter().flat_map(|(tsid, ranges)| ranges.iter().map(move |range| (tsid, *range)));
        match (all.next(), all.next()) {
            (Some((tsid, (first, last))), None) if first == last => {
                Ok(Gtid { tsid: tsid.clone(), number: first })
            }
            _ => Err(bad(text)),
        }
    }
}

impl GtidSet {
    /// Reads the server's text (`@@gtid_executed`): spaces and line feeds allowed, empty is the empty set.
    pub fn parse(text: &str) -> Result<GtidSet> {
        let mut set = GtidSet::default();
        for source in text.split(',').map(str::trim).filter(|s| !s.is_empty()) {
            let mut parts = source.split(':').map(str::trim);
            let uuid = parts.next().and_then(parse_uuid).ok_or_else(|| bad(source))?;
            let mut tsid = Tsid::untagged(uuid);
            for part in parts {
                if is_tag(part) {
                    tsid.tag = part.to_ascii_lowercase();
                } else {
                    let (first, last) = parse_range(part).ok_or_else(|| bad(source))?;
                    set.add_range(&tsid, first, last);
                }
            }
        }
        Ok(set)
    }

    /// The body of a PREVIOUS_GTIDS event. With tags, the first and the eighth byte of the count are 1.
    pub(super) fn decode(body: &[u8]) -> Result<GtidSet> {
        let mut c = Cursor::new(body, "previous GTIDs event");
        let head = c.u64()?;
        let tagged = head >> 56 == 1;
        let sources = if tagged { head << 8 >> 16 } else { head };
        let mut set = GtidSet::default();
        for _ in 0..sources {
            let uuid = c.array()?;
            let tag = if tagged { varlen::bytes(&mut c)? } else { &[] };
            let tsid = Tsid::tagged(uuid, tag).ok_or_else(|| c.bad())?;
            for _ in 0..c.u64()? {
                let (first, end) = (c.u64()?, c.u64()?);
                if first == 0 || end <= first || end > MAX_NUMBER + 1 {
                    return Err(c.bad());
                }
                set.add_range(&tsid, first, end - 1);
            }
        }
        Ok(set)
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether the GTID is in it.
    pub fn contains(&self, gtid: &Gtid) -> bool {
        self.contains_range(&gtid.tsid, gtid.number, gtid.number)
    }

    fn contains_range(&self, tsid: &Tsid, first: u64, last: u64) -> bool {
        let Some(ranges) = self.ranges.get(tsid) else { return false };
        let at = ranges.partition_point(|range| range.1 < first);
        ranges.get(at).is_some_and(|range| range.0 <= first && last <= range.1)
    }

    /// Adds one.
    pub fn add(&mut self, gtid: &Gtid) {
        self.add_range(&gtid.tsid, gtid.number, gtid.number);
    }

    /// Adds `first..=last`; an empty or reversed range adds nothing.
    pub fn add_range(&mut self, tsid: &Tsid, first: u64, last: u64) {
        if first > last {
            return;
        }
        let Some(ranges) = self.ranges.get_mut(tsid) else {
            self.ranges.insert(tsid.clone(), vec![(first, last)]);
            return;
        };
        // The usual case: the next number of the last range.
        if let Some(end) = ranges.last_mut()
            && end.1.checked_add(1) == Some(first)
        {
            end.1 = last;
            return;
        }
        let from = ranges.partition_point(|range| range.1.saturating_add(1) < first);
        let to = ranges.partition_point(|range| range.0 <= last.saturating_add(1));
        let joined =
            ranges[from..to].iter().fold((first, last), |j, range| (j.0.min(range.0), j.1.max(range.1)));
        ranges.splice(from..to, [joined]);
    }

    /// Adds all of another set.
    pub fn merge(&mut self, other: &GtidSet) {
        for (tsid, ranges) in &other.ranges {
            for (first, last) in ranges {
                self.add_range(tsid, *first, *last);
            }
        }
    }

    /// Whether every GTID of this set is in the other.
    pub fn is_subset(&self, other: &GtidSet) -> bool {
        self.iter().all(|(tsid, ranges)| ranges.iter().all(|r| other.contains_range(tsid, r.0, r.1)))
    }

    /// Each source with its ranges.
    pub fn iter(&self) -> impl Iterator<Item = (&Tsid, &[(u64, u64)])> {
        self.ranges.iter().map(|(tsid, ranges)| (tsid, ranges.as_slice()))
    }
}

fn write_uuid(f: &mut fmt::Formatter<'_>, uuid: &[u8; 16]) -> fmt::Result {
    for (n, byte) in uuid.iter().enumerate() {
        if matches!(n, 4 | 6 | 8 | 10) {
            f.write_str("-")?;
        }
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_uuid(f, &self.tsid.uuid)?;
        if !self.tsid.tag.is_empty() {
            write!(f, ":{}", self.tsid.tag)?;
        }
        write!(f, ":{}", self.number)
    }
}

impl fmt::Display for GtidSet {
    /// As the server prints it, without line feeds: `uuid:1-5:7:tag:1-3,uuid:1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut previous: Option<&[u8; 16]> = None;
        for (tsid, ranges) in &self.ranges {
            if previous != Some(&tsid.uuid) {
                if previous.is_some() {
                    f.write_str(",")?;
                }
                write_uuid(f, &tsid.uuid)?;
                previous = Some(&tsid.uuid);
            }
            if !tsid.tag.is_empty() {
                write!(f, ":{}", tsid.tag)?;
            }
            for (first, last) in ranges {
                write!(f, ":{first}")?;
                if last > first {
                    write!(f, "-{last}")?;
                }
            }
        }
        Ok(())
    }
}
