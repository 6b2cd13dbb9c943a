//! Work at set times: cron expressions, when they next come in a time zone, and a runner that starts a job then.
//! What the job does is its caller's; nothing here reads the configuration, and nothing orders writes by these times.

mod clock;
mod cron;
mod days;
mod field;
mod next;
mod runner;
mod start;
mod zone;

pub use clock::{SystemClock, WallClock};
pub use cron::Cron;
pub use runner::{Tally, every};
pub use start::{Schedule, Start};
pub use zone::zone;
