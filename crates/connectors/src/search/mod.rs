//! Elasticsearch 7.10 to 9 and OpenSearch 1 to 3 as a target: one client for all of them over plain HTTP.
//! Pipeline logic must stay out; what a document is comes from the engine's routes.

mod bulk;
mod check;
mod client;
mod config;
mod deletes;
mod displace;
mod encode;
mod generations;
mod index;
mod look;
mod mapping;
mod marks;
mod names;
mod pace;
mod query;
mod reply;
mod scan;
mod server;
mod sink;

#[cfg(test)]
mod tests;

pub(crate) use generations::SearchGenerations;
pub use names::{valid_index_name, valid_index_template};
pub use sink::SearchSink;
