//! Some rows instead of all: those that the source's log tells of since a moment, or a sample. Nothing of it is held against
//! anything here: each of them is a suspect, whom the judge looks at on both sides.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::mpsc;
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

use super::buckets::{BUCKETS, Buckets, Record, address_bytes, address_of, hash, records};
use super::expected::{Rows, packed_key};
use super::gather::{Count, Pace};
use super::join::Suspect;
use super::portion::Portion;
use super::report::VerifyRequest;
use crate::change::{CaptureBatch, Change};
use crate::clock::now_millis;
use crate::error::Result;
use crate::pipeline::Shared;
use crate::position::Position;
use crate::route::Deliveries;
use crate::schema::TableSchema;
use crate::sink::Address;
use crate::source::{Bound, Recent};
use crate::version::Version;

/// Pieces of the log that reading may be ahead.
const PIECES: usize = 4;
/// Places of a table at which a sample is taken, at most.
const PLACES: u64 = 200;
/// And so many rows at each, at least.
const AT_A_PLACE: u64 = 10;

/// In the number of a record: its bytes begin with an address.
const ADDRESSED: u64 = 1;

/// What is to be looked at in one target, sorted by address.
pub(super) struct Suspects {
    buckets: Buckets,
    /// How many were added.
    pub many: usize,
}

impl Suspects {
    pub fn new(folder: &Path, plan: u32) -> Suspects {
        Suspects { buckets: Buckets::new(folder, &format!("suspects-{plan}")), many: 0 }
    }

    /// Adds one. `address`: with its [`hash`].
    pub fn push(&mut self, address: Option<(u128, &Address)>, key: &[u8]) -> Result<()> {
        let mut bytes = Vec::new();
        if let Some((_, address)) = address {
            address_bytes(address, &mut bytes);
        }
        let length = bytes.len() as u64;
        bytes.extend_from_slice(key);
        // Where a row lies that nobody can tell yet, its key stands for.
        let at = address.map_or_else(|| xxh3_128(key), |(hash, _)| hash);
        let number = if address.is_some() { ADDRESSED } else { 0 };
        self.many += 1;
        self.buckets.push(&Record { address: at, digest: length, number, bytes: &bytes })
    }

    /// Each address of a bucket once, with all keys that have to do with it.
    pub fn take(&mut self, bucket: usize) -> Result<Vec<Suspect>> {
        let bytes = self.buckets.take(bucket)?;
        let mut suspects = BTreeMap::<u128, Suspect>::new();
        for Record { address: hash, digest: length, number, bytes } in records(&bytes) {
            let (address, key) = bytes.split_at(usize::try_from(length).unwrap_or(0).min(bytes.len()));
            let address = if number == ADDRESSED { address_of(address) } else { None };
            let new = || Suspect { hash, address, keys: Vec::new() };
            let suspect = suspects.entry(hash).or_insert_with(new);
            if !key.is_empty() && !suspect.keys.iter().any(|known| known == key) {
                suspect.keys.push(Bytes::copy_from_slice(key));
            }
        }
        Ok(suspects.into_values().collect())
    }

    /// How many buckets there are.
    pub const BUCKETS: usize = BUCKETS;
}

/// What the log tells of each target, and tables of which it tells too little.
#[derive(Default)]
pub(super) struct Touched {
    of_plan: HashMap<u32, Suspects>,
    whole: HashSet<Arc<str>>,
}

impl Touched {
    /// The suspects of a target; `None` if all of the table is to be compared.
    pub fn of(&mut self, table: &str, plan: u32) -> Option<Suspects> {
        if self.whole.contains(table) { None } else { self.of_plan.remove(&plan) }
    }

    /// Reads the source's log once for all these tables.
    pub async fn read(
        shared: &Arc<Shared>,
        since: i64,
        tables: &[Arc<TableSchema>],
        request: &VerifyRequest,
        folder: &Path,
    ) -> Result<Touched> {
        let mut wanted = HashMap::new();
        let mut touched = Touched::default();
        for schema in tables {
            let Some(key) = shared.routes.key_columns(schema) else { continue };
            let portion = Portion::of(shared, schema, &key, request)?;
            if portion.is_none() && request.only.is_some() {
                continue;
            }
            wanted.insert(Arc::clone(&schema.name), (key, portion));
            for (_, plan) in shared.routes.targets_of(&schema.name) {
                touched.of_plan.insert(plan.id, Suspects::new(folder, plan.id));
            }
        }
        let (sender, mut pieces) = mpsc::channel(PIECES);
        let source = Arc::clone(&shared.source);
        let reading = tokio::spawn(async move { source.recent(since, &sender).await });
        while let Some(piece) = pieces.recv().await {
            match piece {
                Recent::Table(table) => _ = touched.whole.insert(table),
                Recent::Changes(changes) => touched.keep(shared, changes, &wanted)?,
            }
        }
        reading.await.map_err(super::run::broken)??;
        Ok(touched)
    }

