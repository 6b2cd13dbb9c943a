//! What has been told: each trouble once, again after a while if it stays, and once when it is over. It is lost with the process, so what
//! still is wrong is told again after a restart.

use std::collections::BTreeMap;
use std::time::Duration;

use syncline_engine::pipeline::PipelineStatus;

use super::trouble::{self, Kind, Place, Trouble};
use crate::config::Alerts;

/// A repair that stopped at its limit is over after this, in milliseconds.
const LIMIT_LASTS: i64 = 3_600_000;

/// Something to tell.
#[derive(Debug)]
pub struct News {
    pub trouble: Trouble,
    /// Milliseconds since 1970.
    pub since: i64,
    pub resolved: bool,
}

/// What is wrong, and what of it was told.
#[derive(Default)]
pub struct Memory {
    known: BTreeMap<(Kind, String, Place), Known>,
    limits: BTreeMap<String, Limits>,
}

struct Known {
    trouble: Trouble,
    since: i64,
    told: Option<i64>,
}

#[derive(Default)]
struct Limits {
    count: u64,
    rose: Option<i64>,
}

impl Memory {
    /// One look at every pipeline; answers what is to be told. `now`: milliseconds since 1970.
    pub fn look(&mut self, alerts: &Alerts, now: i64, statuses: &[PipelineStatus]) -> Vec<News> {
        let mut found = Vec::new();
        for status in statuses {
            let limited = self.limited(now, &status.name, status.limits_reached);
            found.extend(trouble::of(alerts, status, limited));
        }
        self.compare(alerts, now, found)
    }

    fn limited(&mut self, now: i64, pipeline: &str, count: u64) -> bool {
        let limits = self.limits.entry(pipeline.to_owned()).or_default();
        if count > limits.count {
            *limits = Limits { count, rose: Some(now) };
        }
        limits.rose.is_some_and(|rose| now - rose < LIMIT_LASTS)
    }

    /// All that is wrong now, compared with what was.
    pub(super) fn compare(&mut self, alerts: &Alerts, now: i64, found: Vec<Trouble>) -> Vec<News> {
        let key = |trouble: &Trouble| (trouble.kind, trouble.pipeline.clone(), trouble.place.clone());
        let mut before = std::mem::take(&mut self.known);
        let mut news = Vec::new();
        for trouble in found {
            let known = before.remove(&key(&trouble));
            let (since, mut told) = known.map_or((trouble.since.unwrap_or(now), None), |k| (k.since, k.told));
            let lasts = !trouble.kind.passes() || now - since >= millis(alerts.lasting);
            if lasts && told.is_none_or(|told| now - told >= millis(alerts.repeat)) {
                told = Some(now);
                news.push(News { trouble: trouble.clone(), since, resolved: false });
            }
            self.known.insert(key(&trouble), Known { trouble, since, told });
        }
        let over = before.into_values().filter(|known| known.told.is_some());
        news.extend(over.map(|known| News { trouble: known.trouble, since: known.since, resolved: true }));
        news
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
