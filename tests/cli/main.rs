//! The command line and the HTTP interface end to end: the real binary on the embedded parts, as a user would run it.
//! Servers of others are not needed here.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod alerts;
mod anew;
mod audit;
mod checkpoint;
mod control;
mod dead_letters;
mod exits;
mod http;
mod letters;
mod lint;
mod metrics;
mod probes;
mod reading;
#[path = "../receiver/mod.rs"]
mod receiver;
mod recovery;
mod resync;
mod resync_part;
mod run;
mod schedule;
mod stage;
mod tap;
mod tenants;
mod verify;
mod verify_archive;
mod verify_part;
mod verify_tenants;
mod webhook;
