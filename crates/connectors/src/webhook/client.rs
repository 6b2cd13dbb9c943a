//! One request to the receiver and its bounded answer. What an answer means is `answer.rs`; nothing is tried again here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, Url};
use syncline_engine::error::{Code, Error, Result};

use super::answer::Answer;
use super::config::Config;
use super::message::Message;
use super::pause::retry_after;
use crate::http::{self, root_cause, tls_error};

/// More of an answer is not read.
const MAX_ANSWER: usize = 64 << 10;
/// Longer paths and queries are refused by servers anyhow, some by breaking the connection.
const MAX_PATH: usize = 4 << 10;
const IDLE: Duration = Duration::from_secs(60);

/// One receiver.
pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    /// Scheme, host and port, for messages.
    place: String,
    /// The connection's name, for messages.
    name: String,
    timeout: Duration,
    /// Whether it ever answered: until then a TLS failure is the configuration's fault.
    answered: AtomicBool,
}

/// What signs one try.
pub(super) struct Stamp {
    /// Seconds since 1970.
    pub timestamp: i64,
    /// `None`: not signed.
    pub signature: Option<String>,
}

impl Client {
    pub(super) fn new(config: &Config) -> Result<Client> {
        let builder = reqwest::Client::builder()
            .connect_timeout(config.connect_timeout)
            .timeout(config.request_timeout)
            .pool_idle_timeout(IDLE)
            .user_agent(concat!("syncline/", env!("CARGO_PKG_VERSION")))
            .default_headers(config.headers.clone());
        let http = http::plain_or_tls(builder, config.tls.as_ref(), &config.name)?;
        Ok(Client {
            http: http.build().map_err(|e| tls_error(&config.name, &e))?,
            place: config.url.origin().ascii_serialization(),
            url: config.url.clone(),
            name: config.name.clone(),
            timeout: config.request_timeout,
            answered: AtomicBool::new(false),
        })
    }

    /// The connection's URL with what a row adds to it. `Err` is for the row.
    pub(super) fn url(&self, added: &str) -> Result<Url> {
        if added.is_empty() {
            return Ok(self.url.clone());
        }
        let refused =
            |what: &str| Error::new(Code::RouteAddress, format!("{}: the row's URL {what}", self.name));
        if added.len() > MAX_PATH {
            return Err(refused(&format!("is too long: {} bytes, {MAX_PATH} are sent at most", added.len())));
        }
        let text = format!("{}{added}", self.url.as_str().trim_end_matches('/'));
        let url = Url::parse(&text).map_err(|error| refused("cannot be read").cause(error))?;
        // Whatever a value holds: what is requested is what the template says, letter by letter.
        let as_written = url.as_str() == text && url.fragment().is_none();
        if as_written { Ok(url) } else { Err(refused("would lead elsewhere")) }
    }

    /// Sends a message once.
    pub(super) async fn post(&self, url: Url, message: &Message, stamp: Stamp) -> Result<Answer> {
        let mut request = self
            .http
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", stamp.timestamp);
        if let Some(signature) = stamp.signature {
            request = request.header("webhook-signature", signature);
        }
        let response = self.send(request.body(message.body.clone())).await?;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        Ok(Answer {
            status: response.status().as_u16(),
            wait: header(RETRY_AFTER).and_then(retry_after),
            location: header(LOCATION).map(str::to_owned),
            text: beginning(response).await,
        })
    }

    /// Whether the receiver answers at all, whatever it says.
    pub(super) async fn probe(&self) -> Result<()> {
        self.send(self.http.head(self.url.clone())).await.map(drop)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let response = request.send().await.map_err(|error| self.broken(&error))?;
        self.answered.store(true, Ordering::Relaxed);
        Ok(response)
    }

    fn broken(&self, error: &reqwest::Error) -> Error {
        if http::is_tls(error) && !self.answered.load(Ordering::Relaxed) {
            return tls_error(&self.name, error);
        }
        let place = &self.place;
        let (code, what) = if error.is_connect() {
            (Code::Unreachable, format!("{place} cannot be reached"))
        } else if error.is_timeout() {
            (Code::Interrupted, format!("{place} did not answer within {:?}", self.timeout))
        } else {
            (Code::Interrupted, format!("the connection to {place} broke"))
        };
        Error::new(code, format!("{}: {what}", self.name)).cause(root_cause(error))
    }
}

/// What comes of the answer's text before the bound, an error or the timeout. The status says all that matters.
async fn beginning(mut response: Response) -> Vec<u8> {
    let mut text = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = MAX_ANSWER - text.len();
        text.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() >= room {
            break;
        }
    }
    text
}
