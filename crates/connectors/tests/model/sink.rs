//! A sink in memory that fails in every way the contract allows: lost replies, busy items, refused rows. It stands in
//! for faults that a real server cannot be made to show at a chosen moment.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::mark::{Mark, Marks};
use syncline_engine::route::{Scope, TargetPlan};
use syncline_engine::schema::TableSchema;
use syncline_engine::shown::Shown;
use syncline_engine::sink::{self, Address, Body, Delivery, Feeding, Outcome, Sink};
use syncline_engine::version::Version;
use tokio::sync::mpsc;

use crate::dice::Dice;

/// What survives a kill.
pub type Store = Arc<Mutex<Held>>;

/// By id.
type Documents = BTreeMap<String, (Version, Option<String>)>;

/// A target's state.
#[derive(Default)]
pub struct Held {
    /// Documents and tombstones.
    pub documents: Documents,
    /// Raised behind the writes of each call.
    pub mark: Option<Mark>,
    /// An older state: what a replica or a backup has.
    copy: Option<(Documents, Option<Mark>)>,
}

impl Held {
    /// Everything is gone, or what the copy has is there again; sometimes another copy is made instead.
    pub fn forget(&mut self, dice: &Dice) {
        match dice.roll(4) {
            0 => (self.documents, self.mark) = Default::default(),
            1 => {
                if let Some((documents, mark)) = self.copy.clone() {
                    (self.documents, self.mark) = (documents, mark);
                }
            }
            _ => self.copy = Some((self.documents.clone(), self.mark.clone())),
        }
    }

    /// As `redis/lua/mark.lua` does it.
    fn raise(&mut self, known: u64, dice: &Dice) -> Mark {
        let mut mark = self.mark.take().unwrap_or_default();
        if mark.token.is_empty() || mark.count < known {
            mark.token = format!("token {}", dice.roll(u64::MAX));
        }
        mark.count += 1;
        self.mark = Some(mark.clone());
        mark
    }

    fn marks(&self) -> Marks {
        Marks(self.mark.iter().map(|mark| ("store".to_owned(), mark.clone())).collect())
    }
}

/// The sink.
pub struct FlakySink {
    pub store: Store,
    pub dice: Dice,
    /// Refuses documents that hold the word `bad`.
    pub picky: bool,
    pub in_call: Mutex<Vec<Address>>,
    /// So many calls go through, then it halts for the rest of the life.
    pub calls_left: AtomicU64,
    /// Loses what it holds now and then.
    pub forgetful: bool,
    pub shown: Shown,
}

#[async_trait]
impl Sink for FlakySink {
    fn feeding(&self) -> Feeding {
        Feeding::Lanes { lanes: 3, max_items: 20, max_bytes: 1 << 20 }
    }

    async fn prepare(&self, _: &Arc<TargetPlan>, _: &TableSchema) -> Result<()> {
        if self.dice.one_in(3) { Err(Error::new(Code::Interrupted, "prepare broken off")) } else { Ok(()) }
    }

    async fn apply(&self, deliveries: &[Delivery]) -> Result<Vec<Outcome>> {
        assert!(!deliveries.is_empty(), "empty batches are never passed");
        let one_less = |left: u64| left.checked_sub(1);
        if self.calls_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_err() {
            return Err(Error::new(Code::SearchForeign, "somebody else writes here"));
        }
        // With other calls under way it could lose what was answered and is not heard of yet.
        if self.forgetful && self.in_call.lock().unwrap().is_empty() && self.dice.one_in(10) {
            self.store.lock().unwrap().forget(&self.dice);
        }
        self.enter(deliveries);
        let known = self.shown.count("store");
        // One is slow and the other is not, so that they get far apart.
        let most = if self.picky { 3000 } else { 300 };
        tokio::time::sleep(std::time::Duration::from_micros(self.dice.roll(most))).await;
        let answer = self.answer(deliveries);
        let mark = self.store.lock().unwrap().raise(known, &self.dice);
        if answer.is_ok() {
            self.shown.answered_beside_others("store", mark);
        }
        self.in_call.lock().unwrap().retain(|a| deliveries.iter().all(|d| d.address != *a));
        answer
    }

    async fn probe(&self) -> Result<()> {
        if self.dice.one_in(3) { Err(Error::new(Code::Unreachable, "down")) } else { Ok(()) }
    }

    async fn ping(&self) -> Result<()> {
        self.probe().await
    }

