//! A first look at many rows of a part: each is read once on both sides, without waiting for the stream, and only what does not look
//! right is left for the judge. An archive is read as a whole for that, since looking up some keys reads all of its files.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use super::buckets::{Buckets, hash, records};
use super::compare::Comparison;
use super::document::digest;
use super::documents::Documents;
use super::expected::{Rows, unpacked};
use super::gather::{Pace, scan};
use super::join::Suspect;
use crate::error::Result;
use crate::pipeline::Port;
use crate::position::Position;
use crate::route::{Deliveries, Scope, TargetPlan};
use crate::sink::Address;

/// Rows that are read at once.
const ROWS: usize = 500;

/// See above.
pub(super) struct Glance<'a> {
    comparison: &'a Comparison<'a>,
    port: Arc<Port>,
    scope: Scope,
    /// Of an archive.
    documents: Option<Documents>,
    /// Where the stream was before.
    opened: Position,
    pace: Pace,
}

/// Digests by [`hash`] of the address.
type Digests = HashMap<u128, u64>;

impl<'a> Glance<'a> {
    /// Reads an archive, and nothing yet of others.
    pub async fn begin(
        comparison: &'a Comparison<'a>,
        port: &Arc<Port>,
        plan: &Arc<TargetPlan>,
    ) -> Result<Glance<'a>> {
        let opened = comparison.waiting(port).settled().await?;
        let Comparison { shared, schema, folder, count, request, .. } = comparison;
        let (port, pace) = (Arc::clone(port), || Pace::new(shared, request.rows_per_second));
        let documents = if plan.spec.kind.keeps_lines() {
            let buckets = Buckets::new(folder, &format!("lines-{}", plan.id));
            let (plan, table) = (Arc::clone(plan), Arc::clone(&schema.name));
            Some(scan(Arc::clone(&port), plan, table, None, buckets, Arc::clone(count), pace()).await?)
        } else {
            None
        };
        let scope = Scope::new(plan, &schema.name)?;
        Ok(Glance { comparison, port, scope, documents, opened, pace: pace() })
    }

    /// Those of a bucket's suspects that do not look right.
    pub async fn doubtful(&mut self, bucket: usize, mut suspects: Vec<Suspect>) -> Result<Vec<Suspect>> {
        let (mut expected, mut held) = (Digests::new(), Digests::new());
        if let Some(documents) = &mut self.documents {
            let lines = documents.take(bucket)?;
            held.extend(records(&lines).map(|line| (line.address, line.digest)));
        }
        for some in suspects.chunks(ROWS) {
            self.expect(some, &mut expected).await?;
            if self.documents.is_none() {
                self.look_up(some, &mut held).await?;
            }
            self.pace.passed(some.len() as u64).await;
        }
        // Where a row lies that has no address, only the judge finds out.
        suspects.retain(|Suspect { hash, address, .. }| {
            address.is_none() || held.get(hash).copied() != expected.get(hash).copied()
        });
        Ok(suspects)
    }

    async fn expect(&self, suspects: &[Suspect], expected: &mut Digests) -> Result<()> {
        let Comparison { shared, schema, key, .. } = self.comparison;
        let keys: BTreeSet<&Bytes> = suspects.iter().flat_map(|suspect| &suspect.keys).collect();
        let values: Vec<_> = keys.into_iter().filter_map(|packed| unpacked(packed, key.len())).collect();
        if values.is_empty() {
            return Ok(());
        }
        let read = shared.source.reader().read_keys(schema, key, &values, &self.opened).await?;
        Rows::new(read, key).expected(&shared.routes, &mut Deliveries::default(), |row| {
            if row.standing.plan.id == self.scope.plan.id
                && let Some(document) = row.standing.document
            {
                expected.insert(row.hash, digest(document));
            }
            Ok(())
        })
    }

    async fn look_up(&self, suspects: &[Suspect], held: &mut Digests) -> Result<()> {
        let addresses: Vec<Address> = suspects.iter().filter_map(|suspect| suspect.address.clone()).collect();
        let found = self.port.sink.read_of(&self.scope, &addresses).await?;
        held.extend(found.into_iter().flatten().map(|one| {
            let said = one.document.as_deref().map_or(0, digest);
            (hash(&self.scope.plan, &one.address), said)
        }));
        Ok(())
    }
}
