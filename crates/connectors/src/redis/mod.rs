//! Redis as a target: standalone, sentinel, cluster. Every write is a Lua script that compares the stored version with
//! ours first, so replays in any order end at the newest. Nothing here reads from Redis but to show or check it.
//!
//! What Redis can promise: a write that was acknowledged is in the master's memory, on its disk as `appendfsync` says,
//! and on its replicas a moment later. A crash without `appendfsync always` or a failover can lose the last of them; the
//! mark of the pipeline at each master exists to find that out.

mod check;
mod client;
mod config;
mod encode;
mod failure;
mod fleet;
mod marks;
mod read;
mod round;
mod scan;
mod scripts;
mod sink;
mod slots;
#[cfg(test)]
mod tests;

pub use sink::RedisSink;
use syncline_engine::error::Result;
use syncline_engine::route::PipelineSpec;

use crate::connection::ConnectionSpec;

/// The sink of a `redis://`, `rediss://`, `redis-sentinel://` or `redis-cluster://` connection. Connects to nothing yet.
pub fn sink(connection: &ConnectionSpec, pipeline: &PipelineSpec) -> Result<RedisSink> {
    Ok(RedisSink::new(config::read(connection)?, &pipeline.name))
}