    async fn marks(&self, _: &Marks) -> Result<Marks> {
        if self.dice.one_in(5) {
            return Err(Error::new(Code::Interrupted, "marks broken off"));
        }
        let before = self.shown.seen();
        let marks = self.store.lock().unwrap().marks();
        if self.dice.one_in(2) {
            // Long enough for writes to be answered meanwhile.
            tokio::time::sleep(std::time::Duration::from_micros(self.dice.roll(1000))).await;
        }
        self.shown.asked(&before, marks.clone());
        Ok(marks)
    }

    fn acknowledged(&self) -> Marks {
        self.shown.marks()
    }

    async fn check(&self) -> Result<Vec<Error>> {
        Ok(Vec::new())
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }

    async fn scan(
        &self,
        _scope: &Scope,
        look: sink::Look,
        pages: &mpsc::Sender<Vec<sink::Held>>,
    ) -> Result<()> {
        let store = self.store.lock().unwrap().documents.clone();
        let held = store.iter().filter(|(_, (version, text))| text.is_some() && look.tells(*version));
        let held = held.map(|(id, (version, text))| sink::Held {
            address: Address { target: "items".into(), id: id.as_str().into() },
            version: *version,
            document: text.clone().map(Bytes::from),
        });
        let _gone = pages.send(held.collect()).await;
        Ok(())
    }

    async fn displace(&self, _: &TargetPlan, held: &[sink::Held]) -> Result<Vec<bool>> {
        let mut store = self.store.lock().unwrap();
        let mut take = |held: &sink::Held| {
            let there =
                store.documents.get(&*held.address.id).is_some_and(|(version, _)| *version == held.version);
            there && store.documents.remove(&*held.address.id).is_some()
        };
        Ok(held.iter().map(&mut take).collect())
    }

    async fn tombstones(&self, _: &TargetPlan, addresses: &[Address]) -> Result<Vec<Option<Version>>> {
        let store = self.store.lock().unwrap();
        let gone = |address: &Address| {
            let (version, _) = store.documents.get(&*address.id).filter(|(_, text)| text.is_none())?;
            Some(*version)
        };
        Ok(addresses.iter().map(gone).collect())
    }

    async fn read(&self, _: &TargetPlan, addresses: &[Address]) -> Result<Vec<Option<sink::Held>>> {
        let store = self.store.lock().unwrap();
        let held = |address: &Address| {
            let (version, text) = store.documents.get(&*address.id)?;
            let document = Some(Bytes::from(text.clone()?));
            Some(sink::Held { address: address.clone(), version: *version, document })
        };
        Ok(addresses.iter().map(held).collect())
    }
}

impl FlakySink {
    /// No two calls may hold the same address (rule 4).
    fn enter(&self, deliveries: &[Delivery]) {
        let mut inside = self.in_call.lock().unwrap();
        for delivery in deliveries {
            assert!(!inside.contains(&delivery.address), "two calls hold {:?}", delivery.address);
            inside.push(delivery.address.clone());
        }
    }

    fn answer(&self, deliveries: &[Delivery]) -> Result<Vec<Outcome>> {
        let lose_reply = self.dice.one_in(12);
        let mut outcomes = Vec::new();
        for (index, delivery) in deliveries.iter().enumerate() {
            if lose_reply && index > deliveries.len() / 2 {
                break;
            }
            outcomes.push(self.one(delivery));
        }
        if lose_reply {
            return Err(Error::new(Code::Interrupted, "reply lost"));
        }
        Ok(outcomes)
    }

    fn one(&self, delivery: &Delivery) -> Outcome {
        if self.dice.one_in(30) {
            return Outcome::Retry(Error::new(Code::Overloaded, "busy"));
        }
        let text = match &delivery.body {
            Body::Document(bytes) => Some(String::from_utf8(bytes.to_vec()).expect("JSON is UTF-8")),
            _ => None,
        };
        if self.picky && text.as_ref().is_some_and(|text| text.contains("bad")) {
            return Outcome::Refused(Error::new(Code::SearchRefused, "a bad word"));
        }
        let mut store = self.store.lock().unwrap();
        let stored = store.documents.entry(delivery.address.id.to_string()).or_insert((Version::ZERO, None));
        if stored.0 > delivery.version {
            return Outcome::Superseded;
        }
        *stored = (delivery.version, text);
        Outcome::Applied
    }
}
