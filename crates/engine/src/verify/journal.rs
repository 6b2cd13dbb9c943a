//! What the pipeline writes while a comparison is under way: every address that a delivery goes to is noted, with the key of
//! its row. What was not written to stood still, so what was read of it at different times can be compared.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;

use super::buckets::hash;
use super::expected::packed_key;
use crate::schema::TableSchema;
use crate::sink::{Body, Delivery};

/// One delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// Hash of its address.
    pub address: u128,
    /// The packed key of its row; empty where it has none.
    pub key: Bytes,
}

/// Those of a pipeline that are open. Costs one look at a flag per delivery while none is.
#[derive(Debug, Default)]
pub(crate) struct Journals {
    any: AtomicBool,
    open: Mutex<Vec<Weak<Journal>>>,
}

/// The notes of one table at one target.
#[derive(Debug)]
pub(crate) struct Journal {
    /// Id of the target's plan.
    plan: u32,
    /// `database.table`: tables of one pattern share a plan.
    table: Arc<str>,
    notes: Mutex<Vec<Note>>,
}

impl Journals {
    fn open(&self) -> MutexGuard<'_, Vec<Weak<Journal>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes from here on what of a table goes to a target, until the journal is dropped.
    pub fn begin(&self, plan: u32, table: &Arc<str>) -> Arc<Journal> {
        let journal = Arc::new(Journal { plan, table: Arc::clone(table), notes: Mutex::default() });
        let mut open = self.open();
        open.retain(|journal| journal.strong_count() > 0);
        open.push(Arc::downgrade(&journal));
        self.any.store(true, Ordering::Release);
        journal
    }

    /// Notes a delivery. `key`: the columns of its table's key.
    pub fn note(&self, delivery: &Delivery, key: impl FnOnce(&TableSchema) -> Option<Vec<usize>>) {
        if self.any.load(Ordering::Acquire) {
            self.note_open(delivery, key);
        }
    }

    #[cold]
    fn note_open(&self, delivery: &Delivery, key: impl FnOnce(&TableSchema) -> Option<Vec<usize>>) {
        let mut open = self.open();
        open.retain(|journal| journal.strong_count() > 0);
        if open.is_empty() {
            self.any.store(false, Ordering::Release);
        }
        let wanted: Vec<Arc<Journal>> =
            open.iter().filter_map(Weak::upgrade).filter(|journal| journal.notes_of(delivery)).collect();
        drop(open);
        if wanted.is_empty() {
            return;
        }
        let key =
            key(&delivery.change().schema).and_then(|columns| key_of(delivery, &columns)).unwrap_or_default();
        let note = Note { address: hash(&delivery.plan, &delivery.address), key };
        wanted.iter().for_each(|journal| journal.add(note.clone()));
    }
}

/// The key of the row that the delivery came from, as it is where the delivery goes. A row whose key cannot be read is parked;
/// its address counts as touched all the same.
fn key_of(delivery: &Delivery, columns: &[usize]) -> Option<Bytes> {
    let change = delivery.change();
    let image = match delivery.body {
        Body::Absent => change.before.as_ref().or(change.after.as_ref()),
        Body::Document(_) | Body::Line(_) => change.after.as_ref().or(change.before.as_ref()),
    };
    packed_key(image?, columns)
}

impl Journal {
    fn notes(&self) -> MutexGuard<'_, Vec<Note>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notes_of(&self, delivery: &Delivery) -> bool {
        self.plan == delivery.plan.id && self.table == delivery.change().schema.name
    }

    fn add(&self, note: Note) {
        self.notes().push(note);
    }

    /// What was noted since this was last asked. Whoever opened it asks often enough that notes do not pile up.
    pub fn take(&self) -> Vec<Note> {
        std::mem::take(&mut self.notes())
    }
}
