//! `tenant_quota:` of a pipeline: what each tenant may have of each sink. What is over it waits, which is the engine's.

use syncline_engine::error::{Code, Error};
use syncline_engine::pipeline::{TenantLimit, TenantQuota};

use super::read::Section;

/// More rows a second than this are no quota.
const MOST: u64 = 1_000_000_000;

/// What a section says of one limit; what it leaves out follows from elsewhere.
#[derive(Clone, Copy, Default)]
struct Said {
    rows: Option<u64>,
    burst: Option<u64>,
    concurrency: Option<u64>,
}

impl Said {
    fn read(section: &mut Section<'_>) -> Said {
        Said {
            rows: section.number("rows_per_second", 1, MOST),
            burst: section.number("burst", 1, MOST),
            concurrency: section.number("concurrency", 1, MOST),
        }
    }

    /// Burst and rows on the way are those of a second unless somebody says otherwise.
    fn limit(self, plain: Said) -> Option<TenantLimit> {
        let rows_per_second = self.rows.or(plain.rows)?;
        let burst = self.burst.or(plain.burst).unwrap_or(rows_per_second);
        let concurrency = self.concurrency.or(plain.concurrency).unwrap_or(rows_per_second);
        Some(TenantLimit { rows_per_second, burst, concurrency })
    }
}

/// Reads it; `None` if there is none, or it is no good.
pub(crate) fn read(pipeline: &mut Section<'_>, tenant: Option<&str>) -> Option<TenantQuota> {
    let node = pipeline.get("tenant_quota")?;
    let reader = pipeline.reader;
    let mut section = reader.section(node, &format!("{}.tenant_quota", pipeline.name))?;
    if tenant.is_none() {
        let text = format!("{} needs `tenant` beside it", section.name);
        let error = Error::new(Code::ConfigConflict, text);
        reader.note(error.fix("write `tenant: COLUMN` in the pipeline").at(section.place()));
    }
    let plain = Said::read(&mut section);
    if section.get("rows_per_second").is_none() {
        section.missing("rows_per_second");
    }
    let mut named = Vec::new();
    if let Some(node) = section.get("tenants")
        && let Some(tenants) = reader.section(node, &format!("{}.tenants", section.name))
    {
        for (key, value) in tenants.entries {
            if let Some(mut tenant) = reader.section(value, &format!("{}.{}", tenants.name, key.text)) {
                named.push((key.text.clone(), Said::read(&mut tenant)));
                tenant.finish();
            }
        }
    }
    let max_held = section.size("max_held");
    let series = section.number("metrics_tenants", 0, 10_000);
    section.finish();
    let quota = TenantQuota::new(plain.limit(plain)?);
    Some(TenantQuota {
        tenants: named.into_iter().filter_map(|(name, said)| Some((name, said.limit(plain)?))).collect(),
        max_held: max_held.map_or(quota.max_held, |bytes| bytes as u64),
        metrics_tenants: series.map_or(quota.metrics_tenants, |n| usize::try_from(n).unwrap_or(usize::MAX)),
        ..quota
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SMALL, bad, good};
    use super::*;

    fn file(more: &str) -> String {
        SMALL.replace("    routes:", &format!("    tenant: owner\n{more}    routes:"))
    }

    fn limit(rows_per_second: u64, burst: u64, concurrency: u64) -> TenantLimit {
        TenantLimit { rows_per_second, burst, concurrency }
    }

    #[test]
    fn without_it_there_is_none() {
        assert_eq!(good(&file("")).pipelines[0].tenant_quota, None);
    }

    #[test]
    fn every_word_of_it_is_read_and_what_is_left_out_follows() {
        let text = "    tenant_quota:
      rows_per_second: 100
      concurrency: 30
      max_held: 64MiB
      metrics_tenants: 7
      tenants:
        acme: { rows_per_second: 500, burst: 1000 }
        \"7\": { concurrency: 2 }
        plain:
";
        let config = good(&file(text));
        let quota = config.pipelines[0].tenant_quota.clone().unwrap();
        assert_eq!(quota.plain, limit(100, 100, 30));
        assert_eq!(quota.tenants["acme"], limit(500, 1000, 30));
        assert_eq!(quota.tenants["7"], limit(100, 100, 2));
        assert_eq!(quota.tenants["plain"], quota.plain);
        assert_eq!((quota.max_held, quota.metrics_tenants), (64 << 20, 7));
        let config = good(&file("    tenant_quota: { rows_per_second: 5 }\n"));
        let quota = config.pipelines[0].tenant_quota.clone().unwrap();
        assert_eq!((quota.plain, quota.max_held, quota.metrics_tenants), (limit(5, 5, 5), 4 << 30, 50));
    }

    #[test]
    fn mistakes_are_named() {
        let text = "    tenant_quota: { burst: 0, tenants: { acme: { rows: 5 }, b: 7 }, max_holds: 1 }\n";
        let errors = bad(&file(text)).join("\n");
        for part in [
            "tenant_quota needs `rows_per_second`",
            "tenant_quota.burst must be a whole number from 1",
            "unknown key `rows` in pipelines.shop.tenant_quota.tenants.acme",
            "tenants.b must be a map",
            "unknown key `max_holds`",
        ] {
            assert!(errors.contains(part), "{part}: {errors}");
        }
        let alone = SMALL.replace("    routes:", "    tenant_quota: { rows_per_second: 5 }\n    routes:");
        assert!(bad(&alone).join("\n").contains("tenant_quota needs `tenant` beside it"));
    }
}
