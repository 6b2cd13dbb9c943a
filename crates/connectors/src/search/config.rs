//! A search connection as configured: `opensearch://user:password@host:9200,host2:9200/path?tls=true`.
//! Everything is checked here; nothing is connected.

use std::time::Duration;

use syncline_engine::error::{Code, Error, Result};

use crate::connection::{ConnectionSpec, TlsOptions};
use crate::http::Login;

const DEFAULT_PORT: u16 = 9200;
/// Enough to keep a small node busy; 20 MiB of bodies in flight at most.
const DEFAULT_LANES: usize = 4;
const DEFAULT_ITEMS: usize = 5000;
const DEFAULT_BYTES: usize = 5 << 20;

/// A checked connection.
#[derive(Clone)]
pub(super) struct Config {
    /// The connection's name in the file.
    pub name: String,
    /// `http://host:port` of each host, with the path prefix, without a slash at the end.
    pub hosts: Vec<String>,
    pub login: Option<Login>,
    /// With `https`.
    pub tls: Option<TlsOptions>,
    /// Whether request bodies are compressed.
    pub compress: bool,
    pub connect_timeout: Duration,
    pub request_timeout: Duration,
    pub lanes: usize,
    pub items: usize,
    pub bytes: usize,
}

impl Config {
    /// Reads the connection.
    pub(super) fn new(connection: &ConnectionSpec) -> Result<Config> {
        let bad = |what: &str| {
            Error::new(Code::ConfigBadValue, format!("connection {}: {what}", connection.name))
                .fix(format!("write {}://HOST:PORT", connection.scheme()))
        };
        let (_, rest) = connection.url.split_once("://").ok_or_else(|| bad("the URL has no ://"))?;
        // The last @, so that a password that came from a variable need not be percent-encoded.
        let (login, place) =
            rest.rsplit_once('@').map_or((None, rest), |(login, place)| (Some(login), place));
        let (place, query) = place.split_once('?').unwrap_or((place, ""));
        let (hosts, path) = place.split_once('/').unwrap_or((place, ""));
        let query = Query::read(query).map_err(|what| bad(&what))?;
        let options = &connection.options;
        if query.tls == Some(false) && options.tls.is_some() {
            return Err(Error::new(
                Code::ConfigConflict,
                format!("connection {}: `tls=false` in the URL and `tls:` beside it", connection.name),
            ));
        }
        let tls = options.tls.clone().or_else(|| (query.tls == Some(true)).then(TlsOptions::default));
        let hosts = hosts.split(',').map(host).collect::<std::result::Result<Vec<_>, _>>();
        let hosts = hosts.map_err(|what| bad(&what))?;
        let prefix = path.trim_end_matches('/');
        let scheme = if tls.is_some() { "https" } else { "http" };
        let compress = query.compress.unwrap_or_else(|| !hosts.iter().all(|h| is_loopback(h)));
        Ok(Config {
            name: connection.name.clone(),
            login: Login::read(login, options.password.as_deref()).map_err(|what| bad(&what))?,
            hosts: hosts.iter().map(|h| base(scheme, h, prefix)).collect(),
            tls,
            compress,
            connect_timeout: options.connect_timeout,
            request_timeout: options.request_timeout,
            lanes: options.lanes.unwrap_or(DEFAULT_LANES).max(1),
            items: options.batch_items.unwrap_or(DEFAULT_ITEMS).max(1),
            bytes: options.batch_bytes.unwrap_or(DEFAULT_BYTES).max(1),
        })
    }
}

#[derive(Default)]
struct Query {
    tls: Option<bool>,
    compress: Option<bool>,
}

impl Query {
    fn read(text: &str) -> std::result::Result<Query, String> {
        let mut query = Query::default();
        for pair in text.split('&').filter(|p| !p.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let flag = match value {
                "true" => Some(true),
                "false" => Some(false),
                _ => return Err(format!("`{key}` in the URL must be true or false")),
            };
            match key {
                "tls" => query.tls = flag,
                "compress" => query.compress = flag,
                _ => return Err(format!("unknown option `{key}` in the URL; known are: tls, compress")),
            }
        }
        Ok(query)
    }
}

/// `host[:port]` with the port filled in.
fn host(text: &str) -> std::result::Result<String, String> {
    let (name, port) = match text.strip_prefix('[') {
        Some(inside) => {
            let (address, rest) = inside.split_once(']').ok_or("an IPv6 address lacks its ]")?;
            (&text[..address.len() + 2], rest.strip_prefix(':'))
        }
        None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.:[]%".contains(c);
    if name.is_empty() || !name.chars().all(fits) {
        return Err(format!("{name:?} is not a host"));
    }
    let port = match port {
        Some(port) => port.parse::<u16>().map_err(|_| format!("{port:?} is not a port"))?,
        None => DEFAULT_PORT,
    };
    Ok(format!("{name}:{port}"))
}

fn base(scheme: &str, host: &str, prefix: &str) -> String {
    if prefix.is_empty() { format!("{scheme}://{host}") } else { format!("{scheme}://{host}/{prefix}") }
}

fn is_loopback(host: &str) -> bool {
    host.starts_with("127.") || host.starts_with("localhost:") || host.starts_with("[::1]:")
}
