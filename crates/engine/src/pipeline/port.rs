//! One sink as the pipeline drives it: what its lanes share, which schemas it was prepared for, which of its addresses
//! are parked. Batching is `lane.rs`, counting is `settle.rs`.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::RwLock;

use super::Shared;
use super::control::Control;
use super::health::Health;
use super::parked::ParkedLetters;
use super::queue::{Place, Queue};
use super::quota::{Gate, Share};
use super::recall::Memory;
use super::ticket::Ticket;
use crate::error::{Error, Result};
use crate::ledger::{DeadLetter, DeadLetterFilter, next_letters};
use crate::sink::{Delivery, Feeding, Sink};

/// A delivery and the ticket it settles on.
pub(crate) struct Item {
    pub delivery: Delivery,
    pub ticket: Arc<Ticket>,
    /// The route itself refused it: it is parked without being sent.
    pub refused: Option<Error>,
    /// Keeps its address in its lane until it ends.
    pub place: Option<Place>,
    /// Counts among what its tenant has on the way until it ends.
    pub share: Option<Share>,
}

impl Item {
    /// One that no lane has begun.
    pub fn new(delivery: Delivery, ticket: Arc<Ticket>, refused: Option<Error>) -> Item {
        Item { delivery, ticket, refused, place: None, share: None }
    }

    /// Bytes it will take in a request, about.
    pub fn size(&self) -> usize {
        use crate::sink::Body;
        let body = match &self.delivery.body {
            Body::Document(bytes) | Body::Line(bytes) => bytes.len(),
            Body::Absent => 0,
        };
        body + self.delivery.address.id.len() + 64
    }
}

/// What the lanes of a sink share.
pub(crate) struct Port {
    /// Index in the tracker.
    pub index: usize,
    /// Connection name.
    pub name: String,
    pub sink: Arc<dyn Sink>,
    pub health: Arc<Health>,
    pub memory: Memory,
    pub shared: Arc<Shared>,
    prepared: RwLock<HashSet<(u32, u64)>>,
    pub parked: ParkedLetters,
    /// Holds what is over its tenant's quota, where there are quotas and the sink is fed by lanes.
    pub gate: Option<Arc<Gate>>,
    /// Of its lanes, once they have started.
    pub queue: OnceLock<Arc<Queue>>,
    /// How many rows are parked per (table, error code).
    causes: Mutex<HashMap<(String, String), u64>>,
}

/// The dispatcher's end of a port's queue. Its lanes end when it is dropped and they have done what waits.
pub(crate) struct Feed {
    shared: Arc<Shared>,
    health: Arc<Health>,
    queue: Arc<Queue>,
    gate: Option<Arc<Gate>>,
    gathered: Vec<Item>,
}

impl Feed {
    /// Nothing is gathered yet.
    pub fn new(port: &Port, queue: Arc<Queue>) -> Feed {
        let (shared, health) = (Arc::clone(&port.shared), Arc::clone(&port.health));
        Feed { shared, health, queue, gate: port.gate.clone(), gathered: Vec::new() }
    }

    /// Gathers a delivery.
    pub fn push(&mut self, ticket: &Arc<Ticket>, delivery: Delivery, refused: Option<Error>) {
        ticket.expect(1);
        self.shared.journals.note(&delivery, |schema| self.shared.routes.key_columns(schema));
        self.gathered.push(Item::new(delivery, Arc::clone(ticket), refused));
    }

    /// Lets the lanes have what was gathered.
    pub fn hand_out(&mut self) {
        if self.gathered.is_empty() {
            return;
        }
        if let Some(gate) = &self.gate {
            let passed = gate.admit(&mut self.gathered, &self.queue);
            self.health.queued.fetch_add(passed, Ordering::Relaxed);
            return;
        }
        self.health.queued.fetch_add(self.gathered.len() as u64, Ordering::Relaxed);
        self.queue.push(&mut self.gathered);
    }

