//! The configuration file: strict YAML that becomes a validated type in one step, with every error at once, each with
//! its place and the nearest valid name. Nothing here connects anywhere.

mod alerts;
#[cfg(test)]
mod alerts_tests;
mod connections;
mod lint;
mod pipelines;
mod places;
mod quota;
mod read;
mod recovery;
#[cfg(test)]
mod recovery_tests;
mod routes;
mod schedule;
#[cfg(test)]
mod schedule_tests;
mod targets;
#[cfg(test)]
mod tests;
mod transforms;
pub mod units;
mod variables;
mod yaml;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use alerts::{AlertReceiver, Alerts};
pub use lint::lint;
use places::PipelinePlaces;
use read::{Reader, Section, suggest};
use syncline_connectors::connection::ConnectionSpec;
use syncline_engine::error::{Code, Error, Place};
use syncline_engine::route::PipelineSpec;

/// A file that was read and found good.
pub struct Config {
    /// The data folder: ledger, control socket.
    pub data: PathBuf,
    /// The HTTP interface, if wanted.
    pub http: Option<Http>,
    /// Who is told of trouble by webhook, if wanted.
    pub alerts: Option<Arc<Alerts>>,
    /// By name.
    pub connections: BTreeMap<String, ConnectionSpec>,
    /// In file order.
    pub pipelines: Vec<PipelineSpec>,
    places: Vec<PipelinePlaces>,
}

/// `http:`
pub struct Http {
    /// `listen:`
    pub listen: SocketAddr,
    /// `tokens_file:`
    pub tokens_file: Option<PathBuf>,
}

/// Sections of later versions: their names are taken, a file that uses them is told so.
const LATER: [&str; 4] = ["entities", "counters", "events", "caches"];

/// Reads a file; all errors at once.
pub fn load(file: &Path) -> Result<Config, Vec<Error>> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        vec![Error::new(Code::ConfigFile, format!("{shown} cannot be read")).cause(error)]
    })?;
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    parse(&text, &shown, &folder)
}

/// Reads the text of a file that lies in `folder`.
fn parse(text: &str, shown: &str, folder: &Path) -> Result<Config, Vec<Error>> {
    let root = yaml::parse(text).map_err(|error| {
        let place = Place { file: shown.to_owned(), line: error.line, column: error.column };
        vec![
            Error::new(Code::ConfigSyntax, "this is not YAML that can be read")
                .cause(error.message)
                .at(place),
        ]
    })?;
    let reader = Reader::new(shown);
    let config = reader.section(&root, "the file").map(|section| root_section(section, folder));
    let errors = reader.into_errors();
    match config {
        Some(config) if errors.is_empty() => Ok(config),
        _ => Err(errors),
    }
}

fn root_section(mut section: Section<'_>, folder: &Path) -> Config {
    let reader = section.reader;
    version(&mut section);
    let data = section.text("data").map_or_else(|| folder.join(".syncline"), |at| folder.join(at.value));
    let http = section.get("http").and_then(|node| {
        let http = reader.section(node, "http")?;
        read_http(http, folder)
    });
    let connections = match section.get("connections") {
        Some(node) => connections::read(reader, node, folder),
        None => BTreeMap::new(),
    };
    let mut used = Vec::new();
    let alerts = section.get("alerts").and_then(|node| {
        let section = reader.section(node, "alerts")?;
        alerts::read(section, &connections, &mut used).map(Arc::new)
    });
    let pipelines = match section.get("pipelines") {
        Some(node) => pipelines::read(reader, node, &connections, &mut used),
        None => {
            section.missing("pipelines");
            Vec::new()
        }
    };
    for name in LATER {
        later(&mut section, name);
    }
    for (name, (_, place)) in connections.iter().filter(|(name, _)| !used.contains(name)) {
        let error = Error::new(Code::ConfigConnection, format!("connection `{name}` is not used"));
        let error =
            suggest(error, name, used.iter().map(String::as_str).filter(|n| !connections.contains_key(*n)));
        reader.note(error.at(place.clone()));
    }
    section.finish();
    let (pipelines, places) = pipelines.into_iter().unzip();
    let connections = connections.into_iter().map(|(name, (spec, _))| (name, spec)).collect();
    Config { data, http, alerts, connections, pipelines, places }
}

fn version(section: &mut Section<'_>) {
    match section.parsed("version", "1", |text| (text == "1").then_some(())) {
        Some(()) => {}
        None if section.get("version").is_none() => section.missing("version"),
        None => {}
    }
}

fn later(section: &mut Section<'_>, name: &'static str) {
    let Some(node) = section.get(name) else { return };
    if matches!(&node.content, yaml::Content::Map(entries) if entries.is_empty()) {
        return;
    }
    let text = format!("`{name}` cannot be used in this version yet");
    let place = section.reader.place(node.line, node.column);
    section.reader.note(Error::new(Code::ConfigLater, text).at(place));
}

fn read_http(mut http: Section<'_>, folder: &Path) -> Option<Http> {
    let listen =
        http.parsed("listen", "an address such as 127.0.0.1:7070", |text| text.parse::<SocketAddr>().ok());
    let tokens_file = http.text("tokens_file").map(|at| folder.join(at.value));
    let missing = listen.is_none() && http.get("listen").is_none();
    if missing {
        http.missing("listen");
    }
    if let (Some(listen), None) = (listen, &tokens_file)
        && !listen.ip().is_loopback()
    {
        let text = format!("http.listen {listen} can be reached from elsewhere and needs `tokens_file`");
        http.reader.note(Error::new(Code::ConfigConflict, text).at(http.place()));
    }
    http.finish();
    Some(Http { listen: listen?, tokens_file })
}

/// The JSON Schema of the file, for editors.
pub fn schema() -> &'static str {
    include_str!("syncline.schema.json")
}
