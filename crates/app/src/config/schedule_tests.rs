//! Entries of a schedule become what they say; what is wrong with one is named with its place and the nearest name.

use std::time::Duration;

use syncline_engine::ledger::Retry;
use syncline_engine::pipeline::Reprocess;
use syncline_engine::route::PipelineSpec;
use syncline_engine::tasks::{Rows, Task, VerifyTask};
use syncline_engine::verify::MOST_REPAIRS;

use super::tests::{SMALL, bad, good};

fn with(more: &str) -> String {
    SMALL.trim_start().replace("    routes:", &format!("{more}\n    routes:"))
}

fn read(more: &str) -> PipelineSpec {
    good(&with(more)).pipelines.remove(0)
}

#[test]
fn entries_become_what_they_say() {
    let spec = read(
        "    keep_reports: 7d
    schedule:
      - { task: verify, cron: '*/5 * * * *', tables: ['main.*'], targets: [found], jitter: 30s, rows_per_second: 20 }
      - { task: verify, cron: '0 0 2 * * ?', zone: Europe/Berlin, repair: auto, max_repairs: 7 }
      - { task: verify, cron: '@daily', repair: auto }
      - { task: verify, cron: '*/5 * * * *', since: 10m }
      - { task: verify, cron: '0 * * * *', sample: 50, tenant: seven }
      - { task: reprocess, cron: '*/10 * * * *', most_attempts: 3, first_delay: 2h, limit: 9, tenant: seven }
      - { task: retention, cron: '0 4 * * *' }",
    );
    assert_eq!(spec.keep_reports, Duration::from_secs(7 * 86_400));
    let tasks: Vec<Task> = spec.schedule.iter().map(|entry| entry.task.clone()).collect();
    let repairing = |most| Task::Verify(VerifyTask { max_repairs: Some(most), ..VerifyTask::default() });
    let gentle = VerifyTask {
        tables: vec!["main.*".into()],
        sinks: vec!["found".into()],
        rows_per_second: Some(20),
        ..VerifyTask::default()
    };
    let recent = VerifyTask { rows: Rows::Since(Duration::from_secs(600)), ..VerifyTask::default() };
    let sample = VerifyTask { rows: Rows::Sample(50), tenant: Some("seven".into()), ..VerifyTask::default() };
    let (recent, sample) = (Task::Verify(recent), Task::Verify(sample));
    let two = Duration::from_secs(7200);
    let retry = Retry { most_attempts: 3, first_delay: two, longest_delay: two };
    let letters = Task::Reprocess(Reprocess { retry, limit: 9, tenant: Some("seven".into()) });
    let retention = Task::Retention;
    assert_eq!(
        tasks,
        [Task::Verify(gentle), repairing(7), repairing(MOST_REPAIRS), recent, sample, letters, retention]
    );
    let schedules: Vec<_> = spec.schedule.iter().map(|entry| &entry.schedule).collect();
    assert_eq!(schedules[0].jitter(), Duration::from_secs(30));
    assert!(schedules[1].name().ends_with("Europe/Berlin"), "{}", schedules[1].name());
    let names: std::collections::BTreeSet<&str> = schedules.iter().map(|schedule| schedule.name()).collect();
    assert_eq!(names.len(), 7, "{names:?}");
}

