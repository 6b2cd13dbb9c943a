//! Reads the URL of a Redis connection: one server, a master behind sentinels, or a cluster.
//! Nothing here connects. Passwords are kept apart from everything that is shown.

use syncline_engine::error::{Code, Error, Result};

use crate::connection::ConnectionSpec;

/// Host and port of a server.
pub type Host = (String, u16);

/// Where the masters are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// This one.
    One(Host),
    /// The one that any of these sentinels names.
    Sentinel { sentinels: Vec<Host>, master: String },
    /// Those that any of these nodes names.
    Cluster(Vec<Host>),
}

/// A Redis connection, read and checked. Has no `Debug`, for the sake of the password.
#[derive(Clone)]
pub struct Settings {
    /// Name in the configuration.
    pub name: String,
    pub topology: Topology,
    pub tls: bool,
    pub user: Option<String>,
    pub password: Option<String>,
    pub db: i64,
    pub spec: ConnectionSpec,
}

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Reads a connection of one of the four Redis schemes.
pub fn read(spec: &ConnectionSpec) -> Result<Settings> {
    let wrong = |what: &str| {
        Error::new(Code::ConfigConnection, format!("connection `{}`: {what}", spec.name))
            .fix("write redis://[USER:PASSWORD@]HOST[:PORT][/DB], redis-sentinel://HOST,HOST/MASTER[/DB] or redis-cluster://HOST,HOST")
    };
    let (scheme, rest) = spec.url.split_once("://").ok_or_else(|| wrong("the URL lacks `://`"))?;
    let (login, rest) = rest.rsplit_once('@').map_or((None, rest), |(login, rest)| (Some(login), rest));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let tls_asked = match query {
        "" | "tls=false" => false,
        "tls=true" => true,
        _ => return Err(wrong("the only option of the URL is `tls=true`")),
    };
    let default_port = if scheme == "redis-sentinel" { SENTINEL_PORT } else { PORT };
    let hosts = hosts
        .split(',')
        .map(|host| read_host(host, default_port).ok_or_else(|| wrong("a host or port cannot be read")))
        .collect::<Result<Vec<Host>>>()?;
    let (topology, db) = match scheme {
        "redis" | "rediss" => match <[Host; 1]>::try_from(hosts) {
            Ok([host]) => (Topology::One(host), path),
            Err(_) => return Err(wrong("several hosts need redis-sentinel:// or redis-cluster://")),
        },
        "redis-sentinel" => {
            let (master, db) = path.split_once('/').unwrap_or((path, ""));
            let master = Some(master).filter(|m| !m.is_empty());
            let master = master.ok_or_else(|| wrong("the master's name is missing after the hosts"))?;
            (Topology::Sentinel { sentinels: hosts, master: master.to_owned() }, db)
        }
        "redis-cluster" => (Topology::Cluster(hosts), path),
        _ => return Err(wrong("not a Redis scheme")),
    };
    let db = if db.is_empty() { Some(0) } else { db.parse().ok().filter(|db| *db >= 0) };
    let db: i64 = db.ok_or_else(|| wrong("the database is not a number"))?;
    if db != 0 && matches!(topology, Topology::Cluster(_)) {
        return Err(wrong("a cluster has only database 0"));
    }
    let (user, password) = login.map_or((None, None), read_login);
    let insecure_scheme = scheme != "rediss" && !tls_asked;
    Ok(Settings {
        name: spec.name.clone(),
        topology,
        tls: !insecure_scheme || spec.options.tls.is_some(),
        user,
        password: spec.options.password.clone().or(password),
        db,
        spec: spec.clone(),
    })
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
pub fn read_host(text: &str, default_port: u16) -> Option<Host> {
    let (host, port) = match text.strip_prefix('[') {
        Some(v6) => {
            let (host, rest) = v6.split_once(']')?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Some(default_port), |port| port.parse().ok())?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

fn read_login(login: &str) -> (Option<String>, Option<String>) {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let part = |text: &str| (!text.is_empty()).then(|| percent_decoded(text));
    (part(user), part(password))
}

/// `%40` and the like; anything that is not such an escape stays as it is.
fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%').then(|| tail.get(..2)).flatten();
        let escaped = escaped.and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => (out.push(byte), rest = &tail[2..]).1,
            None => (out.push(first), rest = tail).1,
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
