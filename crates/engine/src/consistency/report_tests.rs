//! Sums over a time, and how things stood at the last whole look, told apart.

use super::record::{ComparedTarget, ComparisonRecord, Sample};
use super::report::{Known, PipelineReport, TargetReport};
use super::series::MOST_POINTS;

fn found(
    table: &str,
    target: &str,
    compared: u64,
    [missing, different, extra, repaired]: [u64; 4],
) -> ComparedTarget {
    let (table, target) = (table.to_owned(), target.to_owned());
    ComparedTarget {
        table,
        target,
        compared,
        missing,
        different,
        extra,
        repaired,
        unsettled: 1,
        by_tenant: None,
    }
}

fn record(at: i64, targets: Vec<ComparedTarget>) -> ComparisonRecord {
    ComparisonRecord {
        id: at,
        ended_at: at,
        mode: super::FULL.to_owned(),
        targets,
        ..ComparisonRecord::default()
    }
}

fn of<'a>(report: &'a PipelineReport, table: &str, target: &str) -> &'a TargetReport {
    let mut targets = report.targets.iter();
    targets
        .find(|known| known.table == table && known.target == target)
        .unwrap_or_else(|| panic!("{report:?}"))
}

#[test]
fn sums_are_of_the_time_and_what_is_open_of_the_last_look() {
    let before = record(1, vec![found("s.old", "hot", 50, [5, 0, 0, 0])]);
    let first = record(10, vec![found("s.a", "hot", 100, [2, 1, 1, 0]), found("s.a", "cold", 100, [0; 4])]);
    let last = record(20, vec![found("s.a", "hot", 100, [2, 1, 1, 3])]);
    let known = Known {
        records: vec![first.clone(), last.clone()],
        covering: vec![before, first, last],
        samples: vec![
            Sample { worst_lag: 7, ..Sample::default() },
            Sample { worst_lag: 3, ..Sample::default() },
        ],
        dead_letters: vec![("s.a".into(), "hot".into(), 2), ("s.b".into(), "hot".into(), 1)],
        fed: vec![("s.a".into(), "hot".into()), ("s.c".into(), "lake".into())],
    };
    let report = known.report("shop", None);
    assert_eq!((report.runs, report.drift, report.repaired, report.dead_letters), (2, 8, 3, 3));
    assert_eq!(report.worst_lag, Some(7));
    let hot = of(&report, "s.a", "hot");
    assert_eq!((hot.runs, hot.compared, hot.missing, hot.repaired, hot.dead_letters), (2, 200, 4, 3, 2));
    let last = hot.last.unwrap();
    assert_eq!((last.at, last.open, last.unsettled, last.rate()), (20, 1, 1, 0.99));
    assert_eq!(of(&report, "s.a", "cold").last.unwrap().rate(), 1.0);
    let old = of(&report, "s.old", "hot");
    assert_eq!((old.runs, old.last.unwrap().open, old.last.unwrap().rate()), (0, 5, 0.9));
    assert_eq!((of(&report, "s.b", "hot").dead_letters, of(&report, "s.b", "hot").last), (1, None));
    assert_eq!(of(&report, "s.c", "lake").last, None, "what was never compared is told, too");
    assert_eq!(report.targets.len(), 5);
}

#[test]
fn a_tenant_nobody_named_has_empty_lists() {
    let known = Known { dead_letters: vec![("s.a".into(), "hot".into(), 2)], ..Known::default() };
    let report = known.report("shop", Some("nobody"));
    assert!(report.targets.is_empty() && report.series.is_empty());
    assert_eq!((report.runs, report.worst_lag), (0, None));
}

#[test]
fn several_targets_on_one_connection_are_not_told_twice() {
    let known = Known {
        covering: vec![record(1, vec![found("s.a", "hot/a:{id}", 1, [0; 4])])],
        fed: vec![("s.a".into(), "hot".into()), ("s.a".into(), "ho".into())],
        ..Known::default()
    };
    let report = known.report("shop", None);
    let names: Vec<&str> = report.targets.iter().map(|target| &*target.target).collect();
    assert_eq!(names, ["ho", "hot/a:{id}"]);
}

#[test]
fn of_very_many_the_worst_stay() {
    let wrong = |n: i64| if n == 1777 { 3 } else { 0 };
    let many =
        (0..5000).map(|n| record(n, vec![found("s.a", "hot", 9, [wrong(n), 0, 0, 0].map(|n| n as u64))]));
    let report = Known { records: many.collect(), ..Known::default() }.report("shop", None);
    assert_eq!(report.series.len(), MOST_POINTS);
    let worst: Vec<i64> =
        report.series.iter().filter(|point| point.drift() == 3).map(|point| point.at).collect();
    assert_eq!(worst, [1777]);
    assert!(report.series.windows(2).all(|pair| pair[0].at < pair[1].at));
    assert_eq!(report.runs, 5000, "all are counted");
}
