//! `alerts:`: who is told of trouble by webhook, and from when on. What trouble is stands in `alerts/` of this crate.

use std::time::Duration;

use syncline_connectors::registry::Role;
use syncline_engine::error::{Code, Error};
use syncline_engine::route::TargetKind;

use super::connections::{Connections, role};
use super::read::{Section, list};

/// Where links lead unless the file says.
const RUNBOOKS: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/runbooks");

/// `alerts:`
pub struct Alerts {
    /// Who is told.
    pub to: Vec<AlertReceiver>,
    /// A lag above this is told.
    pub lag: Duration,
    /// What comes and goes (lag, targets that are tried again) is told when it has lasted so long.
    pub lasting: Duration,
    /// So many dead letters are told.
    pub dead_letters: u64,
    /// What still is so is told again after this.
    pub repeat: Duration,
    /// The address of the folder of the runbooks, without a slash at its end.
    pub runbooks: String,
}

/// One entry of `to:`.
pub struct AlertReceiver {
    /// A connection's name.
    pub connection: String,
    /// What is added to its URL.
    pub path: String,
}

/// Reads the section.
pub(crate) fn read(
    mut section: Section<'_>,
    connections: &Connections,
    used: &mut Vec<String>,
) -> Option<Alerts> {
    let reader = section.reader;
    let to = match section.get("to") {
        None => {
            section.missing("to");
            Vec::new()
        }
        Some(node) => {
            let items = list(reader, node, "alerts.to");
            if items.is_empty() {
                reader.bad(node, "alerts.to must name at least one receiver");
            }
            let one =
                |(n, item)| receiver(reader.section(item, &format!("alerts.to[{n}]"))?, connections, used);
            items.iter().enumerate().filter_map(one).collect()
        }
    };
    let lag = section.duration("lag").unwrap_or(Duration::from_secs(60));
    let lasting = section.duration("for").unwrap_or(Duration::from_secs(120));
    let dead_letters = section.number("dead_letters", 1, u64::MAX).unwrap_or(1);
    let repeat = section.duration("repeat").unwrap_or(Duration::from_secs(4 * 3600));
    if let (true, Some(node)) = (repeat < Duration::from_secs(1), section.get("repeat")) {
        reader.bad(node, "alerts.repeat must be at least 1s");
    }
    let web = |text: &str| {
        let web = text.starts_with("https://") || text.starts_with("http://");
        web.then(|| text.trim_end_matches('/').to_owned())
    };
    let runbooks = section.parsed("runbooks", "an address such as https://example.com/runbooks", web);
    section.finish();
    Some(Alerts {
        to,
        lag,
        lasting,
        dead_letters,
        repeat,
        runbooks: runbooks.unwrap_or_else(|| RUNBOOKS.to_owned()),
    })
}

fn receiver(
    mut section: Section<'_>,
    connections: &Connections,
    used: &mut Vec<String>,
) -> Option<AlertReceiver> {
    let connection = section.needed("connection");
    let url = section.needed("url");
    let reader = section.reader;
    if let Some(at) = &connection {
        role(reader, at, Role::Target(TargetKind::Webhook), connections, used);
    }
    if let Some(at) = &url
        && (!(at.value.is_empty() || at.value.starts_with('/')) || at.value.contains(['{', '}']))
    {
        let text = format!("{}.url begins with `/` or is empty, and holds no braces", section.name);
        reader.note(Error::new(Code::ConfigBadValue, text).at(at.place.clone()));
    }
    section.finish();
    Some(AlertReceiver { connection: connection?.value, path: url?.value })
}
