//! `connections:`: a URL, or a map with `url` and options. Relative paths are relative to the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use syncline_connectors::connection::{ConnectionOptions, ConnectionSpec, TlsOptions};
use syncline_connectors::registry::{self, Role, supports};
use syncline_engine::error::{Code, Error, Place};

use super::read::{At, Reader, Section, suggest};
use super::yaml::{Content, Key, Node};

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
            let connection = ConnectionSpec { name: key.text.clone(), url, options };
            if let Err(error) = registry::lint(&connection) {
                reader.note(error.at(reader.place(value.line, value.column)));
            }
            all.insert(key.text.clone(), (connection, place));
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
    if let Some(url) = &url {
        fitting(&mut section, &url.value);
    }
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
        secret: secret(section, folder),
        headers: headers(section),
        requests: section.number("requests", 1, 256).map(many),
    }
}

/// Notes options that do nothing for this URL's scheme.
fn fitting(section: &mut Section<'_>, url: &str) {
    let webhook = matches!(url.split_once(':'), Some(("http" | "https", _)));
    let wrong = |section: &mut Section<'_>, key: &'static str, fix: &str| {
        let Some(node) = section.get(key) else { return };
        let place = section.reader.place(node.line, node.column);
        let text = format!("{}: `{key}` does not go with this kind of connection", section.name);
        section.reader.note(Error::new(Code::ConfigConflict, text).fix(fix).at(place));
    };
    if webhook {
        wrong(section, "lanes", "write `requests`");
        return;
    }
    for key in ["secret", "secret_file", "headers", "requests"] {
        wrong(section, key, "remove it: it is for webhooks, which are http:// or https://");
    }
}

fn password(section: &mut Section<'_>, folder: &Path) -> Option<String> {
    let file = section.text("password_file")?;
    let text = contents(section, &file, "password", folder)?;
    Some(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn secret(section: &mut Section<'_>, folder: &Path) -> Option<String> {
    match (section.text("secret"), section.text("secret_file")) {
        (Some(_), Some(file)) => {
            let text = format!("{} has `secret` and `secret_file`", section.name);
            section.reader.note(Error::new(Code::ConfigConflict, text).at(file.place));
            None
        }
        (Some(secret), None) => Some(secret.value),
        (None, Some(file)) => contents(section, &file, "secret", folder),
        (None, None) => None,
    }
}

/// The text of a file that holds a secret. `what`: which one, for messages.
fn contents(section: &Section<'_>, file: &At<String>, what: &str, folder: &Path) -> Option<String> {
    match std::fs::read_to_string(folder.join(&file.value)) {
        Ok(text) => Some(text),
        Err(error) => {
            let text = format!("the {what} file {} cannot be read", file.value);
            section.reader.note(Error::new(Code::ConfigFile, text).cause(error).at(file.place.clone()));
            None
        }
    }
}

fn headers(section: &mut Section<'_>) -> Vec<(String, String)> {
    let Some(node) = section.get("headers") else { return Vec::new() };
    let name = format!("{}.headers", section.name);
    let Some(inside) = section.reader.section(node, &name) else { return Vec::new() };
    let value = |(key, node): &(Key, Node)| {
        let value = inside.reader.text(node, &format!("{name}.{}", key.text))?;
        Some((key.text.to_string(), value.value))
    };
    inside.entries.iter().filter_map(value).collect()
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
