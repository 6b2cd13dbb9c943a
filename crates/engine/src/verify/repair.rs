//! Puts right what a comparison found, through the lanes that everything goes through: a row is read again under a window, a
//! stray is deleted at the version at which it was certain. What is newer by then stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::future::try_join_all;

use super::judge::{Finding, Judge};
use super::read_again::{ReadAgain, stopping};
use super::report::{Drift, DriftKind};
use crate::error::Result;
use crate::ledger::AuditRecord;
use crate::pipeline::{Deletes, Request, Ticket, Unit};
use crate::position::Position;
use crate::sink::{Address, Held};
use crate::value::OwnedValue;

/// Puts right what one target was found to lack, to hold wrongly, or to have too much of.
pub(super) struct Repair<'a> {
    pub judge: &'a mut Judge,
    /// Who asked for it.
    pub actor: &'a str,
}

impl Repair<'_> {
    /// Repairs, and looks again; answers what is still wrong.
    pub async fn repair(&mut self, findings: Vec<Finding>) -> Result<Vec<Finding>> {
        let (mut wrong, unsettled): (Vec<_>, Vec<_>) =
            findings.into_iter().partition(|finding| finding.drift.kind != DriftKind::Unsettled);
        if wrong.is_empty() {
            return Ok(unsettled);
        }
        let mut still = match self.put_right(&wrong).await {
            Ok(still) => still,
            Err(error) => {
                // Some of it may have been written by then.
                count(&self.judge.shared.repairs_unconfirmed, wrong.len());
                self.audit(&wrong, false).await?;
                return Err(error);
            }
        };
        wrong.retain(|finding| still.iter().all(|other| other.drift.address != finding.drift.address));
        let failed = still.iter().filter(|finding| finding.drift.kind != DriftKind::Unsettled).count();
        count(&self.judge.shared.repairs_confirmed, wrong.len());
        count(&self.judge.shared.repairs_unconfirmed, failed);
        self.audit(&wrong, true).await?;
        still.extend(unsettled);
        Ok(still)
    }

    /// Writes, and answers what is wrong after that.
    async fn put_right(&mut self, wrong: &[Finding]) -> Result<Vec<Finding>> {
        self.displace(wrong).await?;
        self.erase(wrong).await?;
        self.read_again(wrong).await?;
        self.judge.judge(wrong.iter().map(Finding::suspect).collect()).await
    }

    /// What has a version that the source has not reached would refuse everything of ours.
    async fn displace(&self, findings: &[Finding]) -> Result<()> {
        let Judge { port, plan, .. } = &*self.judge;
        let above = findings.iter().filter(|finding| finding.drift.version > finding.at.version);
        let mut above: Vec<Held> = above.map(Finding::held).collect();
        // What should be there is written below it; what should not may lie under any tombstone.
        let wanted: Vec<&Finding> =
            findings.iter().filter(|finding| finding.drift.kind != DriftKind::Extra).collect();
        let addresses: Vec<Address> = wanted.iter().map(|finding| finding.drift.address.clone()).collect();
        let tombstones = port.sink.tombstones(plan, &addresses).await?;
        for (finding, version) in wanted.iter().zip(tombstones) {
            if let Some(version) = version.filter(|version| *version > finding.at.version) {
                above.push(Held { version, ..finding.held() });
            }
        }
        if !above.is_empty() {
            port.sink.displace(plan, &above).await?;
        }
        Ok(())
    }

    async fn erase(&self, findings: &[Finding]) -> Result<()> {
        let extra = findings.iter().filter(|finding| finding.drift.kind == DriftKind::Extra);
        let held: Vec<Held> = extra.clone().map(Finding::held).collect();
        // The lowest of their positions: none of them had a row there.
        let Some(at) = extra.map(|finding| finding.at.version).min() else { return Ok(()) };
        let Judge { schema, plan, key, .. } = &*self.judge;
        let doomed = Deletes::at(at, schema, plan, held);
        let doomed = if plan.spec.kind.keeps_lines() { doomed.told(key) } else { doomed };
        let ticket = Ticket::new(Unit::Repair);
        let request = Request::Erase { doomed, sink: self.judge.port.index, ticket: Arc::clone(&ticket) };
        self.judge.shared.requests.send(request).await.map_err(|_| stopping())?;
        self.again().done(&ticket).await
    }

    /// The rows that should be there, as they are now.
    async fn read_again(&self, findings: &[Finding]) -> Result<()> {
        let keys: Vec<&Bytes> = findings
            .iter()
            .filter(|finding| finding.drift.kind != DriftKind::Extra)
            .filter_map(|finding| finding.key.as_ref())
            .collect();
        let values: Vec<Vec<OwnedValue>> = keys.iter().filter_map(|key| self.judge.unpacked(key)).collect();
        if values.is_empty() {
            return Ok(());
        }
        let reader = self.judge.shared.source.reader();
        let Judge { schema, key, .. } = &*self.judge;
        let (reader, values) = (&reader, &values);
        let read = |opened: Position| async move { reader.read_keys(schema, key, values, &opened).await };
        self.again().rows(read).await.map(drop)
    }

    fn again(&self) -> ReadAgain<'_> {
        let Judge { shared, schema, key, port, .. } = &*self.judge;
        ReadAgain { shared, schema, key, port }
    }

    /// `confirmed`: they were looked at again, and are as they should be.
    async fn audit(&self, repaired: &[Finding], confirmed: bool) -> Result<()> {
        let Judge { shared, plan, schema, .. } = &*self.judge;
        let json = |text: &str| serde_json::from_str(text).unwrap_or(serde_json::Value::Null);
        let document = |document: &Option<Bytes>| match document {
            Some(bytes) => serde_json::from_slice(bytes)
                .unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned().into()),
            None => serde_json::Value::Null,
        };
        let record = |finding: &Finding| {
            let Drift { kind, key, address, fields, version } = &finding.drift;
            let detail = serde_json::json!({
                "table": &*schema.name,
                "target": plan.label,
                "key": json(key),
                "name": &*address.target,
                "id": &*address.id,
                "why": kind.name(),
                "fields": fields,
                "before": document(&finding.before),
                "after": document(&finding.after),
                "version": version.to_string(),
                "confirmed": confirmed,
            });
            AuditRecord::now(self.actor, "repair", &shared.spec.name, &detail)
        };
        let records: Vec<AuditRecord> = repaired.iter().map(record).collect();
        // Together, so that they share their syncs.
        try_join_all(records.iter().map(|record| shared.ledger.audit(record))).await.map(drop)
    }
}

fn count(counter: &AtomicU64, documents: usize) {
    counter.fetch_add(documents as u64, Ordering::Relaxed);
}
