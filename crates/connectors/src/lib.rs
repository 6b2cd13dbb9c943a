//! Connectors: one folder a system, all with the same file set (`config.rs`, `client.rs`, `source.rs`, `sink.rs`).
//! They implement the engine's contracts and hold no pipeline logic; `registry.rs` is the only list of them.

#[cfg(feature = "archive")]
pub mod archive;
pub mod connection;
pub mod console;
#[cfg(any(feature = "search", feature = "webhook"))]
mod http;
#[cfg(feature = "mysql")]
pub mod mysql;
pub mod notice;
#[cfg(feature = "redis")]
pub mod redis;
pub mod registry;
#[cfg(feature = "search")]
pub mod search;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(any(feature = "archive", feature = "redis", feature = "sqlite"))]
mod token;
#[cfg(feature = "webhook")]
pub mod webhook;
