//! `connections:`: a URL, or a map with `url` and options. Relative paths are relative to the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use syncline_connectors::connection::{ConnectionOptions, ConnectionSpec, TlsOptions};
use syncline_connectors::registry::{Role, supports};
use syncline_engine::error::{Code, Error, Place};

use super::read::{At, Reader, Section, suggest};
use super::yaml::{Content, Node};

/// Connections by name, with the places of their names.
pub(crate) type Connections = BTreeMap<String, (ConnectionSpec, Place)>;

pub(crate) fn read(reader: &Reader, node: &Node, folder: &Path) -> Connections {
    let Some(section) = reader.section(node, "connections") else { return Connections::new() };
    let mut all = Connections::new();
    for (key, value) in section.entries {
        let place = reader.place(key.line, key.column);
        if matches!(&*key.text, "stdout" | "discard") {
            let text = format!("`{}` is built in and cannot name a connection", key.text);
            reader.note(Error::new(Code::ConfigConflict, text).at(place));
            continue;
        }
        if let Some((url, options)) = one(reader, value, &key.text, folder) {
            let url = absolute(&url, folder);
            all.insert(key.text.clone(), (ConnectionSpec { name: key.text.clone(), url, options }, place));
        }
    }
    all
}

fn one(reader: &Reader, node: &Node, name: &str, folder: &Path) -> Option<(String, ConnectionOptions)> {
    let path = format!("connections.{name}");
    if let Content::Scalar { .. } = node.content {
        let url = reader.text(node, &path)?;
        return checked(reader, node, url.value).map(|url| (url, ConnectionOptions::default()));
    }
    let mut section = reader.section(node, &path)?;
    let url = section.needed("url");
    let options = options(&mut section, folder);
    section.finish();
    checked(reader, node, url?.value).map(|url| (url, options))
}

fn checked(reader: &Reader, node: &Node, url: String) -> Option<String> {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| !scheme.is_empty());
    if scheme.is_none() {
        reader.bad(node, "a connection is a URL such as mysql://user@host:3306/db or sqlite:shop.db");
    }
    scheme.is_some().then_some(url)
}

fn options(section: &mut Section<'_>, folder: &Path) -> ConnectionOptions {
    let defaults = ConnectionOptions::default();
    let many = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    ConnectionOptions {
        password: password(section, folder),
        tls: section.get("tls").and_then(|node| tls(section, node, folder)),
        connect_timeout: section.duration("connect_timeout").unwrap_or(defaults.connect_timeout),
        request_timeout: section.duration("request_timeout").unwrap_or(defaults.request_timeout),
        lanes: section.number("lanes", 1, 64).map(many),
        batch_items: section.number("batch_items", 1, 1_000_000).map(many),
        batch_bytes: section.size("batch_bytes"),
    }
}

fn password(section: &mut Section<'_>, folder: &Path) -> Option<String> {
    let file = section.text("password_file")?;
    match std::fs::read_to_string(folder.join(&file.value)) {
        Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
        Err(error) => {
            let text = format!("the password file {} cannot be read", file.value);
            section.reader.note(Error::new(Code::ConfigFile, text).cause(error).at(file.place));
            None
        }
    }
}

fn tls(section: &Section<'_>, node: &Node, folder: &Path) -> Option<TlsOptions> {
    if let Content::Scalar { text, .. } = &node.content {
        return match &**text {
            "true" => Some(TlsOptions::default()),
            "false" => None,
            _ => {
                section.reader.bad(node, "tls must be true, false or a map");
                None
            }
        };
    }
    let mut inside = section.reader.section(node, "tls")?;
    let mut file = |key| inside.text(key).map(|path| folder.join(path.value));
    let mut options = TlsOptions {
        ca_file: file("ca_file"),
        cert_file: file("cert_file"),
        key_file: file("key_file"),
        insecure: false,
    };
    options.insecure = inside.boolean("verify") == Some(false);
    inside.finish();
    Some(options)
}

/// `sqlite:` and `file:` paths are relative to the file that names them.
fn absolute(url: &str, folder: &Path) -> String {
    for scheme in ["sqlite:", "file:"] {
        if let Some(path) = url.strip_prefix(scheme).map(|path| path.strip_prefix("//").unwrap_or(path)) {
            let path: PathBuf = folder.join(path);
            return format!("{scheme}{}", path.display());
        }
    }
    url.to_owned()
}

/// Notes if the named connection is absent or cannot play the role.
pub(crate) fn role(
    reader: &Reader,
    name: &At<String>,
    role: Role,
    connections: &Connections,
    used: &mut Vec<String>,
) {
    used.push(name.value.clone());
    match connections.get(&name.value) {
        Some((connection, _)) => {
            if let Err(error) = supports(connection, role) {
                reader.note(error.at(name.place.clone()));
            }
        }
        None => {
            let text = format!("there is no connection `{}`", name.value);
            let error = Error::new(Code::ConfigConnection, text);
            let error = suggest(error, &name.value, connections.keys().map(String::as_str));
            reader.note(error.at(name.place.clone()));
        }
    }
}
