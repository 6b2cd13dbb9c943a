//! `recovery:` of a pipeline: what is done about trouble without a person, how often, and when there are more requests at once. Which
//! strategies are sound for a cause is the engine's.

use std::collections::BTreeMap;
use std::time::Duration;

use syncline_engine::error::{Code, Error};
use syncline_engine::recovery::{Cause, Limit, RecoverySpec, Strategy, Widen};

use super::read::{Section, suggest};

const PROBE: Duration = Duration::from_secs(5);
/// Probes cost connections: nobody needs them more often.
const MOST_OFTEN: Duration = Duration::from_millis(100);
const BEHIND: Duration = Duration::from_secs(30);
/// Requests in flight to one target at most, whatever the file says.
const MOST_LANES: u64 = 64;

/// Reads the section; an empty one turns probes and the limit on, and nothing else.
pub(crate) fn read(mut section: Section<'_>) -> RecoverySpec {
    let probe = section.duration("probe").unwrap_or(PROBE);
    if let (true, Some(node)) = (!probe.is_zero() && probe < MOST_OFTEN, section.get("probe")) {
        section.reader.bad(node, format!("{}.probe must be 0s (none) or at least 100ms", section.name));
    }
    let on = section.get("on").and_then(|node| section.reader.section(node, &format!("{}.on", section.name)));
    let limit = section
        .get("limit")
        .and_then(|node| section.reader.section(node, &format!("{}.limit", section.name)).map(limit));
    let widen = section
        .get("widen")
        .and_then(|node| widen(section.reader.section(node, &format!("{}.widen", section.name))?));
    section.finish();
    RecoverySpec {
        probe,
        on: on.map(strategies).unwrap_or_default(),
        limit: Some(limit.unwrap_or_default()),
        widen,
    }
}

fn strategies(mut section: Section<'_>) -> BTreeMap<Cause, Strategy> {
    let words = Strategy::ALL.map(|strategy| (strategy.name(), strategy));
    let mut chosen = BTreeMap::new();
    for cause in Cause::ALL {
        let Some(strategy) = section.word(cause.name(), &words) else { continue };
        if cause.strategies().contains(&strategy) {
            chosen.insert(cause, strategy);
        } else if let Some(node) = section.get(cause.name()) {
            let sound: Vec<&str> = cause.strategies().iter().map(|sound| sound.name()).collect();
            let path = format!("{}.{}", section.name, cause.name());
            let text = format!("{path}: `{}` is not sound for this cause", strategy.name());
            let error =
                Error::new(Code::RecoveryStrategy, text).fix(format!("use one of {}", sound.join(", ")));
            let error = suggest(error, strategy.name(), sound.into_iter());
            section.reader.note(error.at(section.reader.place(node.line, node.column)));
        }
    }
    section.finish();
    chosen
}

fn limit(mut section: Section<'_>) -> Limit {
    let plain = Limit::default();
    let times = section.number("times", 1, 1000).and_then(|n| u32::try_from(n).ok());
    let within = section.duration("within").unwrap_or(plain.within);
    let pause = section.duration("pause").unwrap_or(plain.pause);
    if within <= pause {
        let text = format!("{} counts nothing: `pause` is not shorter than `within`", section.name);
        let error = Error::new(Code::ConfigConflict, text).fix("raise `within`, or lower `pause`");
        section.reader.note(error.at(section.place()));
    }
    section.finish();
    Limit { times: times.unwrap_or(plain.times), within, pause }
}

fn widen(mut section: Section<'_>) -> Option<Widen> {
    let behind = section.duration("behind").unwrap_or(BEHIND);
    if let (true, Some(node)) = (behind < Duration::from_secs(1), section.get("behind")) {
        section.reader.bad(node, format!("{}.behind must be at least 1s", section.name));
    }
    if section.get("lanes").is_none() {
        section.missing("lanes");
    }
    let lanes = section.number("lanes", 2, MOST_LANES);
    section.finish();
    Some(Widen { behind, lanes: usize::try_from(lanes?).ok()? })
}
