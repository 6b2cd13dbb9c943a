//! The MySQL source against real servers: streams, restarts, DDL, reads beside the stream. Each test has a database of its
//! own and runs on every server that it names.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test that cannot go on has failed

mod alterations;
mod checks;
mod healing;
mod login;
mod named;
mod order;
mod reads;
mod recent;
mod support;
mod transactions;
mod xa;