    /// Waits while more is held of tenants than may be, unless the pipeline stops.
    pub async fn room(&self) {
        let Some(gate) = self.gate.as_ref().filter(|gate| gate.full()) else { return };
        let mut control = Control::new(&self.shared.wish);
        tokio::select! {
            () = gate.room() => {}
            () = control.stopping() => {}
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        // A stop does not wait for quotas: what is held is read again.
        if let Some(gate) = &self.gate {
            gate.close();
        }
        self.queue.close();
    }
}

impl Port {
    /// Learns from the ledger which addresses are parked.
    pub async fn open(
        index: usize,
        name: &str,
        sink: Arc<dyn Sink>,
        memory: Memory,
        shared: Arc<Shared>,
    ) -> Result<Arc<Port>> {
        let mut filter = DeadLetterFilter {
            pipeline: Some(shared.spec.name.clone()),
            sink: Some(name.to_owned()),
            ..Default::default()
        };
        let gate = gate(&shared, index, &*sink);
        let port = Port {
            index,
            name: name.to_owned(),
            sink,
            health: Health::new(),
            memory,
            shared,
            prepared: RwLock::default(),
            parked: ParkedLetters::default(),
            gate,
            queue: OnceLock::new(),
            causes: Mutex::default(),
        };
        loop {
            let letters = next_letters(&*port.shared.ledger, &mut filter).await?;
            if letters.is_empty() {
                break;
            }
            for letter in &letters {
                port.parked.add(letter.address(), letter.id, letter.version);
                port.count_cause(letter);
            }
        }
        Ok(Arc::new(port))
    }

    /// How the sink is fed.
    pub fn feeding(&self) -> Feeding {
        self.sink.feeding()
    }

    /// How many requests there are at once, and how many when the pipeline is behind. A sink that takes one at a time has its
    /// reason for that.
    pub fn lanes(&self) -> (usize, usize) {
        match self.feeding() {
            Feeding::Lanes { lanes, .. } if lanes > 1 => {
                let widened = self.shared.spec.recovery.widen.map_or(lanes, |widen| widen.lanes);
                (lanes, lanes.max(widened))
            }
            Feeding::Lanes { .. } | Feeding::CaptureOrder { .. } => (1, 1),
        }
    }

    /// Lets all lanes work, or as many as usual. Answers whether that makes a difference.
    pub fn set_wide(&self, wide: bool) -> bool {
        let (lanes, most) = self.lanes();
        if let Some(queue) = self.queue.get().filter(|_| lanes < most) {
            queue.set_width(if wide { most } else { lanes });
        }
        lanes < most
    }

    /// Makes sure the sink was prepared for every schema in the batch, before any of it is applied.
    pub async fn prepare(&self, items: &[Item]) -> Result<()> {
        let mut last = (u32::MAX, 0);
        for item in items {
            let schema = &item.delivery.change().schema;
            let key = (item.delivery.plan.id, schema.id);
            if key == last || self.prepared.read().await.contains(&key) {
                last = key;
                continue;
            }
            let mut prepared = self.prepared.write().await;
            if !prepared.contains(&key) {
                self.sink.prepare(&item.delivery.plan, schema).await?;
                prepared.insert(key);
            }
            last = key;
        }
        Ok(())
    }

    /// The target may lack what it was prepared with.
    pub async fn unprepare(&self) {
        self.prepared.write().await.clear();
    }

    /// Counts a parked row under its cause; answers how many of that cause there are now.
    pub fn count_cause(&self, letter: &DeadLetter) -> u64 {
        let mut causes = self.causes.lock().unwrap_or_else(PoisonError::into_inner);
        let count = causes.entry((letter.table.clone(), letter.error.clone())).or_default();
        *count += 1;
        *count
    }
}

/// A sink that takes everything in the order of capture has no gate: there, nobody can be let past anybody.
fn gate(shared: &Shared, index: usize, sink: &dyn Sink) -> Option<Arc<Gate>> {
    let (Some(quota), Some(column), Some(census)) =
        (&shared.spec.tenant_quota, &shared.spec.tenant, &shared.tenants)
    else {
        return None;
    };
    let name = format!("{}-{index}", shared.spec.name);
    matches!(sink.feeding(), Feeding::Lanes { .. }).then(|| Gate::new(quota, column, census, &name))
}
