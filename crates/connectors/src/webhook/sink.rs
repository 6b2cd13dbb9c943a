//! The sink: sorts a call's deliveries by address, sends addresses side by side and the messages of one address in
//! order. One message and its answer are `message.rs`, `client.rs` and `answer.rs`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use syncline_engine::clock::now_millis;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::route::{Scope, TargetPlan};
use syncline_engine::schema::TableSchema;
use syncline_engine::sink::{Address, Delivery, Feeding, Held, Look, Outcome, Sink};
use syncline_engine::version::Version;
use tokio::sync::mpsc;

use super::answer::Meaning;
use super::client::{Client, Stamp};
use super::config::Config;
use super::message::Message;
use super::pause::{Holds, Pause};

/// The sink of one receiver for one pipeline.
pub struct WebhookSink {
    config: Config,
    client: Client,
    pipeline: String,
    pause: Pause,
    holds: Holds,
}

/// What the tasks of one call tell each other: why nothing more is to be sent, if so.
#[derive(Default)]
struct Round(Mutex<Option<Error>>);

impl Round {
    fn end(&self, error: &Error) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.clone());
    }

    fn ended(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl WebhookSink {
    /// Connects to nothing yet. `pipeline`: its name, which is part of every message's id.
    pub(super) fn new(config: Config, pipeline: &str) -> Result<WebhookSink> {
        let client = Client::new(&config)?;
        let (pause, holds) = (Pause::default(), Holds::default());
        Ok(WebhookSink { config, client, pipeline: pipeline.to_owned(), pause, holds })
    }

    /// Why nothing may be sent now.
    fn paused(&self) -> Option<Error> {
        let left = self.pause.left()?.as_secs_f64().ceil();
        let what = format!("{}: the receiver asked to be left alone for {left} s more", self.config.name);
        Some(Error::new(Code::Overloaded, what))
    }

    /// All deliveries of one address, one after the other. What follows one that must be sent again waits with it.
    async fn one_address(
        &self,
        round: &Round,
        deliveries: &[Delivery],
        indices: Vec<usize>,
    ) -> Result<Vec<(usize, Outcome)>> {
        let mut held = indices.first().and_then(|first| self.holds.holds(&deliveries[*first].address));
        let mut outcomes = Vec::with_capacity(indices.len());
        for index in indices {
            let outcome = match held.clone().or_else(|| round.ended()) {
                Some(error) => Outcome::Retry(error),
                None => self.send(round, &deliveries[index]).await?,
            };
            if let Outcome::Retry(error) = &outcome {
                held = Some(error.clone());
            }
            outcomes.push((index, outcome));
        }
        Ok(outcomes)
    }

    /// One try of one delivery.
    async fn send(&self, round: &Round, delivery: &Delivery) -> Result<Outcome> {
        let message = Message::new(&self.pipeline, delivery)?;
        let url = match self.client.url(&delivery.address.target) {
            Ok(url) => url,
            Err(error) => return Ok(Outcome::Refused(error)),
        };
        let timestamp = now_millis() / 1000;
        let signer = self.config.signer.as_ref();
        let signature = signer.map(|signer| signer.sign(&message.id, timestamp, &message.body));
        let answer = match self.client.post(url, &message, Stamp { timestamp, signature }).await {
            Ok(answer) => answer,
            Err(error) => {
                // What was delivered beside it counts, so this is no error of the whole call.
                round.end(&error);
                return Ok(Outcome::Retry(error));
            }
        };
        let meaning = answer.meaning(&self.config.name, &self.config.hidden);
        let Meaning::Later { error, everyone } = meaning else {
            self.holds.ended(&delivery.address);
            return Ok(match meaning {
                Meaning::Refused(error) => Outcome::Refused(error),
                _ => Outcome::Applied,
            });
        };
        if let Some(wait) = answer.wait {
            self.pause.begin(wait);
        }
        match everyone {
            true => round.end(&error),
            false => self.holds.failed(&delivery.address, &error),
        }
        Ok(Outcome::Retry(error))
    }
}

#[async_trait]
impl Sink for WebhookSink {
    fn feeding(&self) -> Feeding {
        Feeding::CaptureOrder { max_items: self.config.items, max_bytes: self.config.bytes }
    }

    /// Every message says what it holds.
    async fn prepare(&self, _plan: &Arc<TargetPlan>, _schema: &TableSchema) -> Result<()> {
        Ok(())
    }

    async fn apply(&self, deliveries: &[Delivery]) -> Result<Vec<Outcome>> {
        let round = Round::default();
        if let Some(error) = self.paused() {
            round.end(&error);
        }
        let sent = stream::iter(by_address(deliveries))
            .map(|indices| Box::pin(self.one_address(&round, deliveries, indices)))
            .buffer_unordered(self.config.requests);
        let mut outcomes: Vec<(usize, Outcome)> = sent.try_concat().await?;
        outcomes.sort_unstable_by_key(|(index, _)| *index);
        Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
    }

    async fn probe(&self) -> Result<()> {
        match self.paused() {
            Some(error) => Err(error),
            None => self.client.probe().await,
        }
    }

    /// A receiver that asked to be left alone is.
    async fn ping(&self) -> Result<()> {
        self.probe().await
    }

    async fn check(&self) -> Result<Vec<Error>> {
        let name = &self.config.name;
        let mut found: Vec<Error> = self.client.probe().await.err().into_iter().collect();
        if self.config.travels_openly() {
            let what = format!("connection {name}: webhooks go to another host without TLS");
            found.push(Error::new(Code::WebhookPlain, what));
        }
        if self.config.signer.is_none() {
            let what = format!("connection {name}: webhooks are not signed, so anybody could send them");
            found.push(Error::new(Code::WebhookUnsigned, what));
        }
        Ok(found)
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }

    /// Messages are gone once they are sent.
    async fn scan(&self, _scope: &Scope, _look: Look, _pages: &mpsc::Sender<Vec<Held>>) -> Result<()> {
        Ok(())
    }

    /// What a receiver made of its webhooks cannot be asked.
    async fn displace(&self, _plan: &TargetPlan, held: &[Held]) -> Result<Vec<bool>> {
        Ok(vec![false; held.len()])
    }

    async fn tombstones(&self, _plan: &TargetPlan, addresses: &[Address]) -> Result<Vec<Option<Version>>> {
        Ok(vec![None; addresses.len()])
    }

    async fn read(&self, _plan: &TargetPlan, addresses: &[Address]) -> Result<Vec<Option<Held>>> {
        Ok(vec![None; addresses.len()])
    }
}

/// The indices of each address, in order; the addresses in the order of their first delivery.
fn by_address(deliveries: &[Delivery]) -> Vec<Vec<usize>> {
    let mut places: HashMap<&Address, usize> = HashMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, delivery) in deliveries.iter().enumerate() {
        let place = *places.entry(&delivery.address).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[place].push(index);
    }
    groups
}
