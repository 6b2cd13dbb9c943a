//! Collects what is judged of one target: suspects until there are enough to be looked at together, then what was found of
//! them, which is put right if that was asked for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::join::Suspect;
use super::judge::{Finding, Judge};
use super::keep;
use super::repair::Repair;
use super::report::{DriftKind, RepairRequest, TargetReport, VerifyRequest};
use super::tally::Tally;
use crate::error::Result;

/// What is judged of one target, and what was found of it.
pub(super) struct Judged<'a> {
    pub request: &'a VerifyRequest,
    /// Documents of the pipeline that were tried to put right so far.
    pub repaired: &'a AtomicU64,
    /// More was found than may be put right.
    pub limited: &'a AtomicBool,
    pub judge: Judge,
    pub report: TargetReport,
    /// Until there are enough to be looked at together.
    pub waiting: Vec<Suspect>,
    /// The counts by tenant, if they are asked for.
    pub tally: Option<Tally>,
}

impl Judged<'_> {
    /// Judges more of them, sooner or later.
    pub async fn look(&mut self, suspects: Vec<Suspect>) -> Result<()> {
        self.waiting.extend(suspects);
        let many = self.judge.at_once();
        while self.waiting.len() >= many {
            self.some(many).await?;
        }
        Ok(())
    }

    async fn some(&mut self, many: usize) -> Result<()> {
        let rest = self.waiting.split_off(self.waiting.len().min(many));
        let suspects = std::mem::replace(&mut self.waiting, rest);
        if let Some(tally) = &mut self.tally {
            tally.judging(&suspects);
            self.judge.whose.clear();
        }
        let findings = self.judge.judge(suspects).await?;
        if let Some(tally) = &mut self.tally {
            tally.found(&findings, &self.judge.whose);
        }
        findings.iter().for_each(|found| self.report.add(found.drift.clone(), self.request.listed));
        self.report.repaired += self.repair(findings).await?;
        Ok(())
    }

    /// Judges the rest.
    pub async fn end(mut self) -> Result<TargetReport> {
        if !self.waiting.is_empty() {
            self.some(self.judge.at_once()).await?;
        }
        self.report.rows.sort_by(|a, b| (a.kind, &a.key).cmp(&(b.kind, &b.key)));
        if let (Some(tally), Some(holders)) = (self.tally, &self.judge.holders) {
            self.report.by_tenant = Some(tally.end(&holders.owners.names));
        }
        Ok(self.report)
    }

    /// Puts findings right as far as that was asked for; answers how many were.
    async fn repair(&mut self, mut findings: Vec<Finding>) -> Result<u64> {
        let Some(RepairRequest { actor, most }) = &self.request.repair else { return Ok(0) };
        findings.retain(|finding| finding.drift.kind != DriftKind::Unsettled);
        let wanted = findings.len() as u64;
        let granted = granted(self.repaired, *most, wanted);
        if granted < wanted {
            if !self.limited.swap(true, Ordering::Relaxed) {
                keep::limit_reached(&self.judge.shared, self.request, actor, *most).await?;
            }
            findings.truncate(usize::try_from(granted).unwrap_or(usize::MAX));
        }
        if granted == 0 {
            return Ok(0);
        }
        let tried: Vec<u128> = findings.iter().map(|finding| finding.hash).collect();
        let still = Repair { judge: &mut self.judge, actor }.repair(findings).await?;
        if let Some(tally) = &mut self.tally {
            tally.repaired(&tried, &still);
        }
        Ok(granted.saturating_sub(still.len() as u64))
    }
}

/// Takes so many of those that may be put right, or what is left of them; several targets are judged at once.
fn granted(repaired: &AtomicU64, most: u64, wanted: u64) -> u64 {
    let left = |repaired: u64| most.saturating_sub(repaired).min(wanted);
    let took =
        repaired.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |so_far| Some(so_far + left(so_far)));
    took.map_or(0, left)
}
