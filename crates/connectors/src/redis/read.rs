//! Reads a stored document back, whichever of the two forms it has.
//! For looking at single documents; nothing of the write path comes by here.

use bytes::Bytes;
use redis::Value;
use syncline_engine::error::{Code, Error, Result};

use super::encode;
use super::failure::{self, Refusal};
use super::fleet::Fleet;

/// The canonical document at a key; `None` if there is none, or one that is not ours.
pub async fn document(fleet: &Fleet, key: &str) -> Result<Option<Bytes>> {
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
            None | Some(Refusal::Never(_)) => return Ok(either(text, hash).map(Bytes::from)),
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

/// One of the two fits the type of the value, the other is a WRONGTYPE; both are if it is neither.
fn either(text: Value, hash: Value) -> Option<Vec<u8>> {
    match text {
        Value::BulkString(text) => encode::document_of_text(&text),
        Value::ServerError(_) => encode::document_of_hash(redis::from_redis_value(hash).ok()?),
        _ => None,
    }
}
