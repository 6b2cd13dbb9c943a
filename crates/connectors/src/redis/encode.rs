//! A delivery as one command of Redis, and a stored value as a document again.
//! Whatever would fail the connection instead of the one command is refused here, before it is sent.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::sink::{Address, Body, Delivery, Held};
use syncline_engine::version::Version;

use super::scripts::Scripts;
use super::slots;

/// The member and hash field that holds the version.
pub const VERSION: &str = "_version";
const VERSION_START: &str = "{\"_version\":\"";
const DIGITS: usize = 19;
/// Where the quote behind the version stands in a JSON text.
pub const VERSION_END: usize = VERSION_START.len() + DIGITS;
/// How long a tombstone lives unless the target says otherwise.
const TOMBSTONE_LIFE: Duration = Duration::from_secs(86_400);
/// The highest epoch is 1023, and this is one version more than it has.
const NO_NEXT_EPOCH: u64 = 1 << 63;

/// The gated write of a delivery. `limit`: the longest argument that the server takes.
pub fn command(scripts: &Scripts, delivery: &Delivery, limit: usize) -> Result<Cmd> {
    let (spec, key) = (&delivery.plan.spec, &*delivery.address.id);
    if slots::is_ours(key) {
        return Err(refused(key, "this key is one of Syncline's own"));
    }
    let command = match &delivery.body {
        _ if spec.invalidate => remove(&scripts.invalidate, delivery),
        Body::Absent => remove(&scripts.delete, delivery),
        Body::Document(document) if spec.hash => {
            let mut command = gated(&scripts.hash, delivery, spec.ttl);
            command.arg(VERSION).arg(delivery.version.to_string());
            for (field, value) in fields(key, document)? {
                command.arg(field).arg(hash_value(&value));
            }
            command
        }
        Body::Document(document) => {
            let mut command = gated(&scripts.text, delivery, spec.ttl);
            command.arg(versioned(key, document, delivery.version)?);
            command
        }
        Body::Line(_) => {
            return Err(Error::new(Code::Internal, format!("key `{key}`: a change line for Redis")));
        }
    };
    let longest = command.args_iter().map(argument_length).max().unwrap_or(0);
    if longest > limit {
        let what = format!("{longest} bytes are more than the server's proto-max-bulk-len allows");
        return Err(refused(key, &what));
    }
    Ok(command)
}

fn argument_length(argument: redis::Arg<&[u8]>) -> usize {
    match argument {
        redis::Arg::Simple(bytes) => bytes.len(),
        _ => 0,
    }
}

fn remove(script: &redis::Script, delivery: &Delivery) -> Cmd {
    gated(script, delivery, Some(delivery.plan.spec.tombstone_ttl.unwrap_or(TOMBSTONE_LIFE)))
}

/// The part that all scripts but the mark's share.
fn gated(script: &redis::Script, delivery: &Delivery, life: Option<Duration>) -> Cmd {
    let key = &*delivery.address.id;
    let next_epoch = match delivery.version.epoch().checked_add(1).filter(|epoch| *epoch < 1024) {
        Some(epoch) => Version::new(epoch, 0, 0).get(),
        None => NO_NEXT_EPOCH,
    };
    let life = life.map_or(0, |life| u64::try_from(life.as_millis()).unwrap_or(u64::MAX).clamp(1, MAX_LIFE));
    let mut command = redis::cmd("EVALSHA");
    command.arg(script.get_hash()).arg(2).arg(key).arg(slots::tombstone(key));
    command.arg(delivery.version.to_string()).arg(format!("{next_epoch:019}")).arg(life);
    command
}

/// A hundred years: Redis refuses what overflows its clock, and Lua's numbers are exact only up to 2⁵³.
const MAX_LIFE: u64 = 100 * 366 * 86_400_000;

/// The document with its version as first member.
fn versioned(key: &str, document: &[u8], version: Version) -> Result<Vec<u8>> {
    let members = document.strip_prefix(b"{").ok_or_else(|| refused(key, "the document is not an object"))?;
    if has_own_version(document) {
        return Err(refused(key, "the document has a member `_version`, which holds the version in Redis"));
    }
    let mut out = Vec::with_capacity(document.len() + VERSION_START.len() + DIGITS + 2);
    out.extend_from_slice(VERSION_START.as_bytes());
    out.extend_from_slice(version.to_string().as_bytes());
    out.push(b'"');
    if members != b"}" {
        out.push(b',');
    }
    out.extend_from_slice(members);
    Ok(out)
}

/// Almost always the search for the name is enough; where it is found, it may stand inside a value.
fn has_own_version(document: &[u8]) -> bool {
    std::str::from_utf8(document).is_ok_and(|text| text.contains("\"_version\":"))
        && serde_json::from_slice::<Members>(document)
            .is_ok_and(|m| m.0.iter().any(|(name, _)| name == VERSION))
}

