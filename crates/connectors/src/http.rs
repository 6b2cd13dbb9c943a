//! What the connectors that speak HTTP share: who is logged in, whom TLS trusts, and what a failed request says.
//! Which requests are sent and what their answers mean is each connector's own.

use base64::Engine as _;
use reqwest::header::HeaderValue;
use reqwest::{Certificate, ClientBuilder, Identity};
use syncline_engine::error::{Code, Error, Result};

use crate::connection::TlsOptions;

/// User and password. Never printed.
#[derive(Clone)]
pub(crate) struct Login {
    pub user: String,
    pub password: String,
}

impl Login {
    /// Reads `user:password` of a URL; `password` wins over the one in there. The error names no secret.
    pub(crate) fn read(
        text: Option<&str>,
        password: Option<&str>,
    ) -> std::result::Result<Option<Login>, String> {
        let (user, in_url) = match text {
            Some(text) => text.split_once(':').map_or((text, None), |(user, p)| (user, Some(p))),
            None => ("", None),
        };
        let password = match (password, in_url) {
            (Some(password), _) => password.to_owned(),
            (None, Some(encoded)) => decode(encoded),
            (None, None) => String::new(),
        };
        match (user, password.is_empty()) {
            ("", true) => Ok(None),
            ("", false) => Err("there is a password but no user".into()),
            (user, _) => Ok(Some(Login { user: decode(user), password })),
        }
    }

    /// The value of `authorization`. `name`: the connection's, for messages.
    pub(crate) fn authorization(&self, name: &str) -> Result<HeaderValue> {
        let pair =
            base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", self.user, self.password));
        let mut value = HeaderValue::from_str(&format!("Basic {pair}")).map_err(|_| {
            Error::new(Code::ConfigBadValue, format!("connection {name}: unusable user or password"))
        })?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Percent-decoding; what is not a valid escape stays as it is.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let escaped = digits.and_then(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 16).ok());
        match (byte, escaped) {
            (b'%', Some(value)) => {
                out.push(value);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// What every client of ours has: the one crypto provider, no redirects, no proxy from the environment, and the TLS
/// that is wished for. `None`: without TLS.
pub(crate) fn plain_or_tls(
    builder: ClientBuilder,
    tls: Option<&TlsOptions>,
    name: &str,
) -> Result<ClientBuilder> {
    // Whoever comes first installs it; reqwest has no provider of its own here.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let builder = builder.redirect(reqwest::redirect::Policy::none()).no_proxy().tcp_nodelay(true);
    match tls {
        Some(tls) => trust(builder, tls, name),
        // Without TLS the machine's certificates need not even exist.
        None => Ok(builder.tls_certs_only([])),
    }
}

fn trust(mut builder: ClientBuilder, tls: &TlsOptions, name: &str) -> Result<ClientBuilder> {
    if let Some(file) = &tls.ca_file {
        let authorities = Certificate::from_pem_bundle(&read(file, name)?);
        builder = builder.tls_certs_merge(authorities.map_err(|e| tls_error(name, &e))?);
    }
    if let Some(file) = &tls.cert_file {
        let mut pem = read(file, name)?;
        if let Some(key) = &tls.key_file {
            pem.push(b'\n');
            pem.extend(read(key, name)?);
        }
        builder = builder.identity(Identity::from_pem(&pem).map_err(|e| tls_error(name, &e))?);
    }
    Ok(builder.tls_danger_accept_invalid_certs(tls.insecure))
}

fn read(file: &std::path::Path, name: &str) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|e| {
        Error::new(Code::Tls, format!("connection {name}: {} cannot be read", file.display())).cause(e)
    })
}

/// The error of a connection whose TLS cannot be made.
pub(crate) fn tls_error(name: &str, error: &reqwest::Error) -> Error {
    Error::new(Code::Tls, format!("{name}: the TLS connection cannot be made")).cause(root_cause(error))
}

/// The last of the chain says most, and never holds the URL.
pub(crate) fn root_cause(error: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(next) = deepest.source() {
        deepest = next;
    }
    deepest.to_string()
}

/// Whether a TLS handshake is why.
pub(crate) fn is_tls(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        // The TLS library's errors come wrapped in I/O errors, whose `source` passes over what they wrap.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(|e| e.get_ref());
        next = wrapped.map(|e| e as &(dyn std::error::Error + 'static)).or_else(|| error.source());
    }
    false
}
