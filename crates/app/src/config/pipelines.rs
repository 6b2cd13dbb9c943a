//! `pipelines:`: sources, limits, and the places that later findings point to.

use syncline_connectors::registry::Role;
use syncline_engine::error::{Code, Error};
use syncline_engine::route::{PipelineSpec, SourceSpec};

use super::connections::{Connections, role};
use super::places::PipelinePlaces;
use super::read::{At, Reader, Section};
use super::yaml::{Content, Node};
use super::{quota, recovery, routes, schedule};

/// Reads all pipelines; `used` collects the names of connections that something names.
pub(crate) fn read(
    reader: &Reader,
    node: &Node,
    connections: &Connections,
    used: &mut Vec<String>,
) -> Vec<(PipelineSpec, PipelinePlaces)> {
    let Some(section) = reader.section(node, "pipelines") else { return Vec::new() };
    if section.entries.is_empty() {
        reader.bad(node, "pipelines must name at least one pipeline");
    }
    let mut all = Vec::new();
    for (key, value) in section.entries {
        let path = format!("pipelines.{}", key.text);
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if key.text.is_empty() || key.text.len() > 100 || !key.text.chars().all(good) {
            let text =
                format!("pipeline name `{}` may hold letters, digits, `_`, `-` and `.` only", key.text);
            let place = reader.place(key.line, key.column);
            reader.note(Error::new(Code::ConfigBadValue, text).at(place));
        }
        if let Some(section) = reader.section(value, &path) {
            all.extend(one(section, &key.text, connections, used));
        }
    }
    all
}

fn one(
    mut section: Section<'_>,
    name: &str,
    connections: &Connections,
    used: &mut Vec<String>,
) -> Option<(PipelineSpec, PipelinePlaces)> {
    let reader = section.reader;
    let mut places = PipelinePlaces { pipeline: section.place(), ..PipelinePlaces::default() };
    let source = match section.get("source") {
        Some(node) => reader
            .section(node, &format!("{}.source", section.name))
            .and_then(|source| read_source(source, connections, used, &mut places)),
        None => {
            section.missing("source");
            None
        }
    };
    log(&mut section);
    let tenant = section.text("tenant").map(|at| at.value);
    let tenant_quota = quota::read(&mut section, tenant.as_deref());
    let max_dead_letters = section.number("max_dead_letters", 0, u64::MAX);
    let memory = section.size("memory");
    let routes = match section.get("routes") {
        Some(node) => routes::read(reader, node, &section.name, connections, used, &mut places),
        None => {
            section.missing("routes");
            Vec::new()
        }
    };
    let schedule = section
        .get("schedule")
        .map(|node| schedule::read(reader, node, name, &section.name, &routes, tenant.as_deref()));
    let keep_reports = schedule::keep_reports(&mut section);
    let recovery = section
        .get("recovery")
        .and_then(|node| reader.section(node, &format!("{}.recovery", section.name)))
        .map(recovery::read);
    section.finish();
    let plain = PipelineSpec::new(name, source?, routes);
    let spec = PipelineSpec {
        tenant,
        tenant_quota,
        max_dead_letters: max_dead_letters.unwrap_or(plain.max_dead_letters),
        memory: memory.unwrap_or(plain.memory),
        schedule: schedule.unwrap_or_default(),
        keep_reports: keep_reports.unwrap_or(plain.keep_reports),
        recovery: recovery.unwrap_or_default(),
        ..plain
    };
    Some((spec, places))
}

/// `log: none` is all there is yet.
fn log(section: &mut Section<'_>) {
    let Some(node) = section.get("log") else { return };
    if matches!(&node.content, Content::Scalar { text, .. } if text == "none") {
        return;
    }
    let text = format!("{}.log: only `none` can be used in this version", section.name);
    let place = section.reader.place(node.line, node.column);
    section
        .reader
        .note(Error::new(Code::ConfigLater, text).fix("write `log: none`, or leave it out").at(place));
}

fn read_source(
    mut source: Section<'_>,
    connections: &Connections,
    used: &mut Vec<String>,
    places: &mut PipelinePlaces,
) -> Option<SourceSpec> {
    let reader = source.reader;
    places.source = source.place();
    let connection = source.needed("connection");
    let tables = source.texts("tables");
    if tables.as_ref().is_none_or(Vec::is_empty) {
        source.missing("tables");
    }
    let exclude = source.texts("exclude").unwrap_or_default();
    let many = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let plain = SourceSpec::new(connection.as_ref().map_or("", |at| &at.value), &[]);
    let spec = SourceSpec {
        tables: patterns(reader, tables.unwrap_or_default()),
        exclude: patterns(reader, exclude),
        server_id: source.number("server_id", 1, u64::from(u32::MAX)).and_then(|n| u32::try_from(n).ok()),
        backfill: source.boolean("backfill").unwrap_or(plain.backfill),
        chunk_rows: source.number("chunk_rows", 1, 1_000_000).map_or(plain.chunk_rows, many),
        chunk_workers: source.number("chunk_workers", 1, 32).map_or(plain.chunk_workers, many),
        max_rows_per_second: source.number("max_rows_per_second", 1, u64::MAX),
        ..plain
    };
    source.finish();
    role(reader, &connection?, Role::Source, connections, used);
    Some(spec)
}

/// Patterns that can be read.
fn patterns(reader: &Reader, patterns: Vec<At<String>>) -> Vec<String> {
    let good = |at: At<String>| match syncline_engine::route::Pattern::parse(&at.value) {
        Ok(_) => Some(at.value),
        Err(error) => {
            reader.note(error.at(at.place));
            None
        }
    };
    patterns.into_iter().filter_map(good).collect()
}
