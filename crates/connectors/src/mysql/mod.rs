//! Source `mysql`: MySQL 5.6 to 9.x and MariaDB 10.x and 11. Decoding is `binlog/` and `codec/`, connections are `wire/` and
//! `client.rs`; pipeline logic must stay out.

pub mod binlog;
mod check;
pub mod client;
pub mod codec;
pub mod config;
mod context;
mod ddl;
mod named;
mod position;
mod reader;
mod schema;
mod server;
mod source;
mod sql;
mod stream;
mod wire;

pub use source::MysqlSource;

/// What the fuzz targets (`fuzz/`) need beyond what is public.
#[cfg(fuzzing)]
pub mod reach {
    pub use super::config::{Endpoint, MysqlConfig};
    pub use super::ddl::{Alter, Body, Create, Dialect, Name, Statement, Xa, altered, created, read};
    pub use super::position::{Gtids, Token};
    pub use super::schema::{TableDetail, TableName};
    pub use super::server::split_file;
    pub use super::stream::{Head, encode_gtids};
    pub use super::wire::{Dump, DumpStart, Wire};
}
