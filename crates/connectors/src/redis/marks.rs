//! The pipeline's marks: a hash at each master that tells which writes it has (`lua/mark.lua` raises it with every call).
//! A count below the one that was acknowledged, or another token, means that the master has lost some.

use std::collections::{BTreeMap, BTreeSet};

use redis::Value;
use syncline_engine::error::Result;
use syncline_engine::mark::{Mark, Marks};
use syncline_engine::version::Version;

use super::client::ask;
use super::fleet::Fleet;

/// The script's answer at a mark.
pub fn answer(value: Value) -> Option<Mark> {
    let (token, count, version) = redis::from_redis_value::<(String, u64, String)>(value).ok()?;
    Some(mark(token, count, &version))
}

fn mark(token: String, count: u64, version: &str) -> Mark {
    let epoch = Version::parse(version).unwrap_or_default().epoch();
    Mark { token, count, epoch, target: None }
}

/// The marks of all masters, and those known ones whose slots lie elsewhere by now.
pub async fn read(fleet: &Fleet, known: &Marks) -> Result<Marks> {
    let own = fleet.masters().iter().filter_map(|host| fleet.mark(host));
    let names: BTreeSet<&str> = own.chain(known.0.keys().map(String::as_str)).collect();
    let mut found = BTreeMap::new();
    for name in names {
        let host = fleet.owner(name)?;
        let mut link = fleet.connection(host).await?.link;
        let kind = ask(&mut link, redis::cmd("TYPE").arg(name), host).await?;
        if redis::from_redis_value::<String>(kind).as_deref() != Ok("hash") {
            continue; // it is not there, or somebody has put something else there
        }
        let mut command = redis::cmd("HMGET");
        command.arg(name).arg("token").arg("count").arg("version");
        let answer = ask(&mut link, &command, host).await?;
        if let Ok((Some(token), Some(count), Some(version))) =
            redis::from_redis_value::<(Option<String>, Option<u64>, Option<String>)>(answer)
        {
            found.insert(name.to_owned(), mark(token, count, &version));
        }
    }
    Ok(Marks(found))
}
