//! Judges suspects: both sides are read again, once everything before is applied, and what was written to meanwhile is read
//! once more. What stood still and differs is drift; a document that never stands still is reported as such.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::buckets::{hash, hash_of};
use super::document::differing;
use super::expected::{Rows, packed as packed_values, unpacked};
use super::gather::Count;
use super::join::Suspect;
use super::journal::Journal;
use super::report::{Drift, DriftKind};
use super::settled::Waiting;
use super::strays::key_told;
use super::tenants::{Holders, Whose};
use crate::error::Result;
use crate::json;
use crate::pipeline::{Port, Shared};
use crate::position::Position;
use crate::route::{Deliveries, Scope, TargetPlan, key_in_address};
use crate::schema::TableSchema;
use crate::sink::{Address, Held};
use crate::value::OwnedValue;
use crate::version::Version;

/// Suspects that are read again together.
const AT_ONCE: usize = 500;
/// The same of an archive, all of which is read for them.
const OF_ARCHIVE: usize = 10_000;
/// How often one is read before it counts as unsettled.
const PASSES: u32 = 10;
/// Between two readings of what does not stand still; longer each time.
const REST: Duration = Duration::from_millis(20);

/// The judge of one target.
pub(super) struct Judge {
    pub shared: Arc<Shared>,
    pub schema: Arc<TableSchema>,
    pub key: Vec<usize>,
    pub plan: Arc<TargetPlan>,
    pub port: Arc<Port>,
    pub count: Arc<Count>,
    /// Only rows of a part were read: others may stand behind what the part's rows do not.
    pub part: bool,
    /// Open since before the first row was read.
    pub journal: Arc<Journal>,
    /// What was written to since the buckets were made, with the key that wrote it.
    pub late: HashMap<u128, Bytes>,
    /// Who may stand behind documents, if that is counted.
    pub holders: Option<Holders>,
    /// And whose is what was last seen at an address.
    pub whose: HashMap<u128, Whose>,
}

/// Both sides of some suspects as they are now.
struct Look {
    expected: HashMap<u128, Expected>,
    /// Addresses that the row of a packed key should have.
    of_key: HashMap<Bytes, Vec<u128>>,
    held: HashMap<u128, Held>,
    addresses: HashMap<u128, Address>,
    /// Nobody knows whether a row stands behind these.
    untold: HashSet<u128>,
    position: Position,
    whose: HashMap<u128, Whose>,
}

struct Expected {
    /// `None`: the route refuses the row.
    document: Option<Bytes>,
    key: String,
}

/// What was found, and at which position of the stream it was certain.
pub(super) struct Finding {
    pub drift: Drift,
    /// Hash of its address.
    pub hash: u128,
    /// The key, packed; `None` where no row is known to stand behind it.
    pub key: Option<Bytes>,
    /// What the target held.
    pub before: Option<Bytes>,
    /// What it should have held.
    pub after: Option<Bytes>,
    pub at: Position,
}

impl Finding {
    /// To be judged again.
    pub fn suspect(&self) -> Suspect {
        let address = Some(self.drift.address.clone());
        Suspect { hash: self.hash, address, keys: self.key.iter().cloned().collect() }
    }

    /// What stands at its address.
    pub fn held(&self) -> Held {
        let (address, version) = (self.drift.address.clone(), self.drift.version);
        Held { address, version, document: self.before.clone() }
    }
}

impl Judge {
    /// So many suspects are judged together.
    pub fn at_once(&self) -> usize {
        if self.plan.spec.kind.keeps_lines() { OF_ARCHIVE } else { AT_ONCE }
    }