#[test]
fn a_comparison_counts_by_tenant_where_there_are_tenants() {
    let entry = |words: &str| format!("    schedule: [{{ task: verify, cron: '@daily', {words} }}]");
    let spec = read(&format!("    tenant: owner\n{}", entry("per: tenant, repair: auto")));
    let wanted = VerifyTask { per_tenant: true, max_repairs: Some(MOST_REPAIRS), ..VerifyTask::default() };
    assert_eq!(spec.schedule[0].task, Task::Verify(wanted));
    let plain = read(&format!("    tenant: owner\n{}", entry("repair: auto")));
    assert_ne!(spec.schedule[0].schedule.name(), plain.schedule[0].schedule.name());
    for (pipeline, words, expected) in [
        (
            "",
            "per: tenant",
            "SYN-1007: pipelines.shop.schedule[0] has `per: tenant`, and the pipeline no `tenant`",
        ),
        (
            "    tenant: owner\n",
            "per: tenant, tenant: x",
            "SYN-1007: pipelines.shop.schedule[0] has both `per: tenant` and",
        ),
        (
            "    tenant: owner\n",
            "per: table",
            "SYN-1003: pipelines.shop.schedule[0].per must be one of tenant",
        ),
    ] {
        let errors = bad(&with(&format!("{pipeline}{}", entry(words))));
        assert!(errors.len() == 1 && errors[0].contains(expected), "{words}: {errors:#?}");
    }
    let elsewhere = "    tenant: owner\n    schedule: [{ task: retention, cron: '@daily', per: tenant }]";
    assert!(bad(&with(elsewhere))[0].contains("unknown key `per`"));
}

#[test]
fn without_any_records_stay_for_ninety_days() {
    let spec = read("");
    assert!(spec.schedule.is_empty());
    assert_eq!(spec.keep_reports, Duration::from_secs(90 * 86_400));
}

#[test]
fn what_is_wrong_is_named_at_its_place() {
    for (entry, expected) in [
        (
            "{ task: verfy, cron: '@daily' }",
            "7:17: SYN-1003: pipelines.shop.schedule[0].task must be one of verify, reprocess, retention; did you mean verify?",
        ),
        ("{ cron: '@daily' }", "7:9: SYN-1004: pipelines.shop.schedule[0] needs `task`"),
        ("{ task: verify }", "7:9: SYN-1004: pipelines.shop.schedule[0] needs `cron`"),
        (
            "{ task: verify, cron: '61 * * * *' }",
            "7:31: SYN-1003: the schedule \"61 * * * *\" cannot be read: minute",
        ),
        (
            "{ task: verify, cron: '* * *' }",
            "7:31: SYN-1003: the schedule \"* * *\" cannot be read: it has 3 fields",
        ),
        (
            "{ task: retention, cron: '@daily', zone: Europe/Berln }",
            "7:50: SYN-1003: the time zone \"Europe/Berln\" is unknown; did you mean Europe/Berlin?",
        ),
        (
            "{ task: verify, cron: '@daily', targets: [foound] }",
            "7:51: SYN-1006: no route of the pipeline has a target on `foound`; did you mean found?",
        ),
        (
            "{ task: verify, cron: '@daily', targets: shop }",
            "7:50: SYN-1006: no route of the pipeline has a target on `shop`",
        ),
        ("{ task: verify, cron: '@daily', tables: ['orders'] }", "7:50: SYN-1003: "),
        (
            "{ task: verify, cron: '@daily', repair: yes }",
            "7:49: SYN-1003: pipelines.shop.schedule[0].repair must be one of none, auto",
        ),
        (
            "{ task: verify, cron: '@daily', max_repairs: 5 }",
            "7:9: SYN-1007: pipelines.shop.schedule[0] has `max_repairs` and does not repair",
        ),
        (
            "{ task: verify, cron: '@daily', tabels: [] }",
            "7:41: SYN-1002: unknown key `tabels` in pipelines.shop.schedule[0]; did you mean tables?",
        ),
        (
            "{ task: retention, cron: '@daily', tables: ['main.*'] }",
            "7:44: SYN-1002: unknown key `tables` in pipelines.shop.schedule[0]",
        ),
        (
            "{ task: verify, cron: '@daily', jitter: 5 }",
            "7:49: SYN-1003: pipelines.shop.schedule[0].jitter must be a duration",
        ),
    ] {
        let errors = bad(&with(&format!("    schedule:\n      - {entry}")));
        let moved: Vec<String> = errors.iter().map(|error| error.replace("f.yaml:9:", "f.yaml:7:")).collect();
        assert!(moved.len() == 1 && moved[0].contains(expected), "{entry}: {errors:#?}");
    }
    assert!(bad(&with("    keep_reports: 0s"))[0].contains("keep_reports must be longer"));
    assert!(bad(&with("    schedule: { task: verify }"))[0].contains("schedule must be a list"));
}
