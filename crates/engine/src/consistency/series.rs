//! Drift over time: one point a comparison, and of very many the worst of each stretch of time, so that none is hidden by
//! its neighbours.

use super::record::ComparisonRecord;

/// More points than this are thinned out.
pub const MOST_POINTS: usize = 500;

/// One comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// When it ended, in milliseconds since 1970.
    pub at: i64,
    pub why: String,
    pub mode: String,
    pub compared: u64,
    pub missing: u64,
    pub different: u64,
    pub extra: u64,
    pub unsettled: u64,
    pub repaired: u64,
    pub limited: bool,
    pub failed: bool,
}

impl Point {
    /// How many documents were not what they should be.
    pub fn drift(&self) -> u64 {
        self.missing + self.different + self.extra
    }

    fn of(record: &ComparisonRecord) -> Point {
        let mut point = Point {
            at: record.ended_at,
            why: record.why.clone(),
            mode: record.mode.clone(),
            limited: record.limited,
            failed: record.error.is_some(),
            ..Point::default()
        };
        for target in &record.targets {
            point.compared += target.compared;
            point.missing += target.missing;
            point.different += target.different;
            point.extra += target.extra;
            point.unsettled += target.unsettled;
            point.repaired += target.repaired;
        }
        point
    }
}

/// The points of records, in their order.
pub(super) fn points(records: &[ComparisonRecord]) -> Vec<Point> {
    let stretch = records.len().div_ceil(MOST_POINTS).max(1);
    let worst = |records: &[ComparisonRecord]| {
        let points = records.iter().map(Point::of);
        points.max_by_key(|point| (point.drift(), point.failed, point.at))
    };
    records.chunks(stretch).filter_map(worst).collect()
}
