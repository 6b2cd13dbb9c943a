//! What a pipeline does about trouble by itself: which causes there are, what the file wants done for each, how often that was done, and
//! the probes that see trouble early. How a step is taken is the pipeline's; nothing here knows a vendor.

mod book;
mod keep;
mod policy;
mod probe;
mod tables;
mod widen;

pub(crate) use book::{Recovery, Turn};
pub use book::{RecoveryStatus, StepCount};
pub use keep::{Keeper, Workshop};
pub use policy::{Cause, Limit, RecoverySpec, Strategy, Widen};
pub use probe::ProbeStatus;
pub(crate) use tables::cause_of;
