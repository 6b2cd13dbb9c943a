//! Reads what is stored at some keys, whichever of the two forms it has.
//! For looking at single documents and comparing; nothing of the write path comes by here.

use std::collections::HashMap;

use futures_util::future::try_join_all;
use redis::Value;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::sink::{Address, Held};
use syncline_engine::version::Version;

use super::config::Host;
use super::encode::{self, Stored};
use super::failure::{self, Refusal};
use super::fleet::Fleet;
use super::slots;

/// What is at these keys, in their order; all masters are asked at once.
pub async fn documents(fleet: &Fleet, addresses: &[Address]) -> Result<Vec<Option<Held>>> {
    let mut by_host: HashMap<&Host, Vec<usize>> = HashMap::new();
    for (place, address) in addresses.iter().enumerate() {
        by_host.entry(fleet.owner(&address.id)?).or_default().push(place);
    }
    let asked = by_host.iter().map(async |(host, places)| {
        let keys: Vec<&str> = places.iter().map(|place| &*addresses[*place].id).collect();
        Ok::<_, Error>((places, texts(fleet, host, &keys).await?))
    });
    let mut found = vec![None; addresses.len()];
    for (places, texts) in try_join_all(asked).await? {
        for (place, text) in places.iter().zip(texts) {
            let address = &addresses[*place];
            let stored = match text {
                Value::ServerError(_) => one(fleet, &address.id).await?,
                text => encode::stored(text),
            };
            found[*place] = stored.map(|stored| stored.at(address));
        }
    }
    Ok(found)
}

/// The versions of the tombstones of these keys, in their order. They lie beside their documents, so the same masters are asked.
pub async fn tombstones(fleet: &Fleet, addresses: &[Address]) -> Result<Vec<Option<Version>>> {
    let mut found = Vec::with_capacity(addresses.len());
    for address in addresses {
        let host = fleet.owner(&address.id)?.clone();
        let answers = texts(fleet, &host, &[&slots::tombstone(&address.id)]).await?;
        found.push(match answers.into_iter().next() {
            Some(Value::BulkString(digits)) => encode::version_of_tombstone(&digits),
            _ => None,
        });
    }
    Ok(found)
}

async fn texts(fleet: &Fleet, host: &Host, keys: &[&str]) -> Result<Vec<Value>> {
    let mut link = fleet.connection(host).await?.link;
    let mut pipeline = redis::Pipeline::with_capacity(keys.len());
    keys.iter().for_each(|key| _ = pipeline.cmd("GET").arg(*key));
    let answers = link.send_packed_commands(&pipeline, 0, pipeline.len()).await;
    answers.map_err(|error| failure::of_connection(&error, host))
}

/// A key that is no text, or whose slot has moved.
async fn one(fleet: &Fleet, key: &str) -> Result<Option<Stored>> {
    let mut host = fleet.owner(key)?.clone();
    let mut asking = false;
    // A moved slot names its new place; one that is moving sends us there once.
    for _ in 0..3 {
        let mut link = fleet.connection(&host).await?.link;
        let mut pipeline = redis::pipe();
        if asking {
            pipeline.cmd("ASKING").cmd("GET").arg(key).cmd("ASKING").cmd("HGETALL").arg(key);
        } else {
            pipeline.cmd("GET").arg(key).cmd("HGETALL").arg(key);
        }
        let answers = link.send_packed_commands(&pipeline, 0, pipeline.len()).await;
        let answers = answers.map_err(|error| failure::of_connection(&error, &host))?;
        let step = pipeline.len() / 2;
        let [text, hash] =
            [step - 1, 2 * step - 1].map(|index| answers.get(index).cloned().unwrap_or(Value::Nil));
        match refusal(&text) {
            None => return Ok(encode::stored(text)),
            // One of the two fits the type of the value; neither does if it is another one.
            Some(Refusal::Never(_)) if refusal(&hash).is_some() => return Ok(Some(Stored::strange())),
            Some(Refusal::Never(_)) => return Ok(encode::stored(hash)),
            Some(Refusal::Ask(there, _)) => (host, asking) = (there, true),
            Some(Refusal::Moved(error)) => return Err(error),
            Some(other) => return Err(failure::of_refusal(other)),
        }
    }
    Err(Error::new(Code::Overloaded, format!("key `{key}`: its slot of the Redis cluster is moving")))
}

fn refusal(answer: &Value) -> Option<Refusal> {
    match answer {
        Value::ServerError(error) => Some(failure::of_reply(error)),
        _ => None,
    }
}
