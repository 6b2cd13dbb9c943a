//! One change as a message: the body in the form of Standard Webhooks around the change line, and the id by which a
//! receiver knows it again. Both depend on the change alone, so every try sends the same.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use syncline_engine::change::Operation;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::sink::{Body, Delivery};
use xxhash_rust::xxh3::Xxh3;

/// What is sent.
pub(super) struct Message {
    /// `webhook-id`. Holds no dot, which separates the parts of what is signed.
    pub id: String,
    pub body: Bytes,
}

/// The members of a change line that the message repeats.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    op: Cow<'a, str>,
    #[serde(borrow)]
    committed_at: Cow<'a, str>,
}

impl Message {
    /// The message of one delivery of a pipeline. An error says that it holds no change line, which no route makes.
    pub(super) fn new(pipeline: &str, delivery: &Delivery) -> Result<Message> {
        let wrong = |what: &str| Error::new(Code::Internal, format!("{}: {what}", delivery.plan.label));
        let Body::Line(line) = &delivery.body else {
            return Err(wrong("was given a document instead of a change line"));
        };
        let head: Line<'_> =
            serde_json::from_slice(line).map_err(|e| wrong("a change line cannot be read").cause(e))?;
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let (kind, moment) = (text(&format!("row.{}", head.op)), text(&head.committed_at));
        let start = format!("{{\"type\":{kind},\"timestamp\":{moment},\"data\":");
        let mut body = Vec::with_capacity(start.len() + line.len() + 1);
        body.extend_from_slice(start.as_bytes());
        body.extend_from_slice(line);
        body.push(b'}');
        Ok(Message { id: id(pipeline, delivery, line), body: body.into() })
    }
}

/// The version alone does not tell changes apart: rows that were read together share one, rows of an XA transaction do, and
/// so may two pipelines.
fn id(pipeline: &str, delivery: &Delivery, line: &[u8]) -> String {
    let change = delivery.change();
    let mut hash = Xxh3::new();
    for part in [pipeline, &change.schema.name, &delivery.address.target, &delivery.address.id] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(&delivery.ordinal().to_le_bytes());
    if change.operation == Operation::Read {
        // A row that is read twice at one version may hold something else: a schema change need not move it.
        hash.update(line);
    }
    format!("msg_{}_{:016x}", delivery.version, hash.digest())
}
