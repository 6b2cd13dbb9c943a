//! Source `mysql`: MySQL 5.6 to 9.x and MariaDB 10.x and 11. Decoding is `binlog/` and `codec/`, connections are `wire/` and
//! `client.rs`; pipeline logic must stay out.

pub mod binlog;
mod check;
mod client;
pub mod codec;
mod config;
mod context;
mod ddl;
mod position;
mod reader;
mod schema;
mod server;
mod source;
mod sql;
mod stream;
mod wire;

pub use source::MysqlSource;
