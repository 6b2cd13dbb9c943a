//! What stands before the lanes of one sink: a row of a tenant passes while its tenant has a token and is not over what it may
//! have on the way, and is held behind what its tenant has held already. Letting go again is `release.rs`.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::bucket::Bucket;
use super::census::{Census, HeldOf, KEPT};
use super::hold::{Hold, PIECE};
use super::share::{Flight, Share, Way};
use super::spec::{TenantLimit, TenantQuota};
use super::spill::{SLOT, Spill};
use crate::change::Change;
use crate::clock::now_millis;
use crate::pipeline::port::Item;
use crate::pipeline::queue::Queue;
use crate::pipeline::ticket::Unit;
use crate::route::key_text;
use crate::row::RowImage;
use crate::sink::{Address, Body};

/// Beyond so many bytes in memory for one sink, tenants write smaller pieces.
const MEMORY: usize = 16 << 20;
/// What is held at most in other terms than bytes: each batch of a tenant takes some memory wherever its rows are.
const RUNS: usize = 1 << 20;
/// A backfill leaves all but this part of what may be held to the stream.
const PART: usize = 4;

/// One sink's gate.
pub(crate) struct Gate {
    pub(super) quota: TenantQuota,
    /// The column that names the tenant.
    column: String,
    census: Arc<Census>,
    state: Mutex<State>,
    pub(super) way: Arc<Way>,
    /// More is held than may be.
    full: AtomicBool,
    /// So much is held that what is not urgent must leave the rest free.
    much: AtomicBool,
    /// Wakes who waits for that to end.
    room: Notify,
    /// Wakes who writes.
    pub(super) unwritten: Notify,
}

pub(super) struct State {
    pub tenants: HashMap<Arc<str>, Tenant>,
    /// Those that hold something, by turns.
    pub holding: VecDeque<Arc<str>>,
    pub spill: Spill,
    /// Addresses whose row has changed its tenant while the one before held something: what goes there waits behind that.
    pub moved: HashMap<Address, Moved>,
    /// Bytes in memory and runs, of all tenants.
    pub size: (usize, usize),
    pub closed: bool,
    /// Tenants with pieces that are to be written, one entry a piece at most.
    pub to_write: VecDeque<Arc<str>>,
    /// What is held cannot be written.
    pub trouble: bool,
    /// The tenant's column in the schema of this id.
    column: (u64, Option<usize>),
    /// The number of tenants at which those that rest are forgotten.
    enough: usize,
}

pub(super) struct Tenant {
    pub limit: TenantLimit,
    pub bucket: Bucket,
    pub hold: Hold,
    pub rows: u64,
    pub flight: Arc<Flight>,
}

/// Behind whom an address waits, and how many deliveries to it do.
pub(super) struct Moved {
    pub behind: Arc<str>,
    pub waiting: u64,
}

/// Whose a delivery is.
#[derive(Default)]
struct Whose {
    /// Of the state that the delivery brings, or takes away.
    tenant: Option<String>,
    /// Of the state before, if that was another's.
    before: Option<String>,
}

