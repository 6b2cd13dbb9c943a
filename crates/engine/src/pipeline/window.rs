//! Windows of watermarked reads: which keys the stream touched since a read began (DESIGN 4.1).
//! Only identities and versions are kept, never rows.

use std::collections::HashMap;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::phase::Inside;
use crate::change::CaptureBatch;
use crate::error::Result;
use crate::json;
use crate::row::{RowImage, RowVisitor};
use crate::value::Value;
use crate::version::Version;

/// 128-bit hash of a key's canonical values: two keys of a table never share one in practice.
pub(crate) type KeyHash = u128;

/// The windows that are open now.
#[derive(Default)]
pub(crate) struct Windows {
    open: HashMap<u64, Window>,
    next: u64,
}

struct Window {
    table: Arc<str>,
    key: Vec<usize>,
    touched: HashMap<KeyHash, Version>,
    _inside: Inside,
}

/// What the stream touched while a window was open.
pub(crate) struct Touched(HashMap<KeyHash, Version>);

impl Windows {
    /// Opens one: from here on every touched key of the table is noted.
    pub fn open(&mut self, table: &Arc<str>, key: &[usize], inside: Inside) -> u64 {
        self.next += 1;
        let window =
            Window { table: Arc::clone(table), key: key.to_vec(), touched: HashMap::new(), _inside: inside };
        self.open.insert(self.next, window);
        self.next
    }

    /// Closes one; `None` if it was void.
    pub fn close(&mut self, id: u64) -> Option<Touched> {
        self.open.remove(&id).map(|w| Touched(w.touched))
    }

    /// The table changed its shape: reads of it begin again.
    pub fn void_table(&mut self, table: &str) {
        self.open.retain(|_, window| &*window.table != table);
    }

    /// The stream broke: all reads begin again.
    pub fn void_all(&mut self) {
        self.open.clear();
    }

    /// Notes the keys of a batch.
    pub fn note(&mut self, batch: &CaptureBatch) {
        if self.open.is_empty() {
            return;
        }
        let mut hasher = KeyHasher::default();
        for change in &batch.changes {
            for window in self.open.values_mut().filter(|w| w.table == change.schema.name) {
                for image in [&change.before, &change.after].into_iter().flatten() {
                    // A change whose key cannot be read is parked by routing; no row that is read can be its double.
                    if let Ok(hash) = hasher.hash(image, &window.key) {
                        window.touched.insert(hash, change.version);
                    }
                }
            }
        }
    }
}

impl Touched {
    /// Whether the key was touched above `mark`.
    pub fn above(&self, key: KeyHash, mark: Version) -> bool {
        self.0.get(&key).is_some_and(|version| *version > mark)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Hashes keys with one reused buffer.
#[derive(Default)]
pub(crate) struct KeyHasher {
    parts: Vec<Vec<u8>>,
    buffer: Vec<u8>,
}

impl KeyHasher {
    pub fn hash(&mut self, image: &RowImage, key: &[usize]) -> Result<KeyHash> {
        self.parts.resize(key.len(), Vec::new());
        self.parts.iter_mut().for_each(Vec::clear);
        image.visit(&mut Collect { key, parts: &mut self.parts })?;
        self.buffer.clear();
        for part in &self.parts {
            self.buffer.extend_from_slice(&(part.len() as u64).to_le_bytes());
            self.buffer.extend_from_slice(part);
        }
        Ok(xxh3_128(&self.buffer))
    }
}

struct Collect<'a> {
    key: &'a [usize],
    parts: &'a mut [Vec<u8>],
}

impl RowVisitor for Collect<'_> {
    fn wants(&self, column: usize) -> bool {
        self.key.contains(&column)
    }

    fn value(&mut self, column: usize, value: Value<'_>) -> Result<()> {
        for (part, _) in self.parts.iter_mut().zip(self.key).filter(|(_, k)| **k == column) {
            if let Value::ZeroDate(text) = value {
                json::write_string(part, text);
            } else {
                json::write_value(part, value);
            }
        }
        Ok(())
    }
}
