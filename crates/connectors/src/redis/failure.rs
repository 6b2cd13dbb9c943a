//! What Redis's own errors mean to a delivery: try again, somewhere else, or never.
//! The server's words go along as the cause; nothing here holds an address with a password.

use redis::{RedisError, ServerError};
use syncline_engine::error::{Code, Error};

use super::config::{Host, read_host};

/// What an error reply to one command leads to.
#[derive(Debug)]
pub enum Refusal {
    /// The server has not got the script (any more).
    NoScript,
    /// The slot lies elsewhere now.
    Moved(Error),
    /// The slot is moving, and the key may already be there.
    Ask(Host, Error),
    /// The server is not the master (any more).
    ReadOnly(Error),
    /// Later.
    Retry(Error),
    /// Never, for this delivery.
    Never(Error),
    /// For no delivery, until a person has done something.
    Halt(Error),
}

/// Reads an error reply.
pub fn of_reply(error: &ServerError) -> Refusal {
    let details = error.details().unwrap_or("");
    let words = format!("{} {details}", error.code());
    let code = effective_code(error.code(), details);
    let made = |code, what: &str| Error::new(code, what).cause(&words);
    match code {
        "NOSCRIPT" => Refusal::NoScript,
        "MOVED" => Refusal::Moved(made(Code::Overloaded, "a slot of the cluster has moved")),
        "ASK" => {
            let error = made(Code::Overloaded, "a slot of the cluster is moving");
            match details.split_ascii_whitespace().nth(1).and_then(|host| read_host(host, 6379)) {
                Some(host) => Refusal::Ask(host, error),
                None => Refusal::Retry(error),
            }
        }
        "READONLY" => Refusal::ReadOnly(made(Code::RedisReadOnly, "the Redis server is a replica")),
        "OOM" => Refusal::Retry(made(Code::RedisMemory, "Redis is out of memory")),
        "NOAUTH" | "WRONGPASS" | "NOPERM" => Refusal::Retry(denied(&words)),
        "WRONGTYPE" | "CROSSSLOT" => Refusal::Never(made(Code::RedisRefused, "Redis refuses the write")),
        "ERR" if details.contains("unknown command") || details.contains("cluster support disabled") => {
            Refusal::Halt(made(Code::RedisSetup, "the Redis server lacks a command that is needed"))
        }
        "ERR" => Refusal::Never(made(Code::RedisRefused, "Redis refuses the write")),
        // LOADING, MASTERDOWN, CLUSTERDOWN, TRYAGAIN, BUSY, NOREPLICAS, MISCONF, and what later versions may add: they
        // speak of the server's state, not of the document.
        _ => Refusal::Retry(made(Code::Overloaded, "the Redis server cannot write at present")),
    }
}

/// Before version 7 an error inside a script was wrapped: `ERR Error running script (...): -OOM command not allowed`.
fn effective_code<'a>(code: &'a str, details: &'a str) -> &'a str {
    const WRAPPED: [&str; 6] = ["OOM", "READONLY", "MISCONF", "NOREPLICAS", "NOPERM", "WRONGTYPE"];
    if code != "ERR" || !details.contains("script") {
        return code;
    }
    let inside = |word: &&&str| details.split_once(**word).is_some_and(|(before, _)| before.ends_with('-'));
    WRAPPED.iter().find(inside).copied().unwrap_or(code)
}

fn denied(words: &str) -> Error {
    Error::new(Code::RedisDenied, "Redis refuses the login or a command").cause(words)
}

/// Reads an error of the connection, or of a command that no delivery depends on.
pub fn of_connection(error: &RedisError, host: &Host) -> Error {
    let at = format!("{}:{}", host.0, host.1);
    if let Ok(error) = ServerError::try_from(error.clone()) {
        return of_set_up(&error, &at);
    }
    let text = error.to_string();
    if ["certificate", "invalid peer", "corrupt message"].iter().any(|words| text.contains(words)) {
        return Error::new(Code::Tls, format!("no TLS connection to Redis at {at}")).cause(text);
    }
    if error.is_timeout() {
        return Error::new(Code::Interrupted, format!("Redis at {at} did not answer in time")).cause(text);
    }
    if error.is_connection_refusal() {
        return Error::new(Code::Unreachable, format!("Redis at {at} cannot be reached")).cause(text);
    }
    Error::new(Code::Interrupted, format!("the connection to Redis at {at} broke")).cause(text)
}

fn of_set_up(error: &ServerError, at: &str) -> Error {
    let words = error.details().unwrap_or_default();
    match of_reply(error) {
        Refusal::Never(_) if words.contains("max number of clients") => {
            Error::new(Code::Overloaded, format!("Redis at {at} takes no more connections")).cause(words)
        }
        Refusal::Never(_) if words.contains("AUTH") => denied(words),
        Refusal::Never(_) => {
            Error::new(Code::RedisSetup, format!("Redis at {at} cannot be used as it is")).cause(words)
        }
        other => of_refusal(other),
    }
}

/// As the error of a whole call.
pub fn of_refusal(refusal: Refusal) -> Error {
    match refusal {
        Refusal::NoScript => Error::new(Code::Overloaded, "Redis loses its scripts again and again"),
        Refusal::Moved(error)
        | Refusal::Ask(_, error)
        | Refusal::ReadOnly(error)
        | Refusal::Retry(error)
        | Refusal::Never(error)
        | Refusal::Halt(error) => error,
    }
}
