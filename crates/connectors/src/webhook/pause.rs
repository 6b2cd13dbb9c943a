//! What is not sent for a while: anything, when the receiver asked to be left alone (`retry-after`: who is busy for one
//! address is busy for all), and the messages of an address that failed a moment ago.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use syncline_engine::clock::now_millis;
use syncline_engine::error::Error;
use syncline_engine::sink::Address;

/// A receiver that asks for more is asked again after this.
const MOST: Duration = Duration::from_secs(300);
/// An address that fails is tried again after this, then after twice as long, up to the bound.
const FIRST_HOLD: Duration = Duration::from_millis(50);
const MOST_HOLD: Duration = Duration::from_secs(10);

/// Until when nothing is sent.
#[derive(Default)]
pub(super) struct Pause(Mutex<Option<Instant>>);

impl Pause {
    /// Begins a pause, or makes it longer.
    pub(super) fn begin(&self, wait: Duration) {
        let end = Instant::now() + wait.min(MOST);
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Some(until.map_or(end, |until| until.max(end)));
    }

    /// What is left of it.
    pub(super) fn left(&self) -> Option<Duration> {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

/// Addresses that failed. One is forgotten when a message to it ends, and every one that fails is tried until it does.
#[derive(Default)]
pub(super) struct Holds(Mutex<HashMap<Address, Hold>>);

struct Hold {
    failures: u32,
    until: Instant,
    error: Error,
}

impl Holds {
    /// The address failed once more.
    pub(super) fn failed(&self, address: &Address, error: &Error) {
        let mut holds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = holds.get(address).map_or(0, |hold| hold.failures);
        let wait = FIRST_HOLD.saturating_mul(1 << failures.min(10)).min(MOST_HOLD);
        let hold = Hold { failures: failures + 1, until: Instant::now() + wait, error: error.clone() };
        holds.insert(address.clone(), hold);
    }

    /// A message to the address was taken or refused for good.
    pub(super) fn ended(&self, address: &Address) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(address);
    }

    /// Why nothing is sent to the address yet.
    pub(super) fn holds(&self, address: &Address) -> Option<Error> {
        let holds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        holds.get(address).filter(|hold| Instant::now() < hold.until).map(|hold| hold.error.clone())
    }
}

/// Reads `retry-after`: seconds or a date. What cannot be read asks for nothing.
pub(super) fn retry_after(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text.trim()).ok()?;
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(now_millis()).ok()?);
    date.duration_since(now).ok()
}
