//! A `mysql://` connection as the connector uses it: endpoints, login and TLS, read from the URL and its options.
//! Nothing connects here, and nothing prints the password.

use std::fmt;
use std::time::Duration;

use syncline_engine::error::{Code, Error, Result};

use crate::connection::{ConnectionSpec, TlsOptions};

const DEFAULT_PORT: u16 = 3306;

/// One server of the URL's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A parsed connection.
#[derive(Clone)]
pub struct MysqlConfig {
    /// The connection's name in the file.
    pub name: String,
    /// Tried in this order.
    pub endpoints: Vec<Endpoint>,
    pub user: String,
    /// Never printed.
    pub password: String,
    /// `None`: no TLS.
    pub tls: Option<TlsOptions>,
    pub connect_timeout: Duration,
    pub request_timeout: Duration,
}

impl fmt::Debug for MysqlConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MysqlConfig({} at {:?})", self.name, self.endpoints)
    }
}

impl MysqlConfig {
    /// Reads `mysql://user:password@host:port,host2:port/database?tls=true`.
    pub fn parse(spec: &ConnectionSpec) -> Result<MysqlConfig> {
        let bad = |what: &str| {
            Error::new(Code::ConfigBadValue, format!("connection {}: {what}", spec.name))
                .fix("write mysql://USER:PASSWORD@HOST:PORT/DATABASE; in user and password, %XX for special characters")
        };
        let rest =
            spec.url.strip_prefix("mysql://").ok_or_else(|| bad("the URL does not begin with mysql://"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        // The last '@': an unescaped one in the password is forgiven.
        let (login, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
        // The path names a database for people; patterns say which tables are meant.
        let (hosts, _database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let decode = |text: &str| {
            percent_decode(text).ok_or_else(|| bad("a %XX in the URL is not UTF-8 or cut short"))
        };
        let endpoints = hosts
            .split(',')
            .map(|host| {
                parse_endpoint(host).ok_or_else(|| bad(&format!("{host:?} is not HOST or HOST:PORT")))
            })
            .collect::<Result<Vec<_>>>()?;
        let tls = match (&spec.options.tls, parse_query(query).map_err(|e| bad(&e))?) {
            (Some(tls), _) => Some(tls.clone()),
            (None, true) => Some(TlsOptions::default()),
            (None, false) => None,
        };
        Ok(MysqlConfig {
            name: spec.name.clone(),
            endpoints,
            user: decode(user)?,
            password: match &spec.options.password {
                Some(password) => password.clone(),
                None => decode(password)?,
            },
            tls,
            connect_timeout: spec.options.connect_timeout,
            request_timeout: spec.options.request_timeout,
        })
    }
}

/// The query knows one option, `tls`.
fn parse_query(query: &str) -> std::result::Result<bool, String> {
    let mut tls = false;
    for part in query.split('&').filter(|p| !p.is_empty()) {
        match part.split_once('=').unwrap_or((part, "true")) {
            ("tls", "true" | "1") => tls = true,
            ("tls", "false" | "0") => tls = false,
            ("tls", other) => return Err(format!("tls is true or false, not {other:?}")),
            (name, _) => return Err(format!("the URL has an unknown option {name:?}; there is tls=true")),
        }
    }
    Ok(tls)
}

fn parse_endpoint(text: &str) -> Option<Endpoint> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let port = port.map_or(Some(DEFAULT_PORT), |p| p.parse().ok())?;
    (!host.is_empty() && port != 0).then(|| Endpoint { host: host.to_owned(), port })
}

fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
            out.push(digit(bytes.next()?)? << 4 | digit(bytes.next()?)?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
