//! A connection as configured: where, and with which secrets and limits. Secrets live here and never print.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// One entry of `connections:`.
#[derive(Clone)]
pub struct ConnectionSpec {
    /// Its name in the file.
    pub name: String,
    /// The URL with its variables filled in. May hold a password: never print it, use [`ConnectionSpec::shown`].
    pub url: String,
    /// What the map form adds.
    pub options: ConnectionOptions,
}

/// Options of a connection.
#[derive(Clone)]
pub struct ConnectionOptions {
    /// Password from `password_file`; wins over the URL's.
    pub password: Option<String>,
    /// TLS; `None`: as the URL's scheme or query says.
    pub tls: Option<TlsOptions>,
    /// How long a connect may take (default 10 s).
    pub connect_timeout: Duration,
    /// How long one request may take (default 60 s).
    pub request_timeout: Duration,
    /// Requests in flight at once (lanes); `None`: the connector's default.
    pub lanes: Option<usize>,
    /// Deliveries per request at most; `None`: the connector's default.
    pub batch_items: Option<usize>,
    /// Bytes per request at most; `None`: the connector's default.
    pub batch_bytes: Option<usize>,
    /// Secrets that sign webhooks, with white space between them; `None`: not signed.
    pub secret: Option<String>,
    /// Headers of every webhook: name and value. Values may be secret.
    pub headers: Vec<(String, String)>,
    /// Webhooks in flight at once; `None`: the connector's default.
    pub requests: Option<usize>,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        ConnectionOptions {
            password: None,
            tls: None,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
            lanes: None,
            batch_items: None,
            batch_bytes: None,
            secret: None,
            headers: Vec::new(),
            requests: None,
        }
    }
}

/// TLS of a connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TlsOptions {
    /// PEM with authorities to trust besides the built-in ones.
    pub ca_file: Option<PathBuf>,
    /// Client certificate (PEM).
    pub cert_file: Option<PathBuf>,
    /// Client key (PEM).
    pub key_file: Option<PathBuf>,
    /// `verify: false` accepts any certificate.
    pub insecure: bool,
}

impl ConnectionSpec {
    /// What `stdout` and `discard` stand on, which take no connection: named like their one scheme.
    pub fn built_in(name: &str) -> ConnectionSpec {
        let options = ConnectionOptions::default();
        ConnectionSpec { name: name.to_owned(), url: format!("{name}:"), options }
    }

    /// The URL's scheme.
    pub fn scheme(&self) -> &str {
        self.url.split_once(':').map_or("", |(scheme, _)| scheme)
    }

    /// The URL without user and password, for messages.
    pub fn shown(&self) -> String {
        match (self.url.find("://"), self.url.rfind('@')) {
            (Some(start), Some(at)) if at > start => {
                format!("{}{}", &self.url[..start + 3], &self.url[at + 1..])
            }
            _ => self.url.clone(),
        }
    }
}

impl fmt::Debug for ConnectionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.shown())
    }
}
