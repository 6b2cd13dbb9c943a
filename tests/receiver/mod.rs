//! A webhook receiver as somebody else would write it: an HTTP server that checks every signature with code of its own,
//! keeps what came and answers as the test says. It is the peer of the sink, and knows nothing of its code.

#![allow(dead_code)] // each of the tests that share it uses a part

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// What its secret is unless a test says otherwise: 24 bytes.
pub const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

/// Standard Webhooks: an older request may be a replay.
const TOLERANCE: u64 = 300;

/// A request that came, and how it was answered.
#[derive(Clone, Debug)]
pub struct Got {
    /// With the query.
    pub path: String,
    pub id: String,
    pub timestamp: u64,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Which try of this message it is, from 1.
    pub attempt: usize,
    pub at: Instant,
    pub status: u16,
}

impl Got {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    pub fn taken(&self) -> bool {
        self.status / 100 == 2
    }
}

/// How to answer.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Body,
    pub after: Duration,
}

/// A status and nothing else.
pub fn say(status: u16) -> Reply {
    Reply { status, headers: Vec::new(), body: Body::empty(), after: Duration::ZERO }
}

impl Reply {
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    pub fn body(self, body: impl Into<Body>) -> Reply {
        Reply { body: body.into(), ..self }
    }

    pub fn after(self, after: Duration) -> Reply {
        Reply { after, ..self }
    }
}

type Script = Box<dyn Fn(&Got) -> Reply + Send + Sync>;

/// A server that runs until it is dropped.
pub struct Receiver {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _stop: tokio::sync::oneshot::Sender<()>,
}

struct Shared {
    secret: Option<&'static str>,
    script: Script,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    got: Vec<Got>,
    attempts: HashMap<String, usize>,
    probes: usize,
    in_flight: HashMap<String, usize>,
    most_at_once: usize,
    most_at_one_path: usize,
}

impl Receiver {
    /// One that knows [`SECRET`].
    pub fn start(script: impl Fn(&Got) -> Reply + Send + Sync + 'static) -> Receiver {
        Receiver::with(Some(SECRET), script)
    }

    /// On a thread of its own, so that tests with and without a runtime can use it. `None`: checks no signature.
    pub fn with(
        secret: Option<&'static str>,
        script: impl Fn(&Got) -> Reply + Send + Sync + 'static,
    ) -> Receiver {
        Receiver::on(SocketAddr::from(([127, 0, 0, 1], 0)), secret, script)
    }

    /// At this address, which nobody else listens at.
    pub fn on(
        address: SocketAddr,
        secret: Option<&'static str>,
        script: impl Fn(&Got) -> Reply + Send + Sync + 'static,
    ) -> Receiver {
        let listener = std::net::TcpListener::bind(address).expect("a free port");
        listener.set_nonblocking(true).expect("a socket of tokio");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { secret, script: Box::new(script), seen: Mutex::default() });
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let app = axum::Router::new().fallback(receive).with_state(Arc::clone(&shared));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                let server = std::future::IntoFuture::into_future(axum::serve(listener, app));
                tokio::select! {
                    _ = server => {}
                    _ = stopped => {}
                }
            });
        });
        Receiver { address, shared, _stop: stop }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far, in the order in which they came.
    pub fn got(&self) -> Vec<Got> {
        self.shared.seen.lock().unwrap().got.clone()
    }

    /// Those that were answered with 200 to 299.
    pub fn taken(&self) -> Vec<Got> {
        self.got().into_iter().filter(Got::taken).collect()
    }

    /// Requests that were no webhooks.
    pub fn probes(&self) -> usize {
        self.shared.seen.lock().unwrap().probes
    }

    /// How many requests were being answered at once, at most: altogether, and at one path.
    pub fn most_at_once(&self) -> (usize, usize) {
        let seen = self.shared.seen.lock().unwrap();
        (seen.most_at_once, seen.most_at_one_path)
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if method != Method::POST {
        shared.seen.lock().unwrap().probes += 1;
        return response(say(405));
    }
    let path = uri.path_and_query().map_or("", |p| p.as_str()).to_owned();
    let mut got = match shared.read(path.clone(), headers, body) {
        Ok(got) => got,
        Err(why) => return response(say(400).body(why)),
    };
    {
        let mut seen = shared.seen.lock().unwrap();
        let attempts = seen.attempts.entry(got.id.clone()).or_default();
        *attempts += 1;
        got.attempt = *attempts;
        *seen.in_flight.entry(path.clone()).or_default() += 1;
        seen.most_at_once = seen.most_at_once.max(seen.in_flight.values().sum());
        seen.most_at_one_path = seen.most_at_one_path.max(seen.in_flight[&path]);
    }
    let reply = (shared.script)(&got);
    got.status = reply.status;
    shared.seen.lock().unwrap().got.push(got);
    tokio::time::sleep(reply.after).await;
    if let Some(count) = shared.seen.lock().unwrap().in_flight.get_mut(&path) {
        *count -= 1;
    }
    response(reply)
}

fn response(reply: Reply) -> Response {
    let mut response = Response::new(reply.body);
    *response.status_mut() = StatusCode::from_u16(reply.status).expect("a status");
    for (name, value) in reply.headers {
        response.headers_mut().insert(name, value.parse().expect("a header's value"));
    }
    response
}

impl Shared {
    /// What a careful receiver does first. `Err`: why it does not believe the request.
    fn read(&self, path: String, headers: HeaderMap, body: Bytes) -> Result<Got, String> {
        let text =
            |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let (id, timestamp) = (text("webhook-id"), text("webhook-timestamp"));
        let seconds: u64 = timestamp.parse().map_err(|_| format!("{timestamp:?} is no timestamp"))?;
        let now = clock().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if seconds.abs_diff(now) > TOLERANCE {
            return Err(format!("{seconds} is not near {now}"));
        }
        if id.is_empty() || id.contains('.') || text("content-type") != "application/json" {
            return Err(format!("{headers:?} are not the headers of a webhook"));
        }
        if let Some(secret) = self.secret {
            let expected = signature(secret, &id, &timestamp, &body);
            if !text("webhook-signature").split(' ').any(|given| given == expected) {
                return Err("the signature is wrong".to_owned());
            }
        }
        Ok(Got { path, id, timestamp: seconds, headers, body, attempt: 0, at: Instant::now(), status: 0 })
    }
}

#[allow(clippy::disallowed_methods)] // the receiver has a clock of its own
fn clock() -> SystemTime {
    SystemTime::now()
}

/// `v1,…` as Standard Webhooks defines it.
pub fn signature(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> String {
    let key = STANDARD.decode(secret.trim_start_matches("whsec_")).expect("base64");
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &signed)))
}

/// RFC 2104, written out: the sink's library must not check itself.
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0u8; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |with: u8| block.iter().map(|b| b ^ with).collect::<Vec<u8>>();
    let inner = Sha256::digest([&padded(0x36)[..], message].concat());
    Sha256::digest([&padded(0x5c)[..], &inner].concat()).to_vec()
}
