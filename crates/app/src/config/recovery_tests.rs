//! What the file says of recovery becomes what it says; what is not sound for a cause is refused with the list of what is.

use std::time::Duration;

use syncline_engine::recovery::{Cause, Limit, RecoverySpec, Strategy, Widen};

use super::tests::{SMALL, bad, good};

fn with(recovery: &str) -> String {
    SMALL.trim_start().replace("    routes:", &format!("    recovery: {recovery}\n    routes:"))
}

fn read(recovery: &str) -> RecoverySpec {
    good(&with(recovery)).pipelines.remove(0).recovery
}

#[test]
fn without_a_section_nothing_is_done() {
    assert_eq!(good(SMALL).pipelines[0].recovery, RecoverySpec::default());
}

#[test]
fn an_empty_section_probes_and_limits() {
    let spec = read("{}");
    assert_eq!(spec.probe, Duration::from_secs(5));
    assert_eq!(spec.limit, Some(Limit::default()));
    assert!(spec.on.is_empty() && spec.widen.is_none());
}

#[test]
fn every_option_is_read() {
    let spec = read(
        "{ probe: 2s, on: { history_lost: backfill, schema_changed: resync, target_refused: retry, target_lost: manual },
           limit: { times: 5, within: 1h, pause: 30s }, widen: { behind: 1m, lanes: 16 } }",
    );
    let on = [
        (Cause::SchemaChanged, Strategy::Resync),
        (Cause::HistoryLost, Strategy::Backfill),
        (Cause::TargetRefused, Strategy::Retry),
        (Cause::TargetLost, Strategy::Manual),
    ];
    let expected = RecoverySpec {
        probe: Duration::from_secs(2),
        on: on.into(),
        limit: Some(Limit { times: 5, within: Duration::from_secs(3600), pause: Duration::from_secs(30) }),
        widen: Some(Widen { behind: Duration::from_secs(60), lanes: 16 }),
    };
    assert_eq!(spec, expected);
    assert!(read("{ probe: 0s }").probe.is_zero());
}

#[test]
fn each_cause_takes_what_is_sound_for_it_and_nothing_else() {
    for cause in Cause::ALL {
        for strategy in Strategy::ALL {
            let text = with(&format!("{{ on: {{ {}: {} }} }}", cause.name(), strategy.name()));
            match cause.strategies().contains(&strategy) {
                true => _ = good(&text),
                false => {
                    let errors = bad(&text);
                    let [error] = errors.as_slice() else { panic!("{errors:?}") };
                    assert!(error.contains("SYN-2901") && error.contains(cause.name()), "{error}");
                }
            }
        }
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (recovery, expected) in [
        ("{ on: { target_foreign: backfill } }", "`backfill` is not sound for this cause"),
        ("{ on: { history_lots: backfill } }", "did you mean history_lost?"),
        ("{ on: { history_lost: backfil } }", "did you mean backfill?"),
        ("{ probe: 5ms }", "must be 0s (none) or at least 100ms"),
        ("{ limit: { times: 0 } }", "from 1 to 1000"),
        ("{ limit: { within: 5s, pause: 5s } }", "counts nothing"),
        ("{ widen: { behind: 30s } }", "needs `lanes`"),
        ("{ widen: { behind: 10ms, lanes: 4 } }", "must be at least 1s"),
        ("{ widen: { lanes: 1 } }", "from 2 to 64"),
        ("{ retry: 3 }", "unknown key `retry`"),
    ] {
        let errors = bad(&with(recovery)).join("; ");
        assert!(errors.contains(expected), "{recovery}: {errors}");
    }
}
