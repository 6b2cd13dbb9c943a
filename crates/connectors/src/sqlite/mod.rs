//! Everything SQLite stands in for: source, ledger, search index, cache, document store. Nothing here runs on an async
//! thread: statements belong to threads of their own or to tokio's blocking pool. Pipeline logic must stay out.

mod file;
pub mod ledger;
pub mod sink;
pub mod source;
