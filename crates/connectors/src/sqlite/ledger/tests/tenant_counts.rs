//! What was counted by tenant: one tenant's share of it as a record of its own, and nothing said of whom nothing is known.

use rusqlite::Connection;
use syncline_engine::consistency::{
    ByTenant, ComparedTarget, ComparisonFilter, ComparisonRecord, FULL, TenantCounts,
};
use syncline_engine::ledger::Ledger;

use super::super::schema::{APPLICATION, MIGRATIONS};
use super::{SqliteLedger, open};

/// The last layout without such counts.
const WITHOUT: usize = 7;

fn counts(compared: u64, missing: u64) -> TenantCounts {
    TenantCounts { compared, missing, different: 1, extra: 2, unsettled: 3, repaired: 4 }
}

fn by_tenant(tenants: &[(&str, u64)], beyond: u64) -> Option<ByTenant> {
    let tenants = tenants.iter().map(|(name, compared)| ((*name).to_owned(), counts(*compared, 5)));
    let beyond = TenantCounts { compared: beyond, ..TenantCounts::default() };
    Some(ByTenant { tenants: tenants.collect(), beyond })
}

fn target(table: &str, by_tenant: Option<ByTenant>) -> ComparedTarget {
    let (table, target) = (table.to_owned(), "hot".to_owned());
    ComparedTarget { table, target, compared: 1000, missing: 100, by_tenant, ..ComparedTarget::default() }
}

fn record(at: i64, targets: Vec<ComparedTarget>) -> ComparisonRecord {
    ComparisonRecord {
        pipeline: "shop".into(),
        began_at: at - 1,
        ended_at: at,
        why: "schedule".into(),
        mode: FULL.into(),
        per_tenant: true,
        targets,
        ..ComparisonRecord::default()
    }
}

async fn of(ledger: &SqliteLedger, tenant: Option<&str>) -> Vec<ComparisonRecord> {
    let tenant = tenant.map(str::to_owned);
    ledger.comparisons(&ComparisonFilter { pipeline: "shop".into(), tenant, since: 0 }).await.unwrap()
}

/// `(end, [(table, compared)])` of each.
fn shown(records: &[ComparisonRecord]) -> Vec<(i64, Vec<(&str, u64)>)> {
    let targets = |r: &ComparisonRecord| r.targets.len();
    assert!(records.iter().all(|record| targets(record) < 10));
    records
        .iter()
        .map(|r| (r.ended_at, r.targets.iter().map(|t| (&*t.table, t.compared)).collect()))
        .collect()
}

#[tokio::test]
async fn a_tenants_share_is_a_record_of_its_own() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    let all = [
        target("s.a", by_tenant(&[("acme", 10), ("other", 20)], 0)),
        target("s.nobody", None),
        target("s.b", by_tenant(&[("other", 30)], 0)),
    ];
    ledger.add_comparison(&record(10, all.to_vec())).await.unwrap();
    drop(ledger);
    let ledger = open(data.path());
    let acme = of(&ledger, Some("acme")).await;
    assert_eq!(shown(&acme), [(10, vec![("s.a", 10), ("s.b", 0)])]);
    assert_eq!((acme[0].tenant.as_deref(), acme[0].drift()), (Some("acme"), 5 + 1 + 2));
    let TenantCounts { compared, missing, different, extra, unsettled, repaired } = counts(10, 5);
    let (table, hot, none) = ("s.a".to_owned(), "hot".to_owned(), None);
    let expected = ComparedTarget {
        table,
        target: hot,
        compared,
        missing,
        different,
        extra,
        unsettled,
        repaired,
        by_tenant: none,
    };
    assert_eq!(acme[0].targets[0], expected);
    assert_eq!(ledger.covering("shop", Some("acme")).await.unwrap(), acme);
    assert_eq!(shown(&of(&ledger, Some("other")).await), [(10, vec![("s.a", 20), ("s.b", 30)])]);
    assert!(of(&ledger, Some("nobody")).await.is_empty());
    assert!(ledger.covering("shop", Some("nobody")).await.unwrap().is_empty());
    let everybody = of(&ledger, None).await;
    assert_eq!(shown(&everybody), [(10, vec![("s.a", 1000), ("s.nobody", 1000), ("s.b", 1000)])]);
    assert!(everybody[0].tenant.is_none() && everybody[0].per_tenant);
    assert_eq!(ledger.covering("shop", None).await.unwrap(), everybody);
}