fn fields(key: &str, document: &[u8]) -> Result<Vec<(String, Box<RawValue>)>> {
    let members: Members = serde_json::from_slice(document)
        .map_err(|error| refused(key, "the document is not a JSON object").cause(error))?;
    if members.0.iter().any(|(name, _)| name == VERSION) {
        return Err(refused(key, "the document has a member `_version`, which holds the version in Redis"));
    }
    Ok(members.0)
}

/// What a hash field holds: text as it is, everything else as JSON. Text that could be taken for JSON keeps its
/// quotation marks, so that a reader gets every value back exactly.
fn hash_value(value: &RawValue) -> String {
    match serde_json::from_str::<String>(value.get()) {
        Ok(text) if serde_json::from_str::<&RawValue>(&text).is_err() => text,
        _ => value.get().to_owned(),
    }
}

/// The version in a stored JSON text, of which no more than the beginning is needed; `None` if it is not ours.
pub fn version_of_text(stored: &[u8]) -> Option<Version> {
    let (digits, rest) = stored.strip_prefix(VERSION_START.as_bytes())?.split_at_checked(DIGITS)?;
    version_of_field(digits).filter(|_| rest.first() == Some(&b'"'))
}

/// The version that a tombstone holds, as the scripts compare it: digits beyond all versions stand above them. `None` for what
/// the scripts do not take for a version.
pub fn version_of_tombstone(stored: &[u8]) -> Option<Version> {
    let digits = stored.len() == 19 && stored.iter().all(u8::is_ascii_digit);
    digits.then(|| version_of_field(stored).unwrap_or(Version::MAX))
}

/// The version in a field of a stored hash; `None` if it is not ours.
pub fn version_of_field(stored: &[u8]) -> Option<Version> {
    let text = std::str::from_utf8(stored).ok().filter(|text| text.len() == DIGITS)?;
    Version::parse(text)
}

/// What is stored at a key.
pub struct Stored {
    /// Zero if it is not ours.
    version: Version,
    /// `None` if it cannot be read as a document.
    document: Option<Vec<u8>>,
}

impl Stored {
    /// A value of a type that documents never have.
    pub fn strange() -> Stored {
        Stored { version: Version::ZERO, document: None }
    }

    /// The same, at its address.
    pub fn at(self, address: &Address) -> Held {
        Held { address: address.clone(), version: self.version, document: self.document.map(Bytes::from) }
    }
}

/// What a GET or HGETALL tells; `None` if there is nothing.
pub fn stored(answer: Value) -> Option<Stored> {
    match answer {
        Value::BulkString(text) => Some(match document_of_text(&text) {
            // Digits beyond all versions stand above them, as the scripts compare.
            Some(document) => {
                let version = version_of_text(&text).unwrap_or(Version::MAX);
                Stored { version, document: Some(document) }
            }
            None => Stored { document: Some(text), ..Stored::strange() },
        }),
        Value::Array(_) | Value::Map(_) => {
            let fields: Vec<(String, String)> = redis::from_redis_value(answer).unwrap_or_default();
            if fields.is_empty() {
                return None;
            }
            let version = fields.iter().find(|(field, _)| field == VERSION);
            let version = version.and_then(|(_, digits)| version_of_field(digits.as_bytes()));
            let version = version.unwrap_or(Version::ZERO);
            Some(Stored { version, document: document_of_hash(fields) })
        }
        _ => None,
    }
}

/// The canonical document of a stored JSON text; `None` if it is not ours.
pub fn document_of_text(stored: &[u8]) -> Option<Vec<u8>> {
    let rest = stored.strip_prefix(VERSION_START.as_bytes())?;
    let (digits, rest) = rest.split_at_checked(DIGITS)?;
    let rest = rest.strip_prefix(b"\"")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let rest = rest.strip_prefix(b",").unwrap_or(rest);
    Some([b"{", rest].concat())
}

/// The document of a stored hash; `None` if it is not ours. Large hashes do not keep the order of their fields.
pub fn document_of_hash(stored: Vec<(String, String)>) -> Option<Vec<u8>> {
    let version = stored.iter().find(|(field, _)| field == VERSION)?;
    if version.1.len() != DIGITS || Version::parse(&version.1).is_none() {
        return None;
    }
    let members = stored.iter().filter(|(field, _)| field != VERSION).map(|(field, value)| {
        let json = serde_json::from_str::<&RawValue>(value).map(|json| json.get().to_owned());
        let json = json.unwrap_or_else(|_| serde_json::Value::from(value.as_str()).to_string());
        format!("{}:{json}", serde_json::Value::from(field.as_str()))
    });
    Some(format!("{{{}}}", members.collect::<Vec<_>>().join(",")).into_bytes())
}

fn refused(key: &str, why: &str) -> Error {
    let shown: String = key.chars().take(200).collect();
    Error::new(Code::RedisRefused, format!("key `{shown}`: {why}"))
}

/// The members of an object in their order, values unread.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Walk;
        impl<'de> Visitor<'de> for Walk {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Walk)
    }
}
