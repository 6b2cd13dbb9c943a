//! The audit as a chain of hashes: how an entry is made from the one before it, and where a chain that was read back is
//! not the one that was written. No entry is kept here: that is the ledger's.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::ledger::AuditRecord;

/// What the first entry follows.
const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The last entry of a chain, by number and hash, or the last one at the time somebody noted it down. In text
/// `NUMBER:HASH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditHead {
    pub number: i64,
    /// SHA-256, 64 digits.
    pub hash: String,
}

/// One entry of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Rises from 1 without gaps.
    pub number: i64,
    pub record: AuditRecord,
    /// The hash of the entry before it.
    pub previous: String,
    /// Its own, over all of the above.
    pub hash: String,
}

/// The audit of a ledger as it was at one moment.
#[derive(Clone, Debug, Default)]
pub struct AuditChain {
    /// In the order in which they were written.
    pub entries: Vec<AuditEntry>,
    /// What is kept apart of the last entry; `None`: it is gone.
    pub head: Option<AuditHead>,
}

/// The first thing that is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// At which entry.
    pub number: i64,
    pub kind: FaultKind,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The entry's own hash does not fit what it says.
    Changed,
    /// The entry fits its own hash, but what was written after it names another one.
    Replaced,
    /// There is no entry of this number.
    Missing,
    /// The entry stands where another number belongs.
    OutOfOrder,
    /// From this entry on there are none, though there were.
    CutOff,
    /// The entry is beyond the last one that the head knows of.
    Added,
    /// The head is gone, so nothing tells how many entries there were.
    NoHead,
    /// The chain holds, but this entry is not the one that was noted down.
    Rewritten,
}

impl AuditHead {
    /// That of a chain without entries.
    pub fn beginning() -> AuditHead {
        AuditHead { number: 0, hash: BEGINNING.to_owned() }
    }
}

impl fmt::Display for AuditHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.hash)
    }
}

impl FromStr for AuditHead {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<AuditHead, Self::Err> {
        const FORM: &str = "not NUMBER:HASH, as `syncline audit verify` prints it";
        let (number, hash) = text.split_once(':').ok_or(FORM)?;
        let number: u32 = number.parse().map_err(|_| FORM)?;
        if hash.len() != BEGINNING.len() || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(FORM);
        }
        Ok(AuditHead { number: number.into(), hash: hash.to_ascii_lowercase() })
    }
}

impl AuditEntry {
    /// The entry that comes after this head.
    pub fn after(head: &AuditHead, record: AuditRecord) -> AuditEntry {
        let number = head.number.saturating_add(1);
        let hash = hash(number, &record, &head.hash);
        AuditEntry { number, record, previous: head.hash.clone(), hash }
    }

    /// What is kept apart of it while it is the last one.
    pub fn head(&self) -> AuditHead {
        AuditHead { number: self.number, hash: self.hash.clone() }
    }
}

/// SHA-256 over a name for this form and each field, all as text with its length in front (8 bytes, big endian), so that
/// no two entries have the same bytes.
fn hash(number: i64, record: &AuditRecord, previous: &str) -> String {
    let AuditRecord { at, actor, action, pipeline, detail } = record;
    let (number, at) = (number.to_string(), at.to_string());
    let mut hash = Sha256::new();
    for field in ["syncline audit 1", previous, &number, &at, actor, action, pipeline, detail] {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field.as_bytes());
    }
    format!("{:x}", hash.finalize())
}

impl AuditChain {
    /// Whether this is the chain that was written, and, if a head was `noted` elsewhere, one that goes on from there.
    /// Answers its head, or the first entry that is wrong.
    pub fn verify(&self, noted: Option<&AuditHead>) -> Result<AuditHead, Fault> {
        let mut last = AuditHead::beginning();
        for entry in &self.entries {
            self.verify_entry(entry, &last)?;
            last = entry.head();
        }
        let fault = |number, kind| Err(Fault { number, kind });
        match &self.head {
            None => return fault(last.number, FaultKind::NoHead),
            Some(head) if head.number > last.number => return fault(last.number + 1, FaultKind::CutOff),
            Some(head) if head.number < last.number => {
                return fault(head.number.max(0) + 1, FaultKind::Added);
            }
            Some(head) if head.hash != last.hash => return fault(last.number, FaultKind::Replaced),
            Some(_) => {}
        }
        match noted.map(|noted| (noted, self.at(noted.number))) {
            Some((_, None)) => fault(last.number + 1, FaultKind::CutOff),
            Some((noted, Some(found))) if found != noted.hash => fault(noted.number, FaultKind::Rewritten),
            _ => Ok(last),
        }
    }

    fn verify_entry(&self, entry: &AuditEntry, last: &AuditHead) -> Result<(), Fault> {
        let number = last.number + 1;
        if entry.number != number {
            let elsewhere = self.entries.iter().any(|entry| entry.number == number);
            return Err(if elsewhere || entry.number < number {
                Fault { number: entry.number, kind: FaultKind::OutOfOrder }
            } else {
                Fault { number, kind: FaultKind::Missing }
            });
        }
        if entry.hash != hash(number, &entry.record, &entry.previous) {
            return Err(Fault { number, kind: FaultKind::Changed });
        }
        match entry.previous == last.hash {
            true => Ok(()),
            false if last.number == 0 => Err(Fault { number, kind: FaultKind::Changed }),
            false => Err(Fault { number: last.number, kind: FaultKind::Replaced }),
        }
    }

    /// The hash of an entry of a chain that holds so far.
    fn at(&self, number: i64) -> Option<&str> {
        match usize::try_from(number).ok()?.checked_sub(1) {
            None => Some(BEGINNING),
            Some(index) => self.entries.get(index).map(|entry| &*entry.hash),
        }
    }
}

impl FaultKind {
    /// One word for programs.
    pub fn word(self) -> &'static str {
        match self {
            FaultKind::Changed => "changed",
            FaultKind::Replaced => "replaced",
            FaultKind::Missing => "missing",
            FaultKind::OutOfOrder => "out-of-order",
            FaultKind::CutOff => "cut-off",
            FaultKind::Added => "added",
            FaultKind::NoHead => "no-head",
            FaultKind::Rewritten => "rewritten",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.number;
        match self.kind {
            FaultKind::Changed => write!(f, "entry {n} was changed: it does not fit its own hash"),
            FaultKind::Replaced => write!(f, "entry {n} was changed: what came after it names another hash"),
            FaultKind::Missing => write!(f, "entry {n} is missing"),
            FaultKind::OutOfOrder => write!(f, "entry {n} is out of order"),
            FaultKind::CutOff => write!(f, "the end was cut off: entry {n} is missing, and all after it"),
            FaultKind::Added => write!(f, "entry {n} was added past the end that the head knows of"),
            FaultKind::NoHead => write!(f, "the head is gone: entries after entry {n} may be missing"),
            FaultKind::Rewritten => write!(f, "entry {n} is not the one that was noted down"),
        }
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