impl Gate {
    /// `name` tells its spill file from those of others.
    pub fn new(quota: &TenantQuota, column: &str, census: &Arc<Census>, name: &str) -> Arc<Gate> {
        let state = State {
            tenants: HashMap::new(),
            holding: VecDeque::new(),
            spill: Spill::new(&quota.folder, name),
            moved: HashMap::new(),
            size: (0, 0),
            closed: false,
            to_write: VecDeque::new(),
            trouble: false,
            column: (u64::MAX, None),
            enough: KEPT,
        };
        Arc::new(Gate {
            quota: quota.clone(),
            column: column.to_owned(),
            census: Arc::clone(census),
            state: Mutex::new(state),
            way: Arc::default(),
            full: AtomicBool::new(false),
            much: AtomicBool::new(false),
            room: Notify::new(),
            unwritten: Notify::new(),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands on what may pass, in order, and holds the rest; answers how many passed. The queue is fed under the lock that
    /// letting go takes too, so nothing of a tenant gets there before what came before it.
    pub fn admit(&self, items: &mut Vec<Item>, queue: &Queue) -> u64 {
        self.admit_at(items, queue, Instant::now())
    }

    pub(super) fn admit_at(&self, items: &mut Vec<Item>, queue: &Queue, now: Instant) -> u64 {
        let clock = now_millis();
        let mut state = self.state();
        let mut passing = Vec::with_capacity(items.len());
        for mut item in items.drain(..) {
            match self.behind(&mut state, &mut item, now) {
                Some(behind) if !state.closed => self.hold(&mut state, &behind, &item, clock),
                _ => passing.push(item),
            }
        }
        let passed = passing.len() as u64;
        queue.push(&mut passing);
        self.measure(&mut state);
        passed
    }

    /// Behind whose deliveries it waits. If it does not, it has its share from here on.
    fn behind(&self, state: &mut State, item: &mut Item, now: Instant) -> Option<Arc<str>> {
        // What repairs and redrives bring is little, asked for, and waited for; what a route has refused costs the target
        // nothing. A sweep's deletes come of no row, and are nobody's.
        if item.refused.is_some() || matches!(item.ticket.unit, Unit::Repair | Unit::Redrive(_)) {
            return None;
        }
        let whose = state.whose(&self.column, item);
        if let Some(behind) = state.follows(&item.delivery.address, whose.before.as_deref()) {
            return Some(behind);
        }
        let tenant = self.tenant(state, &whose.tenant?, now);
        let free = tenant.flight.rows.load(Ordering::Acquire) < tenant.limit.concurrency;
        if tenant.hold.is_empty() && free && tenant.bucket.take(&tenant.limit, now) {
            item.share = Some(Share::new(&tenant.flight, &self.way, 0));
            return None;
        }
        Some(Arc::clone(&tenant.flight.standing.name))
    }

    fn tenant<'a>(&self, state: &'a mut State, name: &str, now: Instant) -> &'a mut Tenant {
        if !state.tenants.contains_key(name) {
            state.forget(now);
            let limit = self.quota.limit(name);
            let standing = self.census.standing(name, false);
            let key = Arc::clone(&standing.name);
            let flight = Arc::new(Flight { rows: Default::default(), standing });
            let bucket = Bucket::full(&limit, now);
            state.tenants.insert(key, Tenant { limit, bucket, hold: Hold::default(), rows: 0, flight });
        }
        match state.tenants.get_mut(name) {
            Some(tenant) => tenant,
            None => unreachable!("it was put there"),
        }
    }

    fn hold(&self, state: &mut State, behind: &Arc<str>, item: &Item, clock: i64) {
        let State { tenants, holding, to_write, moved, size, .. } = state;
        let Some(tenant) = tenants.get_mut(behind) else { return };
        let before = tenant.hold.size();
        if tenant.hold.is_empty() {
            self.census.standing(behind, true);
            holding.push_back(Arc::clone(behind));
            self.way.wake.notify_one();
        }
        let follows = moved.contains_key(&item.delivery.address);
        tenant.hold.push(&item.delivery, &item.ticket, follows, clock);
        tenant.rows += 1;
        let least = if size.0 > MEMORY { SLOT } else { PIECE };
        if tenant.hold.piece(least) {
            to_write.push_back(Arc::clone(behind));
            self.unwritten.notify_one();
        }
        changed(size, before, tenant.hold.size());
    }

    /// Says whether there is room, after every change.
    pub(super) fn measure(&self, state: &mut State) {
        let (bytes, many) = (state.spill.bytes(), state.size.1.max(state.moved.len()));
        let much = many >= RUNS / PART || bytes >= self.quota.max_held / PART as u64;
        self.much.store(much, Ordering::Release);
        // Pieces that wait for the disk fill the memory: it is slow, or fails.
        let waits = state.size.0 > 2 * MEMORY && !state.to_write.is_empty();
        let full = many >= RUNS || bytes >= self.quota.max_held || waits;
        if self.full.swap(full, Ordering::AcqRel) && !full {
            self.room.notify_one();
        }
    }

    /// More is held than may be: the source is to be read no further.
    pub fn full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    /// So much is held that a backfill is to read no further.
    pub fn much(&self) -> bool {
        self.much.load(Ordering::Acquire)
    }

    /// Returns when there is room again.
    pub async fn room(&self) {
        while self.full() {
            self.room.notified().await;
        }
    }

    /// What every tenant has waiting here.
    pub fn held(&self) -> Vec<HeldOf> {
        let state = self.state();
        let of = |name: &Arc<str>| {
            let tenant = state.tenants.get(name)?;
            Some(HeldOf { tenant: Arc::clone(name), rows: tenant.rows, since: tenant.hold.since()? })
        };
        state.holding.iter().filter_map(of).collect()
    }

    /// Nothing more is held or let go, and what waits is dropped: its tickets stay open, so that it is read again after the
    /// next start.
    pub fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let dropped = (std::mem::take(&mut state.tenants), std::mem::take(&mut state.moved));
        state.holding.clear();
        state.size = (0, 0);
        state.to_write.clear();
        self.full.store(false, Ordering::Release);
        self.much.store(false, Ordering::Release);
        drop(state);
        // Dropped outside the lock: it may be much.
        drop(dropped);
        self.room.notify_one();
        self.way.wake.notify_one();
        self.unwritten.notify_one();
    }
}