    fn keep(
        &mut self,
        shared: &Shared,
        changes: Vec<Change>,
        wanted: &HashMap<Arc<str>, (Vec<usize>, Option<Portion>)>,
    ) -> Result<()> {
        let owned = |change: &Change| {
            let Some((_, portion)) = wanted.get(&change.schema.name) else { return false };
            let owns =
                |portion: &Portion| change.before.iter().chain(&change.after).any(|row| portion.owns(row));
            portion.as_ref().is_none_or(owns)
        };
        let changes = changes.into_iter().filter(owned).collect();
        let batch = Arc::new(CaptureBatch::at(Position::nowhere(Version::ZERO), changes));
        let mut out = Deliveries::default();
        for (index, change) in batch.changes.iter().enumerate() {
            let Some((key, _)) = wanted.get(&change.schema.name) else { continue };
            let images = change.before.iter().chain(&change.after);
            let keys: Vec<Bytes> = images.filter_map(|image| packed_key(image, key)).collect();
            out.clear();
            // The images say where documents lie; where one is not whole, only the keys lead there.
            let told =
                shared.routes.deliver(&batch, index as u32, &mut out).is_ok() && out.refused.is_empty();
            for (_, delivery) in &out.items {
                if let Some(suspects) = self.of_plan.get_mut(&delivery.plan.id) {
                    let address = (hash(&delivery.plan, &delivery.address), &delivery.address);
                    keys.iter().try_for_each(|key| suspects.push(Some(address), key))?;
                }
            }
            if told {
                continue;
            }
            for (_, plan) in shared.routes.targets_of(&change.schema.name) {
                if let Some(suspects) = self.of_plan.get_mut(&plan.id) {
                    keys.iter().try_for_each(|key| suspects.push(None, key))?;
                }
            }
        }
        Ok(())
    }
}

/// A sample of a table's rows.
pub(super) struct Sample<'a> {
    pub shared: &'a Arc<Shared>,
    pub schema: &'a Arc<TableSchema>,
    /// Columns of the key.
    pub key: &'a [usize],
    pub portion: Option<&'a Portion>,
    pub count: &'a Count,
    /// About so many.
    pub rows: u64,
}

impl Sample<'_> {
    /// Takes it for these targets: at places that are drawn, some neighbours each.
    pub async fn take(
        &self,
        opened: &Position,
        mut pace: Pace,
        of_plan: &mut [(u32, Suspects)],
    ) -> Result<()> {
        let (reader, schema, key) = (self.shared.source.reader(), self.schema, self.key);
        let Some(extent) = reader.extent(schema, key).await? else { return Ok(()) };
        self.count.estimate.store(self.rows.min(extent.rows), Ordering::Relaxed);
        let places = (self.rows / AT_A_PLACE).clamp(1, PLACES);
        let each = (self.rows / places).max(1);
        let stride = (extent.rows / places).max(each);
        let mut after: Option<Bound> = None;
        let mut out = Deliveries::default();
        for place in 0..places {
            let before = drawn(place, stride - each + 1);
            for (rows, wanted) in [(before, false), (each, true), (stride - each - before, false)] {
                if rows == 0 {
                    continue;
                }
                let many = usize::try_from(rows).unwrap_or(usize::MAX);
                let Some(upto) = reader.next_bound(schema, key, after.as_ref(), &extent.last, many).await?
                else {
                    return Ok(());
                };
                if wanted {
                    let read = reader.read_range(schema, key, after.as_ref(), &upto, opened).await?;
                    let many = read.rows.len() as u64;
                    self.keep(&Rows::new(read, key).of(self.portion), &mut out, of_plan)?;
                    self.count.rows.fetch_add(many, Ordering::Relaxed);
                    pace.passed(many).await;
                }
                after = Some(upto);
            }
        }
        Ok(())
    }

    fn keep(&self, rows: &Rows, out: &mut Deliveries, of_plan: &mut [(u32, Suspects)]) -> Result<()> {
        rows.expected(&self.shared.routes, out, |expected| {
            let Some((_, suspects)) = of_plan.iter_mut().find(|(plan, _)| *plan == expected.standing.plan.id)
            else {
                return Ok(());
            };
            let key = rows.packed_key(expected.row).unwrap_or_default();
            suspects.push(Some((expected.hash, &expected.standing.address())), &key)
        })
    }
}

/// A number below `most`, another one each time.
fn drawn(place: u64, most: u64) -> u64 {
    let seed = u64::from(std::process::id()) ^ now_millis().unsigned_abs();
    xxh3_64_with_seed(&place.to_le_bytes(), seed) % most.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_looked_at_once_with_all_its_keys() {
        let mut suspects = Suspects::new(Path::new("/nowhere"), 1);
        let address = Address { target: "t".into(), id: "a".into() };
        for (address, key) in [
            (Some((7, &address)), "k1"),
            (Some((7, &address)), "k2"),
            (Some((7, &address)), "k1"),
            (None, "k1"),
        ] {
            suspects.push(address, key.as_bytes()).unwrap();
        }
        let all: Vec<Suspect> =
            (0..Suspects::BUCKETS).flat_map(|bucket| suspects.take(bucket).unwrap()).collect();
        let mut shown: Vec<_> = all
            .iter()
            .map(|s| (s.address.clone(), s.keys.iter().map(|k| k.to_vec()).collect::<Vec<_>>()))
            .collect();
        shown.sort_by_key(|(address, _)| address.is_none());
        assert_eq!(
            shown,
            [(Some(address), vec![b"k1".to_vec(), b"k2".to_vec()]), (None, vec![b"k1".to_vec()])]
        );
    }
}
