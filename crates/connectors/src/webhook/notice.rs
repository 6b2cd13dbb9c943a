//! Messages of Syncline's own through the client and the signer of the sink. What they say is the caller's.

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Url;
use syncline_engine::clock::now_millis;
use syncline_engine::error::Result;

use super::answer::Meaning;
use super::client::{Client, Stamp};
use super::config::Config;
use super::message::Message;
use crate::notice::{Notifier, Told};

/// A receiver at one address.
pub(super) struct WebhookNotifier {
    config: Config,
    client: Client,
    url: Url,
}

impl WebhookNotifier {
    /// `path` is added to the connection's URL. Connects to nothing yet.
    pub(super) fn new(config: Config, path: &str) -> Result<WebhookNotifier> {
        let client = Client::new(&config)?;
        let url = client.url(path)?;
        Ok(WebhookNotifier { config, client, url })
    }
}

#[async_trait]
impl Notifier for WebhookNotifier {
    async fn send(&self, id: &str, body: Bytes) -> Told {
        let message = Message { id: id.to_owned(), body };
        let timestamp = now_millis() / 1000;
        let signer = self.config.signer.as_ref();
        let signature = signer.map(|signer| signer.sign(&message.id, timestamp, &message.body));
        let answer = match self.client.post(self.url.clone(), &message, Stamp { timestamp, signature }).await
        {
            Ok(answer) => answer,
            Err(error) => return Told::Later { error, wait: None },
        };
        match answer.meaning(&self.config.name, &self.config.hidden) {
            Meaning::Taken => Told::Taken,
            Meaning::Refused(error) => Told::Refused(error),
            Meaning::Later { error, .. } => Told::Later { error, wait: answer.wait },
        }
    }
}
