//! Whether a Redis server will do: that it may be written, and what `check` says about its set-up.
//! Leaves nothing behind at any server.

use std::collections::BTreeMap;

use redis::Value;
use redis::aio::MultiplexedConnection;
use syncline_engine::error::{Code, Error, Result};

use super::client::{self, ask};
use super::config::{Host, Settings};
use super::fleet::Fleet;

/// Scripts replicate their effects, not their text, from here on.
const OLDEST: u32 = 5;

/// Every master must take a write. It is one that Redis counts as such, with all that can go wrong, but that changes
/// nothing: the key never exists.
pub async fn probe(fleet: &Fleet) -> Result<()> {
    for host in fleet.masters() {
        let mut connection = fleet.connection(host).await?;
        let Some(mark) = fleet.mark(host) else { continue };
        let mut write = redis::cmd("SET");
        write.arg(format!("{mark}:probe")).arg(0).arg("XX");
        ask(&mut connection.link, &write, host).await?;
    }
    Ok(())
}

/// Every master must answer on a new connection: one that hangs half open tells nothing of the server.
pub async fn ping(fleet: &Fleet, settings: &Settings) -> Result<()> {
    for host in fleet.masters() {
        let mut link = client::connect(settings, host, true).await?;
        ask(&mut link, &redis::cmd("PING"), host).await?;
    }
    Ok(())
}

/// What is wrong with the servers.
pub async fn findings(fleet: &Fleet, name: &str) -> Result<Vec<Error>> {
    let mut found = Vec::new();
    for host in fleet.masters() {
        let mut link = fleet.connection(host).await?.link;
        found.extend(old_version(&mut link, host, name).await?);
        found.extend(eviction(&mut link, host, name).await);
    }
    Ok(found)
}

async fn old_version(link: &mut MultiplexedConnection, host: &Host, name: &str) -> Result<Option<Error>> {
    let info = ask(link, redis::cmd("INFO").arg("server"), host).await?;
    let info: String = redis::from_redis_value(info).unwrap_or_default();
    let version =
        info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap_or_default().trim();
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    Ok(major.filter(|major| *major < OLDEST).map(|_| {
        let what = format!("connection `{name}`: Redis at {}:{} has version {version}", host.0, host.1);
        Error::new(Code::RedisSetup, what).fix(format!("use Redis {OLDEST} or later"))
    }))
}

/// `None` too if the server hides its configuration.
async fn eviction(link: &mut MultiplexedConnection, host: &Host, name: &str) -> Option<Error> {
    let asked = ask(link, redis::cmd("CONFIG").arg("GET").arg("maxmemory*"), host).await;
    let settings: BTreeMap<String, String> = redis::from_redis_value(asked.unwrap_or(Value::Nil)).ok()?;
    let policy = settings.get("maxmemory-policy").filter(|policy| policy.starts_with("allkeys-"))?;
    let memory = settings.get("maxmemory").map_or("0", String::as_str);
    let at = format!("Redis at {}:{}", host.0, host.1);
    let what = format!("connection `{name}`: {at} has maxmemory-policy {policy} (maxmemory {memory})");
    Some(Error::new(Code::RedisEviction, what))
}
