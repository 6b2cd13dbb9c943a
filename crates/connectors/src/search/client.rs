//! HTTP to one cluster: picks a host, logs in, sends one request, reads a bounded answer. What an answer means is
//! `reply.rs`; nothing is tried again here except another host when one cannot be connected to.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use syncline_engine::error::{Code, Error, Result};

use super::config::Config;
use crate::http::{self, root_cause, tls_error};

/// Larger answers are not read to their end.
const MAX_REPLY: usize = 256 << 20;
/// Smaller bodies are not worth compressing.
const COMPRESS_FROM: usize = 4 << 10;
const IDLE: Duration = Duration::from_secs(60);

/// One cluster.
pub(super) struct Client {
    http: reqwest::Client,
    hosts: Vec<String>,
    /// The host in use; moves on when it fails.
    current: AtomicUsize,
    compress: bool,
    /// The connection's name, for messages.
    name: String,
    timeout: Duration,
    /// Whether it ever answered: until then a TLS failure is the configuration's fault.
    answered: AtomicBool,
}

/// An answer, whatever its status.
pub(super) struct Reply {
    pub status: u16,
    pub body: Bytes,
}

/// What is sent.
pub(super) enum Payload {
    None,
    Json(String),
    Lines(Bytes),
}

impl Client {
    pub(super) fn new(config: &Config) -> Result<Client> {
        let builder = reqwest::Client::builder()
            .connect_timeout(config.connect_timeout)
            .timeout(config.request_timeout)
            .pool_idle_timeout(IDLE);
        let mut builder = http::plain_or_tls(builder, config.tls.as_ref(), &config.name)?;
        if let Some(login) = &config.login {
            let value = login.authorization(&config.name)?;
            builder = builder.default_headers(HeaderMap::from_iter([(AUTHORIZATION, value)]));
        }
        let http = builder.build().map_err(|e| tls_error(&config.name, &e))?;
        Ok(Client {
            http,
            hosts: config.hosts.clone(),
            current: AtomicUsize::new(0),
            compress: config.compress,
            name: config.name.clone(),
            timeout: config.request_timeout,
            answered: AtomicBool::new(false),
        })
    }

    /// The connection's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Sends one request; `path` begins with a slash. Tries every host as long as none can be connected to.
    pub(super) async fn send(&self, method: Method, path: &str, payload: Payload) -> Result<Reply> {
        let (kind, body) = match payload {
            Payload::None => ("application/json", Bytes::new()),
            Payload::Json(text) => ("application/json", Bytes::from(text)),
            Payload::Lines(lines) => ("application/x-ndjson", lines),
        };
        let (body, packed) = self.pack(body).await;
        let mut last = None;
        for _ in &self.hosts {
            let at = self.current.load(Ordering::Relaxed);
            let host = &self.hosts[at % self.hosts.len()];
            let mut request = self.http.request(method.clone(), format!("{host}{path}"));
            if !body.is_empty() {
                request = request.header(CONTENT_TYPE, kind).body(body.clone());
            }
            if packed {
                request = request.header(CONTENT_ENCODING, "gzip");
            }
            match self.exchange(request, host).await {
                Ok(reply) => {
                    if matches!(reply.status, 502..=504) {
                        self.leave(at);
                    }
                    return Ok(reply);
                }
                Err((error, connected)) => {
                    self.leave(at);
                    if connected {
                        return Err(error);
                    }
                    last = Some(error);
                }
            }
        }
        Err(last.unwrap_or_else(|| Error::new(Code::Unreachable, format!("{}: no host", self.name))))
    }

    /// The answer, or the error and whether the request may have reached the server.
    async fn exchange(
        &self,
        request: reqwest::RequestBuilder,
        host: &str,
    ) -> std::result::Result<Reply, (Error, bool)> {
        let mut response = request.send().await.map_err(|e| (self.broken(host, &e), !e.is_connect()))?;
        self.answered.store(true, Ordering::Relaxed);
        let status = response.status().as_u16();
        let expected = response.content_length().map_or(0, |n| n.min(1 << 20) as usize);
        let mut body = Vec::with_capacity(expected);
        while let Some(chunk) = response.chunk().await.map_err(|e| (self.broken(host, &e), true))? {
            if body.len() + chunk.len() > MAX_REPLY {
                let message = format!("{}: {host} answers with more than {MAX_REPLY} bytes", self.name);
                return Err((Error::new(Code::Interrupted, message), true));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, body: body.into() })
    }

    /// Other requests may have moved on already.
    fn leave(&self, at: usize) {
        let next = at.wrapping_add(1);
        let _moved = self.current.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn broken(&self, host: &str, error: &reqwest::Error) -> Error {
        let why = root_cause(error);
        if http::is_tls(error) && !self.answered.load(Ordering::Relaxed) {
            return tls_error(&self.name, error);
        }
        let (code, what) = if error.is_connect() {
            (Code::Unreachable, format!("{host} cannot be reached"))
        } else if error.is_timeout() {
            (Code::Interrupted, format!("{host} did not answer within {:?}", self.timeout))
        } else {
            (Code::Interrupted, format!("the connection to {host} broke"))
        };
        Error::new(code, format!("{}: {what}", self.name)).cause(why)
    }

    async fn pack(&self, body: Bytes) -> (Bytes, bool) {
        if !self.compress || body.len() < COMPRESS_FROM {
            return (body, false);
        }
        let plain = body.clone();
        // Milliseconds of work: not on a thread that serves other connections.
        match tokio::task::spawn_blocking(move || gzip(&body)).await {
            Ok(Some(packed)) => (packed, true),
            _ => (plain, false),
        }
    }
}

fn gzip(body: &[u8]) -> Option<Bytes> {
    let out = Vec::with_capacity(body.len() / 4);
    let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}
