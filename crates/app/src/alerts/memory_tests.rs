//! Told once, again after a while, and once when it is over; what passes is told only if it lasts.

use std::path::Path;
use std::time::Duration;

use super::memory::Memory;
use super::trouble::{Kind, Place, Trouble};
use crate::config::Alerts;

const S: i64 = 1000;

fn alerts() -> Alerts {
    Alerts {
        to: Vec::new(),
        lag: Duration::from_secs(60),
        lasting: Duration::from_secs(120),
        dead_letters: 1,
        repeat: Duration::from_secs(600),
        runbooks: String::new(),
    }
}

fn trouble(kind: Kind, place: Place, since: Option<i64>) -> Trouble {
    Trouble { kind, pipeline: "shop".to_owned(), place, since, value: 1.0, summary: String::new() }
}

/// Looks, and answers kinds, beginnings in seconds and whether they are over.
fn look(memory: &mut Memory, second: i64, found: &[Trouble]) -> Vec<(Kind, i64, bool)> {
    let news = memory.compare(&alerts(), second * S, found.to_vec());
    news.into_iter().map(|news| (news.trouble.kind, news.since / S, news.resolved)).collect()
}

#[test]
fn once_again_after_a_while_and_once_when_it_is_over() {
    let mut memory = Memory::default();
    let drift = [trouble(Kind::Drift, Place::All, None)];
    assert_eq!(look(&mut memory, 100, &drift), [(Kind::Drift, 100, false)]);
    assert_eq!(look(&mut memory, 101, &drift), []);
    assert_eq!(look(&mut memory, 699, &drift), []);
    assert_eq!(look(&mut memory, 700, &drift), [(Kind::Drift, 100, false)], "told again");
    assert_eq!(look(&mut memory, 701, &[]), [(Kind::Drift, 100, true)]);
    assert_eq!(look(&mut memory, 702, &[]), []);
    assert_eq!(look(&mut memory, 703, &drift), [(Kind::Drift, 703, false)], "it is another one");
}

#[test]
fn what_passes_is_told_only_if_it_lasts() {
    let mut memory = Memory::default();
    let lag = [trouble(Kind::Lag, Place::All, None)];
    assert_eq!(look(&mut memory, 0, &lag), []);
    assert_eq!(look(&mut memory, 119, &lag), []);
    assert_eq!(look(&mut memory, 119, &[]), [], "what was not told is not over");
    assert_eq!(look(&mut memory, 120, &lag), []);
    assert_eq!(look(&mut memory, 240, &lag), [(Kind::Lag, 120, false)]);
    let place = Place::Target("search".to_owned());
    let retrying = [trouble(Kind::TargetRetrying, place, Some(100 * S))];
    assert_eq!(
        look(&mut memory, 241, &retrying),
        [(Kind::TargetRetrying, 100, false), (Kind::Lag, 120, true)]
    );
}

#[test]
fn places_are_told_apart() {
    let mut memory = Memory::default();
    let tables = ["a", "b"].map(|name| trouble(Kind::TableHalted, Place::Table(name.to_owned()), None));
    assert_eq!(look(&mut memory, 1, &tables).len(), 2);
    assert_eq!(look(&mut memory, 2, &tables[..1]), [(Kind::TableHalted, 1, true)]);
}

#[test]
fn each_kind_has_a_page_that_names_it() {
    for kind in Kind::ALL {
        let page =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/runbooks/{}.md", kind.page()));
        let text = std::fs::read_to_string(&page).unwrap_or_default();
        assert!(text.contains(&format!("by webhook `{}`", kind.name())), "{}", page.display());
    }
}
