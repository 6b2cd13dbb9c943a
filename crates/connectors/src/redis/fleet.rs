//! The masters of a connection as they are now: one, or those of a cluster with the slots that each owns.
//! A fleet never changes; when it is found to be out of date, it is thrown away and found anew.

use std::collections::HashMap;
use std::sync::Arc;

use redis::Value;
use redis::aio::MultiplexedConnection;
use syncline_engine::error::{Code, Error, Result};
use tokio::sync::Mutex;

use super::client::{self, Connection};
use super::config::{Host, Settings, Topology};
use super::failure;
use super::scripts::Scripts;
use super::slots::{self, SLOTS};

/// See above.
pub struct Fleet {
    masters: Vec<Host>,
    /// The name of the pipeline's mark at each master that owns a slot.
    marks: Vec<Option<String>>,
    /// Index of the owner of each slot; `None` if one master owns all.
    owners: Option<Box<[Option<u16>]>>,
    settings: Settings,
    scripts: Arc<Scripts>,
    connections: Mutex<HashMap<Host, Arc<Mutex<Option<Connection>>>>>,
}

impl Fleet {
    /// Finds the masters.
    pub async fn find(settings: &Settings, pipeline: &str, scripts: Arc<Scripts>) -> Result<Fleet> {
        let (masters, owners) = match &settings.topology {
            Topology::One(host) => (vec![host.clone()], None),
            Topology::Sentinel { sentinels, master } => {
                (vec![master_by_sentinel(settings, sentinels, master).await?], None)
            }
            Topology::Cluster(seeds) => {
                let (masters, owners) = slot_owners(settings, seeds).await?;
                (masters, Some(owners))
            }
        };
        let owns = |index: usize, slot: u16| match &owners {
            None => true,
            Some(owners) => owners[usize::from(slot)].is_some_and(|owner| usize::from(owner) == index),
        };
        let marks = (0..masters.len()).map(|index| slots::mark(pipeline, |slot| owns(index, slot))).collect();
        let (settings, connections) = (settings.clone(), Mutex::default());
        Ok(Fleet { masters, marks, owners, settings, scripts, connections })
    }

    /// All masters.
    pub fn masters(&self) -> &[Host] {
        &self.masters
    }

    /// The master that owns the key.
    pub fn owner(&self, key: &str) -> Result<&Host> {
        let slot = slots::slot(key);
        self.owner_of(usize::from(slot)).ok_or_else(|| {
            Error::new(
                Code::Overloaded,
                format!("no master of the Redis cluster owns slot {slot} at present"),
            )
        })
    }

    fn owner_of(&self, slot: usize) -> Option<&Host> {
        let owner = match &self.owners {
            None => Some(0),
            Some(owners) => owners[slot].map(usize::from),
        };
        owner.and_then(|index| self.masters.get(index))
    }

    /// Whether every slot has the same owner in both, in whatever order the masters were told.
    pub fn owns_as(&self, other: &Fleet) -> bool {
        (0..SLOTS).all(|slot| self.owner_of(slot) == other.owner_of(slot))
    }

    /// Whether document and tombstone of this key can be written together.
    pub fn takes(&self, key: &str) -> bool {
        self.owners.is_none() || slots::slot(key) == slots::slot(&slots::tombstone(key))
    }

    /// The name of the pipeline's mark at a master, unless it owns no slot.
    pub fn mark(&self, host: &Host) -> Option<&str> {
        let index = self.masters.iter().position(|master| master == host)?;
        self.marks[index].as_deref()
    }

    /// The connection to a server, made at first use. Only callers for the same server wait for each other.
    pub async fn connection(&self, host: &Host) -> Result<Connection> {
        let slot = self.connections.lock().await.entry(host.clone()).or_default().clone();
        let mut slot = slot.lock().await;
        if let Some(connection) = &*slot {
            return Ok(connection.clone());
        }
        let mut made = client::connect_to_data(&self.settings, host).await?;
        if self.owners.is_none() {
            must_be_master(&mut made.link, host).await?;
        }
        self.load_scripts(made.clone(), host).await?;
        Ok(slot.insert(made).clone())
    }

    /// A server forgets its scripts when it starts, on SCRIPT FLUSH, and has none of its master's after a failover.
    pub async fn load_scripts(&self, mut connection: Connection, host: &Host) -> Result<()> {
        for script in self.scripts.all() {
            let loaded = script.load_async(&mut connection.link).await;
            loaded.map_err(|error| failure::of_connection(&error, host))?;
        }
        Ok(())
    }
}

