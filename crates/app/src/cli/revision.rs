//! Tells from start to start whether the file says the same of a pipeline, and writes into the audit what does not.
//! Passwords, secrets, header values and queries of webhooks are left out before anything is hashed: no hash here can be tried against them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use syncline_connectors::connection::ConnectionSpec;
use syncline_engine::error::{Code, Error};
use syncline_engine::ledger::Ledger;
use syncline_engine::recovery::RecoverySpec;
use syncline_engine::route::{KEEP_REPORTS, PipelineSpec, RouteSpec, TargetKind};
use syncline_engine::tasks::TaskSpec;

use crate::config::Config;
use crate::serve::audit;

/// The property that keeps the last one.
const PROPERTY: &str = "config";

/// What the file says of a pipeline.
#[derive(Default, Serialize, Deserialize)]
struct Revision {
    /// Over all parts.
    hash: String,
    /// The hash of each part, by its name.
    parts: BTreeMap<String, String>,
}

/// Before pipelines start: whatever the file says otherwise than at their last start is audited.
pub async fn note(
    config: &Config,
    specs: &[PipelineSpec],
    ledger: &dyn Ledger,
    actor: &str,
) -> Result<(), Error> {
    for spec in specs {
        let text = ledger.property(&spec.name, PROPERTY).await?;
        // What cannot be read is of another release: nothing is known then.
        let before: Option<Revision> = text.and_then(|text| serde_json::from_str(&text).ok());
        let now = Revision::of(config, spec);
        if before.as_ref().is_some_and(|before| before.hash == now.hash) {
            continue;
        }
        let detail = json!({
            "old": before.as_ref().map(|before| &before.hash),
            "new": now.hash,
            "changed": before.as_ref().map(|before| now.differs_from(before)),
            "version": env!("CARGO_PKG_VERSION"),
        });
        audit(ledger, actor, "config", &spec.name, &detail).await?;
        let text = serde_json::to_string(&now).map_err(|error| {
            Error::new(Code::Internal, "the configuration's hashes cannot be written as JSON").cause(error)
        })?;
        ledger.set_property(&spec.name, PROPERTY, &text).await?;
    }
    Ok(())
}

impl Revision {
    fn of(config: &Config, spec: &PipelineSpec) -> Revision {
        let mut texts = BTreeMap::<String, String>::new();
        let mut add = |name: String, text: String| texts.entry(name).or_default().push_str(&text);
        add("source".to_owned(), format!("{:?}", spec.source));
        add("limits".to_owned(), format!("{:?}", (&spec.tenant, spec.max_dead_letters, spec.memory)));
        if let Some(quota) = &spec.tenant_quota {
            let said = (&quota.plain, &quota.tenants, quota.max_held, quota.metrics_tenants);
            add("tenant_quota".to_owned(), format!("{said:?}"));
        }
        if !spec.schedule.is_empty() || spec.keep_reports != KEEP_REPORTS {
            add("schedule".to_owned(), format!("{:?}", (scheduled(spec), spec.keep_reports)));
        }
        if spec.recovery != RecoverySpec::default() {
            add("recovery".to_owned(), format!("{:?}", spec.recovery));
        }
        let mut used = vec![&*spec.source.connection];
        for route in &spec.routes {
            // The first route that matches a table takes it, so their order says something too.
            add("routes".to_owned(), format!("{:?}", route.table));
            add(format!("route {}", route.table), format!("{:?}", without_queries(route)));
            used.extend(route.targets.iter().map(|target| &*target.connection));
        }
        used.sort_unstable();
        used.dedup();
        for connection in used.iter().filter_map(|name| config.connections.get(*name)) {
            add(format!("connection {}", connection.name), without_secrets(connection));
        }
        let parts: BTreeMap<String, String> =
            texts.into_iter().map(|(name, text)| (name, digest(&text))).collect();
        Revision { hash: digest(&format!("{parts:?}")), parts }
    }

    /// The parts that came, went or say something else.
    fn differs_from(&self, before: &Revision) -> Vec<String> {
        let all = self.parts.keys().chain(before.parts.keys());
        let mut names: Vec<&String> =
            all.filter(|name| self.parts.get(*name) != before.parts.get(*name)).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().cloned().collect()
    }
}

/// What is done when, in words that do not depend on how a time zone is kept in memory.
fn scheduled(spec: &PipelineSpec) -> Vec<String> {
    let shown = |entry: &TaskSpec| {
        format!("{} {:?} {:?}", entry.schedule.name(), entry.schedule.jitter(), entry.task)
    };
    spec.schedule.iter().map(shown).collect()
}

/// Receivers of webhooks take tokens in queries.
fn without_queries(route: &RouteSpec) -> RouteSpec {
    let mut route = route.clone();
    for target in route.targets.iter_mut().filter(|target| target.kind == TargetKind::Webhook) {
        let path = target.template.split('?').next().unwrap_or_default();
        target.template = path.to_owned();
    }
    route
}

/// What can be told of a connection. Of secrets: that there are some.
fn without_secrets(connection: &ConnectionSpec) -> String {
    let options = &connection.options;
    let headers: Vec<&String> = options.headers.iter().map(|(name, _)| name).collect();
    let mut text = format!("{} {:?} {headers:?} ", connection.shown(), options.tls);
    let _ = write!(text, "{:?} ", (options.connect_timeout, options.request_timeout, options.lanes));
    let _ = write!(text, "{:?} ", (options.batch_items, options.batch_bytes, options.requests));
    let _ = write!(text, "{:?}", (options.password.is_some(), options.secret.is_some()));
    text
}

fn digest(text: &str) -> String {
    format!("{:x}", Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
#[path = "revision_tests.rs"]
mod tests;
