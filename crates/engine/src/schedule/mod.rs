//! Work at set times: cron expressions, when they next come in a time zone, and a runner that starts a job then.
//! What the job does is its caller's; nothing here reads the configuration, and nothing orders writes by these times.

mod cron;
mod days;
mod field;
mod next;
mod start;
mod zone;

pub use cron::Cron;
pub use start::{Schedule, Start};
pub use zone::zone;
