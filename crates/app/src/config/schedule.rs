//! `schedule:` and `keep_reports:` of a pipeline: what is done at set times. When a time has come is the engine's.

use std::time::Duration;

use syncline_engine::error::{Code, Error};
use syncline_engine::ledger::Retry;
use syncline_engine::pipeline::Reprocess;
use syncline_engine::route::{Pattern, RouteSpec};
use syncline_engine::schedule::{Cron, zone};
use syncline_engine::tasks::{Rows, Task, TaskSpec, VerifyTask};
use syncline_engine::verify::MOST_REPAIRS;

use super::read::{At, Reader, Section, list, suggest};
use super::yaml::Node;

/// The kinds of work, by the words in the file.
#[derive(Clone, Copy)]
enum Kind {
    Verify,
    Reprocess,
    Retention,
}

const KINDS: [(&str, Kind); 3] =
    [("verify", Kind::Verify), ("reprocess", Kind::Reprocess), ("retention", Kind::Retention)];

/// Reads the entries.
pub(crate) fn read(
    reader: &Reader,
    node: &Node,
    pipeline: &str,
    path: &str,
    routes: &[RouteSpec],
    tenant: Option<&str>,
) -> Vec<TaskSpec> {
    let path = format!("{path}.schedule");
    let one = |(n, item): (usize, &Node)| {
        let section = reader.section(item, &format!("{path}[{n}]"))?;
        entry(section, pipeline, routes, tenant)
    };
    list(reader, node, &path).iter().enumerate().filter_map(one).collect()
}

/// `keep_reports:`; nothing is forgotten at once.
pub(crate) fn keep_reports(section: &mut Section<'_>) -> Option<Duration> {
    let kept = section.duration("keep_reports")?;
    if kept.is_zero() {
        if let Some(node) = section.get("keep_reports") {
            section.reader.bad(node, format!("{}.keep_reports must be longer than nothing", section.name));
        }
        return None;
    }
    Some(kept)
}

fn entry(
    mut section: Section<'_>,
    pipeline: &str,
    routes: &[RouteSpec],
    column: Option<&str>,
) -> Option<TaskSpec> {
    if section.get("task").is_none() {
        section.missing("task");
    }
    let kind = section.word("task", &KINDS);
    let cron = section.needed("cron").and_then(|at| good(section.reader, at, Cron::parse));
    let zone = match section.text("zone") {
        Some(at) => good(section.reader, at, zone),
        None => zone("UTC").ok(),
    };
    let jitter = section.duration("jitter").unwrap_or_default();
    let task = match kind {
        Some(Kind::Verify) => Some(Task::Verify(verify(&mut section, routes, column))),
        Some(Kind::Reprocess) => Some(Task::Reprocess(reprocess(&mut section))),
        Some(Kind::Retention) => Some(Task::Retention),
        None => None,
    };
    // The keys of an entry of no kind cannot be judged.
    if task.is_some() {
        section.finish();
    }
    Some(TaskSpec::new(pipeline, task?, cron?, zone?, jitter))
}

/// What the engine reads of a text, or its error at the text's place.
fn good<T>(
    reader: &Reader,
    at: At<String>,
    read: impl Fn(&str) -> syncline_engine::error::Result<T>,
) -> Option<T> {
    read(&at.value).map_err(|error| reader.note(error.at(at.place))).ok()
}