impl State {
    fn whose(&mut self, column: &str, item: &Item) -> Whose {
        let change = item.delivery.change();
        if self.column.0 != change.schema.id {
            self.column = (change.schema.id, change.schema.column(column));
        }
        let Some(column) = self.column.1 else { return Whose::default() };
        whose(change, &item.delivery.body, column)
    }

    /// Behind whom it waits whoever it belongs to: where a row has changed its tenant, what came before it goes first. The
    /// gate in the target would refuse what comes late, but not for ever once the row was deleted: tombstones end.
    fn follows(&mut self, address: &Address, before: Option<&str>) -> Option<Arc<str>> {
        if let Some(moved) = self.moved.get_mut(address) {
            moved.waiting += 1;
            return Some(Arc::clone(&moved.behind));
        }
        let tenant = self.tenants.get(before?).filter(|tenant| !tenant.hold.is_empty())?;
        let behind = Arc::clone(&tenant.flight.standing.name);
        self.moved.insert(address.clone(), Moved { behind: Arc::clone(&behind), waiting: 1 });
        Some(behind)
    }

    fn forget(&mut self, now: Instant) {
        if self.tenants.len() < self.enough {
            return;
        }
        self.tenants.retain(|_, tenant| {
            let rests = tenant.hold.is_empty() && tenant.flight.rows.load(Ordering::Acquire) == 0;
            !rests || !tenant.bucket.is_full(&tenant.limit, now)
        });
        self.enough = KEPT.max(2 * self.tenants.len());
    }
}

/// What all holds take, once one of them takes `after` instead of `before`.
pub(super) fn changed(size: &mut (usize, usize), before: (usize, usize), after: (usize, usize)) {
    size.0 = (size.0 + after.0).saturating_sub(before.0);
    size.1 = (size.1 + after.1).saturating_sub(before.1);
}

fn whose(change: &Change, body: &Body, column: usize) -> Whose {
    let of = |image: &RowImage| key_text(image, &[column]).ok();
    let (new, old) = match (&change.after, &change.before) {
        (Some(after), Some(before)) => (of(after), of(before)),
        (Some(only), None) | (None, Some(only)) => return Whose { tenant: of(only), before: None },
        (None, None) => return Whose::default(),
    };
    let before = old.clone().filter(|_| old != new);
    match body {
        Body::Absent => Whose { tenant: old.or(new), before },
        Body::Document(_) | Body::Line(_) => Whose { tenant: new, before },
    }
}
