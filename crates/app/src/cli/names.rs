//! Names typed in flags, checked against the file: an unknown one is bad usage (exit 2) and lists what there is.
//! Patterns are the engine's; this only asks whether a name can mean anything in this file.

use std::path::{Path, PathBuf};

use syncline_engine::error::{Code, Error, Kind};
use syncline_engine::route::{Pattern, PipelineSpec, Selection};

use crate::config::{self, Config};
use crate::exit::Failure;

/// The pipelines with these names, or all.
pub fn pipelines(config: &Config, wanted: &[String]) -> Result<Vec<PipelineSpec>, Failure> {
    let known = || config.pipelines.iter().map(|p| p.name.as_str());
    let mut errors = Vec::new();
    for name in wanted {
        if !known().any(|k| k == name) {
            errors.push(unknown("pipeline", name, known()));
        }
    }
    if !errors.is_empty() {
        return Err(errors.into());
    }
    let chosen = config.pipelines.iter().filter(|p| wanted.is_empty() || wanted.contains(&p.name));
    Ok(chosen.cloned().collect())
}

/// Whether these connections are targets of the pipelines.
pub fn targets(specs: &[PipelineSpec], wanted: &[String]) -> Result<(), Failure> {
    let known =
        || specs.iter().flat_map(|p| &p.routes).flat_map(|r| &r.targets).map(|t| t.connection.as_str());
    let errors: Vec<Error> =
        wanted.iter().filter(|w| !known().any(|k| k == *w)).map(|w| unknown("target", w, known())).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors.into()) }
}

/// Whether each table (a name or a pattern) can be one that some pipeline captures.
pub fn tables(specs: &[PipelineSpec], wanted: &[String]) -> Result<(), Failure> {
    let mut errors = Vec::new();
    for name in wanted.iter().filter(|name| !specs.iter().any(|spec| captures(spec, name))) {
        let known = specs.iter().flat_map(|s| &s.source.tables).map(String::as_str);
        errors.push(unknown("table", name, known));
    }
    if errors.is_empty() { Ok(()) } else { Err(errors.into()) }
}

/// Whether a pipeline can capture such a table; a pattern that cannot be read captures nothing.
pub fn captures(spec: &PipelineSpec, table: &str) -> bool {
    let Ok(wanted) = Pattern::parse(table) else { return false };
    let Ok(selection) = Selection::parse(&spec.source.tables, &spec.source.exclude) else { return false };
    if wanted.is_literal() {
        return selection.takes(table, true);
    }
    selection.included().iter().any(|pattern| pattern.overlaps(&wanted))
}

/// `name` is not one of the `known`.
pub fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Error {
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    known.dedup();
    let near = known.iter().map(|k| (strsim::jaro_winkler(k, name), *k)).max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match near {
        Some((score, k)) if score > 0.8 => format!(", did you mean {k}?"),
        _ => String::new(),
    };
    let list = if known.is_empty() { "(there are none)".to_owned() } else { known.join(", ") };
    Error::new(Code::Unknown, format!("there is no {what} `{name}`{hint}")).fix(format!("use one of: {list}"))
}

/// Reads the file, or says all that is wrong with it.
pub fn load(file: &Path) -> Result<Config, Failure> {
    let config = config::load(file)?;
    let mut findings = config::lint(&config);
    findings.retain(|finding| finding.kind() != Kind::Warning);
    if findings.is_empty() { Ok(config) } else { Err(findings.into()) }
}

/// The file that was named, or the one that is here.
pub fn file_or_default(file: Option<PathBuf>) -> Result<PathBuf, Failure> {
    const USUAL: [&str; 2] = ["syncline.yaml", "pipeline.yaml"];
    let here = || USUAL.iter().map(PathBuf::from).find(|f| f.exists());
    file.or_else(here).ok_or_else(|| {
        let message = format!("no FILE was named and there is no {} here", USUAL.join(" or "));
        Error::new(Code::Unknown, message).fix("name the configuration: syncline status FILE").into()
    })
}
