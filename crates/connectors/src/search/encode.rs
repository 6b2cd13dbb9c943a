//! The body of a bulk: action lines and documents, written straight from the deliveries into one buffer. What may not be
//! sent at all is `refusal`; sending is `bulk.rs`.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use syncline_engine::error::{Code, Error};
use syncline_engine::sink::{Body, Delivery};

/// The servers' limit for `_id`, in bytes.
const MAX_ID: usize = 512;
/// Larger buffers are not kept for the next bulk.
const KEEP_UP_TO: usize = 16 << 20;
/// What stands around id, index and document of one item, generously.
const AROUND: usize = 160;
/// A document that is never written: see [`Encoder::guard`].
const GUARD_ID: &str = "syncline:guard";

/// Why a delivery can never be sent, if so: it would fail the whole bulk, or no server could take it.
pub(super) fn refusal(delivery: &Delivery, max_request: usize) -> Option<Error> {
    let id = &*delivery.address.id;
    let refused = |what: String| Some(Error::new(Code::SearchRefused, what));
    if id.is_empty() {
        return refused("the id is empty".into());
    }
    if id.len() > MAX_ID {
        let start: String = id.chars().take(40).collect();
        return refused(format!("the id {start:?}… has {} bytes, the servers take {MAX_ID}", id.len()));
    }
    let document = match &delivery.body {
        Body::Document(document) => document,
        Body::Absent => return None,
        Body::Line(_) => return refused("a change line is not a document".into()),
    };
    if document.first() != Some(&b'{') || document.contains(&b'\n') {
        return refused("the document is not one line of JSON".into());
    }
    let size = item_size(delivery);
    (size > max_request).then(|| {
        let what = format!("the document has {} bytes, a request may have {max_request}", document.len());
        Error::new(Code::SearchTooLarge, what)
    })
}

/// Bytes that an item takes at most, unless its id is full of characters that must be escaped.
pub(super) fn item_size(delivery: &Delivery) -> usize {
    let document = match &delivery.body {
        Body::Document(document) => document.len(),
        Body::Absent | Body::Line(_) => 0,
    };
    document + delivery.address.id.len() + delivery.address.target.len() + AROUND
}

/// One bulk being written.
pub(super) struct Encoder {
    body: BytesMut,
    /// The targets so far, and whether something is indexed into each.
    targets: Vec<(Arc<str>, bool)>,
    /// The index stands in the path, not in each line.
    single: bool,
}

impl Encoder {
    /// `single`: all items have the same target.
    pub(super) fn new(mut body: BytesMut, single: bool) -> Encoder {
        body.clear();
        Encoder { body, targets: Vec::new(), single }
    }

    pub(super) fn item(&mut self, delivery: &Delivery) {
        let target = &delivery.address.target;
        let document = match &delivery.body {
            Body::Document(document) => Some(document),
            Body::Absent | Body::Line(_) => None,
        };
        self.note(target, document.is_some());
        self.action(if document.is_some() { "index" } else { "delete" }, target, &delivery.address.id);
        self.put(",\"version\":");
        self.put(itoa::Buffer::new().format(delivery.version.get()));
        self.put(",\"version_type\":\"external_gte\"}}\n");
        if let Some(document) = document {
            self.body.extend_from_slice(document);
            self.put("\n");
        }
    }

    /// The finished body, and the number of items behind the deliveries' own.
    ///
    /// A delete by external version creates an index that does not exist, `require_alias` or not. It does not where
    /// the same bulk holds an item that honours `require_alias`: so each target with nothing but deletes gets an
    /// update that cannot write anything.
    pub(super) fn finish(mut self) -> (Bytes, usize) {
        let unguarded: Vec<Arc<str>> =
            self.targets.iter().filter(|(_, indexed)| !indexed).map(|(target, _)| target.clone()).collect();
        for target in &unguarded {
            self.action("update", target, GUARD_ID);
            self.put("}}\n{\"doc\":{}}\n");
        }
        (self.body.freeze(), unguarded.len())
    }

    /// A bulk that only asks whether these targets may be written.
    pub(super) fn guard(targets: &[Arc<str>]) -> Bytes {
        let mut encoder = Encoder::new(BytesMut::new(), false);
        for target in targets {
            encoder.note(target, false);
        }
        encoder.finish().0
    }

    fn note(&mut self, target: &Arc<str>, indexed: bool) {
        // The last one matches nearly always.
        match self.targets.iter_mut().rev().find(|(known, _)| known == target) {
            Some((_, known)) => *known |= indexed,
            None => self.targets.push((target.clone(), indexed)),
        }
    }

    fn action(&mut self, verb: &str, target: &str, id: &str) {
        self.put("{\"");
        self.put(verb);
        self.put("\":{");
        if !self.single {
            self.put("\"_index\":");
            write_string(&mut self.body, target);
            self.put(",");
        }
        self.put("\"_id\":");
        write_string(&mut self.body, id);
    }

    fn put(&mut self, text: &str) {
        self.body.extend_from_slice(text.as_bytes());
    }
}

/// JSON text of a string.
fn write_string(out: &mut BytesMut, text: &str) {
    let plain = |b: u8| b >= 0x20 && b != b'"' && b != b'\\';
    out.extend_from_slice(b"\"");
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|b| !plain(*b)) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            byte => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(b"\"");
}

/// Buffers of finished bulks, used again.
#[derive(Default)]
pub(super) struct Buffers {
    idle: Mutex<Vec<BytesMut>>,
}

impl Buffers {
    pub(super) fn take(&self) -> BytesMut {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Takes the buffer back if nobody else holds it any more.
    pub(super) fn give_back(&self, body: Bytes, lanes: usize) {
        if let Ok(buffer) = body.try_into_mut()
            && buffer.capacity() <= KEEP_UP_TO
        {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < lanes {
                idle.push(buffer);
            }
        }
    }
}