    /// Judges some suspects to the end.
    pub async fn judge(&mut self, mut suspects: Vec<Suspect>) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        let mut position = None;
        for pass in 0..PASSES {
            if suspects.is_empty() {
                break;
            }
            if pass > 0 {
                tokio::time::sleep(REST * pass).await;
            }
            self.count.suspects.store(suspects.len() as u64, Ordering::Relaxed);
            let (look, touched) = self.look(&mut suspects).await?;
            let emptied = touched.contains(&hash_of("", ""));
            let mut judged = HashSet::new();
            suspects.retain(|suspect| {
                let known = look.involved(suspect);
                if emptied || known.iter().any(|address| touched.contains(address)) {
                    return true;
                }
                let fresh = known.into_iter().filter(|address| judged.insert(*address));
                findings.extend(fresh.filter_map(|address| self.verdict(address, &look)));
                false
            });
            position = Some(look.position);
        }
        self.count.suspects.store(0, Ordering::Relaxed);
        if let Some(at) = position {
            findings.extend(suspects.into_iter().map(|suspect| self.unsettled(suspect, &at)));
        }
        Ok(findings)
    }

    /// Reads both sides; answers what was written to while it did.
    async fn look(&mut self, suspects: &mut [Suspect]) -> Result<(Look, HashSet<u128>)> {
        let journal = self.shared.journals.begin(self.plan.id, &self.schema.name);
        // What came before is noted in the long journal, what comes from here on in both.
        self.learn();
        for suspect in suspects.iter_mut() {
            if let Some(key) = self.late.get(&suspect.hash).filter(|key| !suspect.keys.contains(key)) {
                suspect.keys.push(key.clone());
            }
        }
        let untold = if self.part { self.tell(suspects) } else { HashSet::new() };
        let waiting = Waiting { shared: &self.shared, sink: self.port.index, table: &self.schema.name };
        let position = waiting.settled().await?;
        let mut look = self.read(suspects, position).await?;
        self.whose.extend(std::mem::take(&mut look.whose));
        look.position = waiting.overtaken().await?;
        look.untold = untold;
        Ok((look, journal.take().iter().map(|note| note.address).collect()))
    }

    /// Which rows may stand behind what a part has too much of; answers the addresses that do not tell.
    fn tell(&self, suspects: &mut [Suspect]) -> HashSet<u128> {
        let mut untold = HashSet::new();
        for suspect in suspects {
            let Some(address) = &suspect.address else { continue };
            match key_told(&self.plan, &self.schema, &self.key, address).map(|key| packed_values(&key)) {
                Some(key) if !suspect.keys.contains(&key) => suspect.keys.push(key),
                None if suspect.keys.is_empty() => _ = untold.insert(suspect.hash),
                Some(_) | None => {}
            }
        }
        untold
    }

    fn learn(&mut self) {
        let keyed = self.journal.take().into_iter().filter(|note| !note.key.is_empty());
        self.late.extend(keyed.map(|note| (note.address, note.key)));
    }

    async fn read(&self, suspects: &[Suspect], position: Position) -> Result<Look> {
        let keys: BTreeSet<&Bytes> = suspects.iter().flat_map(|suspect| &suspect.keys).collect();
        let values: Vec<Vec<OwnedValue>> = keys.into_iter().filter_map(|key| self.unpacked(key)).collect();
        let mut look = Look {
            expected: HashMap::new(),
            of_key: HashMap::new(),
            held: HashMap::new(),
            addresses: HashMap::new(),
            untold: HashSet::new(),
            position,
            whose: HashMap::new(),
        };
        if !values.is_empty() {
            let reader = self.shared.source.reader();
            let read = reader.read_keys(&self.schema, &self.key, &values, &look.position).await?;
            look.expect(&Rows::new(read, &self.key), &self.shared, self.plan.id, self.holders.as_ref())?;
        }
        let held = suspects.iter().filter_map(|suspect| Some((suspect.hash, suspect.address.clone()?)));
        look.addresses.extend(held);
        let addresses: Vec<Address> = look.addresses.values().cloned().collect();
        let scope = Scope::new(&self.plan, &self.schema.name)?;
        let found = self.port.sink.read_of(&scope, &addresses).await?;
        look.held.extend(found.into_iter().flatten().map(|held| (hash(&self.plan, &held.address), held)));
        if let Some(holders) = &self.holders {
            for (at, held) in look.held.iter().filter(|(at, _)| !look.expected.contains_key(at)) {
                look.whose.insert(*at, holders.document(held.document.as_deref().unwrap_or_default()));
            }
        }
        Ok(look)
    }

    /// The values of a packed key.
    pub fn unpacked(&self, key: &Bytes) -> Option<Vec<OwnedValue>> {
        unpacked(key, self.key.len())
    }

    /// What stood still at an address: drift, or none.
    fn verdict(&self, at: u128, look: &Look) -> Option<Finding> {
        let (expected, held) = (look.expected.get(&at), look.held.get(&at));
        let version = held.map_or(Version::ZERO, |held| held.version);
        let (kind, fields) = match (expected, held) {
            (Some(Expected { document: None, .. }), _) | (None, None) => return None,
            (None, Some(_)) if look.untold.contains(&at) => return None,
            // What has a lifetime may be over.
            (Some(_), None) if self.plan.spec.ttl.is_some() => return None,
            (Some(_), None) => (DriftKind::Missing, Vec::new()),
            (None, Some(_)) => (DriftKind::Extra, Vec::new()),
            (Some(Expected { document: Some(document), .. }), Some(held)) => {
                (DriftKind::Different, differing(document, held.document.as_deref().unwrap_or_default())?)
            }
        };
        // An archive tells where it lies.
        let address = held.map(|held| &held.address).or_else(|| look.addresses.get(&at))?.clone();
        let key = match expected {
            Some(expected) => expected.key.clone(),
            None => self.key_of(&address),
        };
        let packed = look.of_key.iter().find(|(_, addresses)| addresses.contains(&at));
        let packed = packed.map(|(key, _)| key.clone());
        let drift = Drift { kind, key, address, fields, version };
        let before = held.and_then(|held| held.document.clone());
        let after = expected.and_then(|expected| expected.document.clone());
        Some(Finding { drift, hash: at, key: packed, before, after, at: look.position.clone() })
    }

    fn unsettled(&self, suspect: Suspect, at: &Position) -> Finding {
        let address =
            suspect.address.unwrap_or_else(|| Address { target: Arc::default(), id: Arc::default() });
        let packed = suspect.keys.into_iter().next();
        let known = packed.as_ref().and_then(|key| self.unpacked(key)).map(|values| self.key_json(&values));
        let key = known.unwrap_or_else(|| self.key_of(&address));
        let drift =
            Drift { kind: DriftKind::Unsettled, key, address, fields: Vec::new(), version: Version::ZERO };
        Finding { drift, hash: suspect.hash, key: packed, before: None, after: None, at: at.clone() }
    }

    /// The values of a key as an object.
    fn key_json(&self, values: &[OwnedValue]) -> String {
        let mut text = String::from("{");
        for (column, value) in self.key.iter().zip(values) {
            let Some(column) = self.schema.columns.get(*column) else { continue };
            let mut member = Vec::new();
            json::write_string(&mut member, &column.name);
            member.push(b':');
            json::write_value(&mut member, value.borrow());
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&String::from_utf8_lossy(&member));
        }
        text + "}"
    }

    fn key_of(&self, address: &Address) -> String {
        key_in_address(&self.plan, &self.schema, &self.key, address).unwrap_or_else(|| "{}".to_owned())
    }
}

impl Look {
    fn expect(&mut self, rows: &Rows, shared: &Shared, plan: u32, holders: Option<&Holders>) -> Result<()> {
        rows.expected(&shared.routes, &mut Deliveries::default(), |expected| {
            if expected.standing.plan.id != plan {
                return Ok(());
            }
            let at = expected.hash;
            if let Some(key) = rows.packed_key(expected.row) {
                self.of_key.entry(key).or_default().push(at);
            }
            self.addresses.insert(at, expected.standing.address());
            if let Some(Holders { owners, .. }) = holders {
                self.whose.insert(at, owners.row(rows.image(expected.row)));
            }
            let key = rows.key_json(expected.row);
            let document = expected.standing.document.map(Bytes::copy_from_slice);
            let expected = Expected { document, key };
            self.expected.insert(at, expected);
            Ok(())
        })
    }

    /// All addresses that have to do with a suspect.
    fn involved(&self, suspect: &Suspect) -> BTreeSet<u128> {
        let of_keys = suspect.keys.iter().filter_map(|key| self.of_key.get(key)).flatten();
        of_keys.copied().chain([suspect.hash]).collect()
    }
}
