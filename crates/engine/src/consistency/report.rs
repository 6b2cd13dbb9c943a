//! The consistency report of one pipeline: what the records of a time say, summed per table and target, beside how things
//! stood when each was last looked at as a whole. How it is shown is the program's.

use std::collections::BTreeMap;

use super::record::{ComparedTarget, ComparisonFilter, ComparisonRecord, Sample};
use super::series::{Point, points};
use crate::error::Result;
use crate::ledger::{Ledger, ROUTER};

/// What the ledger knows that a report is made of.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Those that ended in the time, oldest first.
    pub records: Vec<ComparisonRecord>,
    /// For each table and target the last that covers it, whenever that was.
    pub covering: Vec<ComparisonRecord>,
    /// Of the time.
    pub samples: Vec<Sample>,
    /// By table and target, now.
    pub dead_letters: Vec<(String, String, u64)>,
    /// Tables and the connections that they feed.
    pub fed: Vec<(String, String)>,
}

/// A pipeline's report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PipelineReport {
    pub pipeline: String,
    /// Comparisons that ended in the time.
    pub runs: u64,
    /// How many of them gave up.
    pub failed: u64,
    /// How many of them found more than they might put right.
    pub limited: u64,
    /// Documents that they found not to be what they should be.
    pub drift: u64,
    pub repaired: u64,
    /// The largest lag of the time, in milliseconds; `None` if nothing ran.
    pub worst_lag: Option<u64>,
    /// Now, of the whole pipeline.
    pub dead_letters: u64,
    /// By table and target.
    pub targets: Vec<TargetReport>,
    /// Oldest first.
    pub series: Vec<Point>,
}

/// One table in one target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetReport {
    pub table: String,
    pub target: String,
    /// Comparisons of the time that looked at it to the end.
    pub runs: u64,
    /// Sums over them.
    pub compared: u64,
    pub missing: u64,
    pub different: u64,
    pub extra: u64,
    pub repaired: u64,
    /// As it was when it was last looked at as a whole, whenever that was.
    pub last: Option<LastPass>,
    /// Now.
    pub dead_letters: u64,
}

/// What the last look at all of a table in a target found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastPass {
    /// When it ended, in milliseconds since 1970.
    pub at: i64,
    pub compared: u64,
    /// Documents that were not what they should be, and were not put right.
    pub open: u64,
    /// Documents that nobody could tell of.
    pub unsettled: u64,
}

impl LastPass {
    /// How much of what was compared was as it should be, 0 to 1.
    pub fn rate(&self) -> f64 {
        match self.compared {
            0 if self.open == 0 => 1.0,
            0 => 0.0,
            compared => 1.0 - (self.open.min(compared) as f64 / compared as f64),
        }
    }
}

impl Known {
    /// Asks the ledger. `tenant`: records that name it or were counted by tenant, and nothing else; `since`: the time's beginning, in milliseconds since
    /// 1970.
    pub async fn of(ledger: &dyn Ledger, pipeline: &str, tenant: Option<&str>, since: i64) -> Result<Known> {
        let filter =
            ComparisonFilter { pipeline: pipeline.to_owned(), tenant: tenant.map(str::to_owned), since };
        let counts = ledger.pipeline(pipeline).await?.counts;
        let fed = counts.into_keys().filter(|key| key.sink != ROUTER).map(|key| (key.table, key.sink));
        Ok(Known {
            records: ledger.comparisons(&filter).await?,
            covering: ledger.covering(pipeline, tenant).await?,
            samples: ledger.samples(pipeline, since).await?,
            dead_letters: ledger.dead_letter_counts(pipeline).await?,
            // Whose rows they are is not known.
            fed: if tenant.is_some() { Vec::new() } else { fed.collect() },
        })
    }

    /// The report. With a tenant: its records alone; lag and dead letters are the whole pipeline's.
    pub fn report(&self, pipeline: &str, tenant: Option<&str>) -> PipelineReport {
        let records = &self.records;
        let all = || records.iter().flat_map(|record| &record.targets);
        let many = |test: fn(&ComparisonRecord) -> bool| records.iter().filter(|r| test(r)).count() as u64;
        PipelineReport {
            pipeline: pipeline.to_owned(),
            runs: records.len() as u64,
            failed: many(|record| record.error.is_some()),
            limited: many(|record| record.limited),
            drift: all().map(ComparedTarget::drift).sum(),
            repaired: all().map(|target| target.repaired).sum(),
            worst_lag: self.samples.iter().map(|sample| sample.worst_lag).max(),
            dead_letters: self.dead_letters.iter().map(|(.., n)| n).sum(),
            targets: self.targets(tenant.is_none()),
            series: points(records),
        }
    }

    /// `whole`: also what nobody has compared.
    fn targets(&self, whole: bool) -> Vec<TargetReport> {
        let mut known = BTreeMap::<(&str, &str), TargetReport>::new();
        for found in self.records.iter().flat_map(|record| &record.targets) {
            let target = known.entry((&found.table, &found.target)).or_default();
            target.runs += 1;
            target.compared += found.compared;
            target.missing += found.missing;
            target.different += found.different;
            target.extra += found.extra;
            target.repaired += found.repaired;
        }
        for record in &self.covering {
            for found in &record.targets {
                let ComparedTarget { compared, unsettled, .. } = *found;
                let last = LastPass { at: record.ended_at, compared, open: found.open(), unsettled };
                // They come oldest first.
                known.entry((&found.table, &found.target)).or_default().last = Some(last);
            }
        }
        if whole {
            for (table, target, n) in &self.dead_letters {
                known.entry((table, target)).or_default().dead_letters = *n;
            }
            for (table, sink) in
                self.fed.iter().filter(|(table, sink)| !is_among(&known, table, sink)).collect::<Vec<_>>()
            {
                known.entry((table, sink)).or_default();
            }
        }
        let named = |((table, target), report): ((&str, &str), TargetReport)| TargetReport {
            table: table.to_owned(),
            target: target.to_owned(),
            ..report
        };
        known.into_iter().map(named).collect()
    }
}

/// Whether a target of this connection is known of the table.
fn is_among(known: &BTreeMap<(&str, &str), TargetReport>, table: &str, sink: &str) -> bool {
    let of =
        |target: &str| target.strip_prefix(sink).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    known.keys().any(|(other, target)| *other == table && of(target))
}