/// A master that lost its office answers as a replica before the first write; that makes a better message.
async fn must_be_master(link: &mut MultiplexedConnection, host: &Host) -> Result<()> {
    let Ok(Value::Array(role)) = client::ask(link, &redis::cmd("ROLE"), host).await else {
        return Ok(()); // hidden by an ACL; the first write will tell
    };
    match role.first().and_then(|role| redis::from_redis_value_ref::<String>(role).ok()).as_deref() {
        Some("slave") => {
            Err(Error::new(Code::RedisReadOnly, format!("Redis at {}:{} is a replica", host.0, host.1)))
        }
        _ => Ok(()),
    }
}

/// The first sentinel that knows the master says where it is.
async fn master_by_sentinel(settings: &Settings, sentinels: &[Host], master: &str) -> Result<Host> {
    let mut last = None;
    for sentinel in sentinels {
        match ask_sentinel(settings, sentinel, master).await {
            Ok(Some(host)) => return Ok(host),
            Ok(None) => last = Some(unknown_master(&settings.name, master)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| unknown_master(&settings.name, master)))
}

fn unknown_master(connection: &str, master: &str) -> Error {
    Error::new(
        Code::Unreachable,
        format!("connection `{connection}`: the sentinels know no master `{master}`"),
    )
}

async fn ask_sentinel(settings: &Settings, sentinel: &Host, master: &str) -> Result<Option<Host>> {
    let mut question = redis::cmd("SENTINEL");
    question.arg("get-master-addr-by-name").arg(master);
    let mut link = client::connect(settings, sentinel, false).await?;
    let mut answer = client::ask(&mut link, &question, sentinel).await;
    if settings.password.is_some() && answer.as_ref().is_err_and(|e| e.code() == Code::RedisDenied) {
        link = client::connect(settings, sentinel, true).await?;
        answer = client::ask(&mut link, &question, sentinel).await;
    }
    Ok(redis::from_redis_value::<Option<(String, u16)>>(answer?).ok().flatten())
}

type Owners = Box<[Option<u16>]>;

/// The first node that answers says who owns what.
async fn slot_owners(settings: &Settings, seeds: &[Host]) -> Result<(Vec<Host>, Owners)> {
    let mut last = None;
    for seed in seeds {
        match ask_for_slots(settings, seed).await {
            Ok(found) => return Ok(found),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| Error::new(Code::Unreachable, "no node of the Redis cluster is named")))
}

async fn ask_for_slots(settings: &Settings, seed: &Host) -> Result<(Vec<Host>, Owners)> {
    let mut link = client::connect(settings, seed, true).await?;
    let answer = client::ask(&mut link, redis::cmd("CLUSTER").arg("SLOTS"), seed).await?;
    let mut masters: Vec<Host> = Vec::new();
    let mut owners = vec![None; SLOTS].into_boxed_slice();
    for range in answer.into_sequence().unwrap_or_default() {
        let Some((first, last, host)) = read_range(range, seed) else { continue };
        let index = masters.iter().position(|known| *known == host).unwrap_or_else(|| {
            masters.push(host);
            masters.len() - 1
        });
        let index = u16::try_from(index).ok();
        owners.iter_mut().take(last + 1).skip(first).for_each(|owner| *owner = index);
    }
    if masters.is_empty() {
        return Err(Error::new(
            Code::Overloaded,
            format!("the Redis cluster at {}:{} has no slots", seed.0, seed.1),
        ));
    }
    Ok((masters, owners))
}

/// `[first, last, [host, port, ...], replicas...]`. An empty host is that of the node which was asked.
fn read_range(range: Value, seed: &Host) -> Option<(usize, usize, Host)> {
    let mut parts = range.into_sequence().ok()?.into_iter();
    let mut next = || parts.next();
    let first = redis::from_redis_value(next()?).ok()?;
    let last = redis::from_redis_value(next()?).ok()?;
    let mut master = next()?.into_sequence().ok()?.into_iter();
    let host: Option<String> = redis::from_redis_value(master.next()?).ok()?;
    let port = redis::from_redis_value(master.next()?).ok()?;
    let host = host.filter(|host| !host.is_empty() && host != "?").unwrap_or_else(|| seed.0.clone());
    Some((first, last, (host, port)))
}
