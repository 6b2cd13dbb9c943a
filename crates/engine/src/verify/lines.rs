//! Many keys of an archive. To look some up, all of its files are read; so where many are wanted they are read once beforehand, and
//! only what does not look right then is looked up. Nothing is judged here.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use super::buckets::{Buckets, records};
use super::compare::Comparison;
use super::document::digest;
use super::documents::Documents;
use super::expected::{Rows, unpacked};
use super::gather::{Pace, scan};
use super::join::Suspect;
use super::keep;
use crate::error::Result;
use crate::pipeline::{Control, Port};
use crate::position::Position;
use crate::route::{Deliveries, TargetPlan};

/// Keys that are read at once at the source.
const KEYS: usize = 1000;

/// What an archive's files said when they were read.
pub(super) struct Lines<'a> {
    comparison: &'a Comparison<'a>,
    plan: Arc<TargetPlan>,
    documents: Documents,
    /// Where the stream was before.
    opened: Position,
}

impl<'a> Lines<'a> {
    /// Reads them all.
    pub async fn read(
        comparison: &'a Comparison<'a>,
        port: &Arc<Port>,
        plan: &Arc<TargetPlan>,
    ) -> Result<Lines<'a>> {
        let opened = comparison.waiting(port).settled().await?;
        let Comparison { shared, schema, folder, count, request, .. } = comparison;
        let buckets = Buckets::new(folder, &format!("lines-{}", plan.id));
        let pace = Pace::new(shared, request.rows_per_second);
        let (port, table, count) = (Arc::clone(port), Arc::clone(&schema.name), Arc::clone(count));
        let mut control = Control::new(&shared.wish);
        let documents = tokio::select! {
            documents = scan(port, Arc::clone(plan), table, None, buckets, count, pace) => documents?,
            () = control.stopping() => return Err(keep::stopping(shared)),
        };
        Ok(Lines { comparison, plan: Arc::clone(plan), documents, opened })
    }

    /// Those of a bucket's suspects whose rows, read now, are not what the files said.
    pub async fn doubtful(&mut self, bucket: usize, mut suspects: Vec<Suspect>) -> Result<Vec<Suspect>> {
        let documents = self.documents.take(bucket)?;
        if suspects.is_empty() {
            return Ok(suspects);
        }
        let held: HashMap<u128, u64> = records(&documents).map(|line| (line.address, line.digest)).collect();
        let mut expected = HashMap::new();
        for some in suspects.chunks(KEYS) {
            self.expect(some, &mut expected).await?;
        }
        // Where a row lies that has no address, only the judge finds out.
        suspects.retain(|suspect| {
            let (hash, known) = (&suspect.hash, suspect.address.is_some());
            !known || held.get(hash).copied() != expected.get(hash).copied()
        });
        Ok(suspects)
    }

    async fn expect(&self, suspects: &[Suspect], expected: &mut HashMap<u128, u64>) -> Result<()> {
        let Comparison { shared, schema, key, .. } = self.comparison;
        let keys: BTreeSet<&Bytes> = suspects.iter().flat_map(|suspect| &suspect.keys).collect();
        let values: Vec<_> = keys.into_iter().filter_map(|packed| unpacked(packed, key.len())).collect();
        if values.is_empty() {
            return Ok(());
        }
        let read = shared.source.reader().read_keys(schema, key, &values, &self.opened).await?;
        Rows::new(read, key).expected(&shared.routes, &mut Deliveries::default(), |row| {
            if row.standing.plan.id == self.plan.id
                && let Some(document) = row.standing.document
            {
                expected.insert(row.hash, digest(document));
            }
            Ok(())
        })
    }
}
