//! A webhook connection as configured: `https://user:password@host:port/path` with secrets, headers and limits.
//! Everything is checked here; nothing is connected. No error holds the URL, a header's value or a secret.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use syncline_engine::error::{Code, Error, Result};

use super::sign::Signer;
use crate::connection::{ConnectionSpec, TlsOptions};
use crate::http::Login;

/// Enough to hide the time that answers take, few enough for a small receiver.
const DEFAULT_REQUESTS: usize = 8;
/// A call ends when its slowest address does, so it is kept small: a stop need not wait long either.
const DEFAULT_ITEMS: usize = 128;
const DEFAULT_BYTES: usize = 4 << 20;
/// Headers that say what the body is and how it travels. Those that begin with `webhook-` are ours too.
const OURS: [&str; 9] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// A checked connection.
#[derive(Clone)]
pub(super) struct Config {
    /// The connection's name in the file.
    pub name: String,
    /// Without user and password.
    pub url: Url,
    /// Sent with every request.
    pub headers: HeaderMap,
    /// What must not be shown, should an answer repeat it.
    pub hidden: Vec<String>,
    /// `None`: not signed.
    pub signer: Option<Signer>,
    /// With `https`.
    pub tls: Option<TlsOptions>,
    pub connect_timeout: Duration,
    pub request_timeout: Duration,
    pub requests: usize,
    pub items: usize,
    pub bytes: usize,
}

impl Config {
    /// Reads the connection.
    pub(super) fn new(connection: &ConnectionSpec) -> Result<Config> {
        let options = &connection.options;
        let bad = |what: &str| wrong(connection, Code::ConfigBadValue, what);
        let (login, url) = split(&connection.url).map_err(|what| {
            bad(&what).fix("write https://HOST/PATH; what is special in user and password is written %XX")
        })?;
        let login = Login::read(login, options.password.as_deref()).map_err(|what| bad(&what))?;
        let tls = match (url.scheme(), &options.tls) {
            ("https", tls) => Some(tls.clone().unwrap_or_default()),
            (_, None) => None,
            (_, Some(_)) => {
                let error = wrong(connection, Code::ConfigConflict, "`tls:` beside an http:// URL");
                return Err(error.fix("write https://, or remove `tls:`"));
            }
        };
        let mut headers = headers(connection)?;
        let password = login.as_ref().map(|login| login.password.clone());
        if let Some(login) = &login {
            let value = login.authorization(&connection.name)?;
            if headers.insert(AUTHORIZATION, value).is_some() {
                let what = "a user in the URL and `authorization` under `headers`";
                return Err(wrong(connection, Code::ConfigConflict, what));
            }
        }
        let signer = options.secret.as_deref().map(Signer::read).transpose().map_err(|what| {
            bad(&what)
                .fix("write whsec_ and the base64 of 24 to 64 random bytes; several stand between spaces")
        })?;
        Ok(Config {
            name: connection.name.clone(),
            url,
            hidden: hidden(&headers, password),
            headers,
            signer,
            tls,
            connect_timeout: options.connect_timeout,
            request_timeout: options.request_timeout,
            requests: options.requests.unwrap_or(DEFAULT_REQUESTS).max(1),
            items: options.batch_items.unwrap_or(DEFAULT_ITEMS).max(1),
            bytes: options.batch_bytes.unwrap_or(DEFAULT_BYTES).max(1),
        })
    }

    /// Whether others could read what is sent.
    pub(super) fn travels_openly(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default();
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        self.tls.is_none() && !address.map_or(host == "localhost", |address| address.is_loopback())
    }
}

fn wrong(connection: &ConnectionSpec, code: Code, what: &str) -> Error {
    Error::new(code, format!("connection {}: {what}", connection.name))
}

/// The login as it stands in the URL, and the URL without it.
fn split(text: &str) -> std::result::Result<(Option<&str>, Url), String> {
    let (scheme, rest) = text.split_once("://").ok_or("the URL has no ://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if path.contains(['?', '#']) {
        return Err("the URL has a query; write it into the targets' `url:`".to_owned());
    }
    if path.contains('@') {
        // It would be a password with a slash in it, most likely: that must not be taken for a path and sent.
        return Err("the URL has an @ behind a slash; in a path it is written %40".to_owned());
    }
    let (login, host) =
        authority.rsplit_once('@').map_or((None, authority), |(login, host)| (Some(login), host));
    let url = Url::parse(&format!("{scheme}://{host}{path}"))
        .map_err(|error| format!("the URL cannot be read: {error}"))?;
    if url.path() != path && !path.is_empty() {
        return Err("the URL's path has dots or characters that are not sent as they are written".to_owned());
    }
    Ok((login, url))
}

/// Values of headers as a whole and without the word before them (`Bearer`), and the password.
fn hidden(headers: &HeaderMap, password: Option<String>) -> Vec<String> {
    let values = headers.values().filter_map(|value| value.to_str().ok());
    let parts = values.flat_map(|value| [Some(value), value.split_once(' ').map(|(_, rest)| rest)]);
    let mut hidden: Vec<String> = parts.flatten().map(str::to_owned).chain(password).collect();
    // What is shorter stands in any text and is no secret worth the name.
    hidden.retain(|text| text.trim().len() >= 4);
    hidden
}

fn headers(connection: &ConnectionSpec) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &connection.options.headers {
        let bad = |code, what: &str| wrong(connection, code, &format!("the header {name:?} {what}"));
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| bad(Code::ConfigBadValue, "has no name that can be sent"))?;
        if OURS.contains(&name.as_str()) || name.as_str().starts_with("webhook-") {
            return Err(bad(Code::ConfigConflict, "is set by Syncline itself").fix("remove it"));
        }
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| bad(Code::ConfigBadValue, "has a value that cannot be sent"))?;
        value.set_sensitive(true);
        if headers.insert(name, value).is_some() {
            return Err(bad(Code::ConfigConflict, "is there twice"));
        }
    }
    Ok(headers)
}