#[tokio::test]
async fn who_is_gone_has_nothing_and_who_was_not_counted_is_not_told() {
    let data = tempfile::tempdir().unwrap();
    let ledger = open(data.path());
    let plain = ComparisonRecord { per_tenant: false, ..record(50, vec![target("s.a", None)]) };
    let failed = ComparisonRecord { error: Some(serde_json::json!({})), ..record(60, vec![]) };
    let alone = ComparisonRecord {
        per_tenant: false,
        tenant: Some("late".into()),
        ..record(70, vec![target("s.a", None)])
    };
    for record in [
        ComparisonRecord {
            pipeline: "elsewhere".into(),
            ..record(5, vec![target("s.a", by_tenant(&[("new", 1)], 0))])
        },
        record(10, vec![target("s.a", by_tenant(&[("other", 1)], 0))]),
        record(20, vec![target("s.a", by_tenant(&[("acme", 2)], 9)), target("s.b", by_tenant(&[], 0))]),
        record(30, vec![target("s.a", by_tenant(&[("other", 3)], 0))]),
        // Acme may be among those beyond.
        record(40, vec![target("s.a", by_tenant(&[("other", 4)], 7))]),
        plain,
        failed,
        alone,
        record(80, vec![target("s.a", by_tenant(&[("other", 8)], 0))]),
    ] {
        ledger.add_comparison(&record).await.unwrap();
    }
    let acme =
        [(20, vec![("s.a", 2), ("s.b", 0)]), (30, vec![("s.a", 0)]), (60, vec![]), (80, vec![("s.a", 0)])];
    assert_eq!(shown(&of(&ledger, Some("acme")).await), acme);
    let covering = ledger.covering("shop", Some("acme")).await.unwrap();
    assert_eq!(shown(&covering), [acme[0].clone(), acme[3].clone()]);
    assert_eq!(shown(&of(&ledger, Some("late")).await), [(70, vec![("s.a", 1000)]), (80, vec![("s.a", 0)])]);
    assert!(of(&ledger, Some("new")).await.is_empty(), "it is another pipeline's");
    assert_eq!(of(&ledger, None).await.len(), 8);
}

#[tokio::test]
async fn what_is_old_is_forgotten_and_an_earlier_ledger_gets_the_rest() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("ledger.db");
    let c = Connection::open(&file).unwrap();
    for step in &MIGRATIONS[..WITHOUT] {
        step(&c).unwrap();
    }
    c.pragma_update(None, "application_id", APPLICATION).unwrap();
    c.pragma_update(None, "user_version", WITHOUT as i64).unwrap();
    c.execute_batch(
        "INSERT INTO comparison VALUES (7, 'shop', 1, 2, 'local', 'full', 'acme', 0, 0, NULL);
         INSERT INTO comparison_target VALUES (7, 0, 's.a', 'hot', 9, 0, 0, 0, 0, 0);",
    )
    .unwrap();
    drop(c);
    let ledger = open(data.path());
    for at in [10, 20] {
        let counted = by_tenant(&[("acme", 3), ("other", 4)], 0);
        ledger.add_comparison(&record(at, vec![target("s.a", counted)])).await.unwrap();
    }
    let acme = of(&ledger, Some("acme")).await;
    assert_eq!(shown(&acme), [(2, vec![("s.a", 9)]), (10, vec![("s.a", 3)]), (20, vec![("s.a", 3)])]);
    assert!(!acme[0].per_tenant);
    assert_eq!(ledger.forget_comparisons("shop", 20).await.unwrap(), 2);
    assert_eq!(shown(&of(&ledger, Some("acme")).await), [(20, vec![("s.a", 3)])]);
    let left = "SELECT count(*) FROM comparison_tenant";
    let left: i64 = Connection::open(file).unwrap().query_row(left, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 2);
}
