//! Quotas of tenants: what is over a tenant's rate waits here, between the dispatcher and the lanes, so that the others do not
//! wait behind it. What waits keeps its ticket open, so nothing here has to survive the process. Sinks are not called here.

mod bucket;
mod census;
mod gate;
mod hold;
mod pace;
mod record;
mod release;
mod share;
mod spec;
mod spill;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use census::{Census, look};
pub(crate) use gate::Gate;
pub(crate) use pace::room_to_read;
pub(crate) use release::run as release;
pub(crate) use share::Share;
pub use spec::{TenantLimit, TenantQuota};
pub(crate) use write::run as write;
