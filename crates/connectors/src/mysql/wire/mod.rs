//! A raw connection to MySQL or MariaDB: handshake, login, TLS, packets. It exists for the binlog dump, whose packets
//! are handed on as shared buffers; ordinary queries go through `client.rs`. Events are not understood here.

mod auth;
mod connection;
mod dump;
mod handshake;
mod packet;
mod reply;
mod rsa;
mod tls;

pub use connection::Wire;
pub use dump::{Dump, DumpStart};
pub use reply::{ServerError, server_error};
