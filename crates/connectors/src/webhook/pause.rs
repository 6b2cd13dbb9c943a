//! How long the receiver asked to be left alone (`retry-after`). One pause for the whole connection: who is busy for one
//! address is busy for all.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use syncline_engine::clock::now_millis;

/// A receiver that asks for more is asked again after this.
const MOST: Duration = Duration::from_secs(300);

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

/// Reads `retry-after`: seconds or a date. What cannot be read asks for nothing.
pub(super) fn retry_after(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text.trim()).ok()?;
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(now_millis()).ok()?);
    date.duration_since(now).ok()
}
