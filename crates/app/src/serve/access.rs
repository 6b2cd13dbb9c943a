//! Who may ask for what: tokens with scopes on the HTTP address, the file's mode on the control socket, and, where there
//! are no tokens, a look at Host and Origin so that no web page can speak for the person at the browser.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use sha2::{Digest, Sha256};
use syncline_engine::error::{Code, Error, Result};

use super::problem::Refusal;

/// A token file may hold thousands of tokens, not gigabytes.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Where a request came in.
#[derive(Clone, Debug)]
pub enum Door {
    /// The control socket: whoever can open it may do everything.
    Socket,
    /// HTTP on a loopback address without tokens.
    Local,
    /// HTTP with tokens.
    Tokens(Arc<PathBuf>),
}

/// What a token may do. `Admin` includes the others, `Operate` includes `Read`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    Read,
    Operate,
    Admin,
}

/// Who asked, for the audit.
#[derive(Clone, Debug)]
pub struct Actor(pub Arc<str>);

impl Door {
    /// The door of the HTTP address.
    pub fn http(tokens_file: Option<PathBuf>) -> Door {
        tokens_file.map_or(Door::Local, |file| Door::Tokens(Arc::new(file)))
    }

    /// Reads the token file once, so that a bad one is found at the start.
    pub async fn check(&self) -> Result<()> {
        match self {
            Door::Socket | Door::Local => Ok(()),
            Door::Tokens(file) => tokens(file).await.map(drop),
        }
    }
}

struct Token {
    name: Arc<str>,
    scope: Scope,
    digest: [u8; 32],
}

/// Read for every request: a token that was taken out of the file is refused from then on.
async fn tokens(file: &PathBuf) -> Result<Vec<Token>> {
    let bad = |message: String| Error::new(Code::HttpBind, message);
    let shown = file.display();
    let size = tokio::fs::metadata(file).await.map(|m| m.len());
    let text = match size {
        Ok(size) if size > LARGEST_FILE => return Err(bad(format!("the token file {shown} is too large"))),
        Ok(_) => tokio::fs::read_to_string(file).await,
        Err(error) => Err(error),
    };
    let text = text.map_err(|e| bad(format!("the token file {shown} cannot be read")).cause(e))?;
    let lines = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#'));
    let parse = |(number, line): (usize, &str)| {
        token(line).ok_or_else(|| {
            bad(format!("{shown}:{}: not a line `NAME SCOPES SHA256`", number + 1)).fix(
                "SCOPES are read, operate, admin, joined by commas; SHA256 is the hex digest of the token",
            )
        })
    };
    lines.map(parse).collect()
}

fn token(line: &str) -> Option<Token> {
    let mut words = line.split_whitespace();
    let (name, scopes, hex) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    let parse = |scope| match scope {
        "read" => Some(Scope::Read),
        "operate" => Some(Scope::Operate),
        "admin" => Some(Scope::Admin),
        _ => None,
    };
    let scopes: Option<Vec<Scope>> = scopes.split(',').map(parse).collect();
    Some(Token { name: name.into(), scope: scopes?.into_iter().max()?, digest })
}

/// Compares without telling by its time how much was right.
fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    std::hint::black_box(a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y))) == 0
}

/// Lets a request through if it may have `needed`, and notes who asked.
pub async fn require(
    State((door, needed)): State<(Door, Scope)>,
    mut request: Request,
    next: Next,
) -> std::result::Result<Response, Refusal> {
    let actor = match &door {
        Door::Socket => "local".into(),
        Door::Local => "http".into(),
        Door::Tokens(file) => admit(&tokens(file).await?, request.headers(), needed)?,
    };
    request.extensions_mut().insert(Actor(actor));
    Ok(next.run(request).await)
}

fn admit(tokens: &[Token], headers: &HeaderMap, needed: Scope) -> std::result::Result<Arc<str>, Refusal> {
    let sent = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let sent =
        sent.and_then(|v| v.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, secret)) = sent else {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, Code::HttpDenied, "no token was sent"));
    };
    let digest: [u8; 32] = Sha256::digest(secret.trim().as_bytes()).into();
    // All are compared, so that the place in the file does not show either.
    let known = tokens.iter().fold(None, |found, t| if equal(&t.digest, &digest) { Some(t) } else { found });
    match known {
        None => Err(Refusal::new(StatusCode::UNAUTHORIZED, Code::HttpDenied, "the token is not known")),
        Some(token) if token.scope < needed => {
            let message = format!("the token `{}` lacks the scope {}", token.name, word(needed));
            Err(Refusal::new(StatusCode::FORBIDDEN, Code::HttpDenied, message))
        }
        Some(token) => Ok(Arc::clone(&token.name)),
    }
}

fn word(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read",
        Scope::Operate => "operate",
        Scope::Admin => "admin",
    }
}

/// Without tokens, only names of this machine are answered (a page elsewhere may have pointed its own name here), and no
/// request that a page of another origin made.
pub async fn same_machine(
    State(door): State<Door>,
    request: Request,
    next: Next,
) -> std::result::Result<Response, Refusal> {
    if matches!(door, Door::Local) {
        let text = |name| request.headers().get(name).map(|v| v.to_str().unwrap_or(""));
        let host = text(header::HOST).unwrap_or("");
        let origin = text(header::ORIGIN).map(|o| o.split_once("://").map_or("", |(_, host)| host));
        if !local_name(host) || origin.is_some_and(|o| o != host) {
            let message = "without tokens only programs on this machine are answered";
            return Err(Refusal::new(StatusCode::FORBIDDEN, Code::HttpDenied, message)
                .fix("use http://localhost:PORT, or set `tokens_file:` under `http:`"));
        }
    }
    Ok(next.run(request).await)
}

fn local_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(name, _)| name),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
