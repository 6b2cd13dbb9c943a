//! The binlog decoder and the value codec against real servers: what a SELECT reads and what the binlog brings must be
//! the same values, and the literals that a person expects. The servers are those of `tests/services/services.sh`.
#![cfg(feature = "mysql")]
#![allow(clippy::unwrap_used)]

mod catalog;
mod charsets;
mod columns;
mod dump;
mod events;
mod fixtures;
mod hidden;
mod json;
mod large;
mod rows;
mod servers;
mod types;
