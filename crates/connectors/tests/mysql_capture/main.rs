//! The MySQL source against real servers: streams, restarts, DDL, reads beside the stream. Each test has a database of its
//! own and runs on every server that it names.

mod alterations;
mod checks;
mod login;
mod order;
mod reads;
mod support;
mod transactions;