fn verify(section: &mut Section<'_>, routes: &[RouteSpec], column: Option<&str>) -> VerifyTask {
    let reader = section.reader;
    let patterns = section.texts("tables").unwrap_or_default();
    let tables = patterns.into_iter().filter_map(|at| {
        let text = at.value.clone();
        good(reader, at, Pattern::parse).map(|_| text)
    });
    let tables = tables.collect();
    let sinks = section.texts("targets").unwrap_or_default();
    let sinks = sinks.into_iter().filter_map(|at| target(reader, at, routes)).collect();
    let rows = rows(section);
    let repairs = section.word("repair", &[("none", false), ("auto", true)]).unwrap_or(false);
    let most = section.number("max_repairs", 1, u64::MAX);
    if let (Some(_), false) = (most, repairs) {
        let text = format!("{} has `max_repairs` and does not repair", section.name);
        let error = Error::new(Code::ConfigConflict, text).fix("add `repair: auto`, or remove `max_repairs`");
        reader.note(error.at(section.place()));
    }
    let tenant = section.text("tenant").map(|at| at.value);
    let per_tenant = per_tenant(section, tenant.as_deref(), column);
    VerifyTask {
        tables,
        sinks,
        rows,
        tenant,
        per_tenant,
        rows_per_second: section.number("rows_per_second", 1, u64::MAX),
        max_repairs: repairs.then(|| most.unwrap_or(MOST_REPAIRS)),
    }
}

/// `per: tenant`, which needs a column that tells tenants apart, and is about all of them.
fn per_tenant(section: &mut Section<'_>, tenant: Option<&str>, column: Option<&str>) -> bool {
    let wanted = section.word("per", &[("tenant", true)]).unwrap_or(false);
    let (what, fix) = match (tenant, column) {
        _ if !wanted => return false,
        (Some(_), _) => ("has both `per: tenant` and `tenant`", "remove one of them"),
        (None, None) => {
            ("has `per: tenant`, and the pipeline no `tenant`", "write `tenant: COLUMN` in the pipeline")
        }
        (None, Some(_)) => return true,
    };
    let error = Error::new(Code::ConfigConflict, format!("{} {what}", section.name)).fix(fix);
    section.reader.note(error.at(section.place()));
    wanted
}

fn reprocess(section: &mut Section<'_>) -> Reprocess {
    let plain = Retry::default();
    let attempts = section.number("most_attempts", 1, u64::from(u32::MAX));
    let first_delay = section.duration("first_delay").unwrap_or(plain.first_delay);
    let longest_delay =
        section.duration("longest_delay").unwrap_or_else(|| plain.longest_delay.max(first_delay));
    if longest_delay < first_delay {
        let text = format!("{} has a `longest_delay` below its `first_delay`", section.name);
        let error = Error::new(Code::ConfigConflict, text).fix("raise `longest_delay`");
        section.reader.note(error.at(section.place()));
    }
    let most_attempts = attempts.and_then(|n| u32::try_from(n).ok()).unwrap_or(plain.most_attempts);
    Reprocess {
        retry: Retry { most_attempts, first_delay, longest_delay },
        limit: section
            .number("limit", 1, u64::MAX)
            .map_or(0, |limit| usize::try_from(limit).unwrap_or(usize::MAX)),
        tenant: section.text("tenant").map(|at| at.value),
    }
}

/// `since:` or `sample:`, or all.
fn rows(section: &mut Section<'_>) -> Rows {
    match (section.duration("since"), section.number("sample", 1, u64::MAX)) {
        (None, None) => Rows::All,
        (None, Some(rows)) => Rows::Sample(rows),
        (Some(since), None) => Rows::Since(since),
        (Some(since), Some(_)) => {
            let text = format!("{} has both `since` and `sample`", section.name);
            let error = Error::new(Code::ConfigConflict, text).fix("remove one of them");
            section.reader.note(error.at(section.place()));
            Rows::Since(since)
        }
    }
}

/// A connection that some route of the pipeline writes to.
fn target(reader: &Reader, at: At<String>, routes: &[RouteSpec]) -> Option<String> {
    let known = || routes.iter().flat_map(|route| &route.targets).map(|target| &*target.connection);
    if known().any(|known| known == at.value) {
        return Some(at.value);
    }
    let text = format!("no route of the pipeline has a target on `{}`", at.value);
    let error = suggest(Error::new(Code::ConfigConnection, text), &at.value, known());
    reader.note(error.at(at.place));
    None
}
