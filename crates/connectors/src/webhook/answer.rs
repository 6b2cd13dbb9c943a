//! What an answer means: taken, not now, or never. The statuses are sorted here and nowhere else.

use std::time::Duration;

use syncline_engine::error::{Code, Error};

/// Of a receiver's words this many characters are kept.
const SHOWN: usize = 200;

/// An answer, whatever its status.
pub(super) struct Answer {
    pub status: u16,
    /// How long the receiver wants to be left alone.
    pub wait: Option<Duration>,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// The beginning of its body.
    pub text: Vec<u8>,
}

/// What follows from it.
pub(super) enum Meaning {
    Taken,
    /// Never: the message is parked.
    Refused(Error),
    /// Not now. `everyone`: the next message to any address would most likely fare the same.
    Later {
        error: Error,
        everyone: bool,
    },
}

impl Answer {
    /// `name`: the connection's; `hidden`: what must not be shown.
    pub(super) fn meaning(&self, name: &str, hidden: &[String]) -> Meaning {
        let status = self.status;
        let error = |code: Code| {
            let error = Error::new(code, format!("{name}: the receiver answers {status}"));
            match self.words(hidden) {
                words if words.is_empty() => error,
                words => error.cause(words),
            }
        };
        match status {
            200..=299 => Meaning::Taken,
            300..=399 => Meaning::Refused(error(Code::WebhookMoved)),
            // Parking would empty the whole stream into the dead letters while a password is wrong.
            401 | 403 | 407 => Meaning::Later { error: error(Code::WebhookDenied), everyone: true },
            429 | 503 => Meaning::Later { error: error(Code::Overloaded), everyone: true },
            408 | 425 => Meaning::Later { error: error(Code::Overloaded), everyone: self.wait.is_some() },
            500..=599 => Meaning::Later { error: error(Code::WebhookFailed), everyone: self.wait.is_some() },
            _ => Meaning::Refused(error(Code::WebhookRefused)),
        }
    }

    /// Where it leads or what it says, on one line and without what we sent in secret.
    fn words(&self, hidden: &[String]) -> String {
        let mut text = match &self.location {
            Some(location) if (300..400).contains(&self.status) => format!("it leads to {location}"),
            _ => String::from_utf8_lossy(&self.text).into_owned(),
        };
        for secret in hidden {
            text = text.replace(secret, "***");
        }
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        text.trim().chars().map(plain).take(SHOWN).collect()
    }
}
