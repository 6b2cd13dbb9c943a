//! `alerts:`: what it says when it is short, and every mistake at its place.

use std::time::Duration;

use super::tests::{SMALL, bad, good};

fn with(alerts: &str) -> String {
    let hook = "connections:\n  hook: http://127.0.0.1:9/base";
    format!("{}{alerts}\n", SMALL.replace("connections:", hook))
}

#[test]
fn a_short_one_gets_sane_defaults() {
    let config = good(&with("alerts: { to: [{ connection: hook, url: /alerts }] }"));
    let alerts = config.alerts.unwrap();
    assert_eq!((&*alerts.to[0].connection, &*alerts.to[0].path), ("hook", "/alerts"));
    let seconds = [alerts.lag, alerts.lasting, alerts.repeat].map(|duration| duration.as_secs());
    assert_eq!((seconds, alerts.dead_letters), ([60, 120, 14_400], 1));
    assert!(alerts.runbooks.ends_with("/blob/main/docs/runbooks"), "{}", alerts.runbooks);
    assert!(good(SMALL).alerts.is_none());
}

#[test]
fn every_option_is_read() {
    let config = good(&with(
        "alerts: { to: [{ connection: hook, url: '' }], lag: 5s, for: 1m, dead_letters: 7, repeat: 1d, runbooks: 'https://e.x/p/' }",
    ));
    let alerts = config.alerts.unwrap();
    assert_eq!((alerts.lag, alerts.lasting), (Duration::from_secs(5), Duration::from_secs(60)));
    assert_eq!((alerts.repeat, alerts.dead_letters), (Duration::from_secs(86_400), 7));
    assert_eq!((&*alerts.to[0].path, &*alerts.runbooks), ("", "https://e.x/p"));
}

#[test]
fn mistakes_are_named_with_their_places() {
    let said = |alerts: &str| bad(&with(alerts)).join("\n");
    let wrong = |alerts: &str, what: &str| {
        let said = said(alerts);
        assert!(said.contains(what) && said.contains("f.yaml:1"), "{alerts}: {said}");
    };
    wrong("alerts: { lag: 5s }", "alerts needs `to`");
    wrong("alerts: { to: [] }", "alerts.to must name at least one receiver");
    wrong("alerts: { to: [{ connection: hook, url: alerts }] }", "alerts.to[0].url begins with `/`");
    wrong("alerts: { to: [{ connection: hook, url: '/{key}' }] }", "holds no braces");
    wrong("alerts: { to: [{ connection: found, url: /a }] }", "cannot be a webhook target");
    wrong("alerts: { to: [{ connection: hok, url: /a }] }", "did you mean hook?");
    wrong("alerts: { to: [{ connection: hook, url: /a }], lags: 5s }", "did you mean lag?");
    wrong("alerts: { to: [{ connection: hook, url: /a }], for: soon }", "alerts.for must be a duration");
    wrong("alerts: { to: [{ connection: hook, url: /a }], repeat: 0s }", "alerts.repeat must be at least 1s");
    wrong("alerts: { to: [{ connection: hook, url: /a }], dead_letters: 0 }", "alerts.dead_letters must be");
    wrong("alerts: { to: [{ connection: hook, url: /a }], runbooks: wiki }", "alerts.runbooks must be");
}
