//! A connection to MySQL or MariaDB: handshake, login, TLS, packets, statements and the binlog dump, whose packets are
//! handed on as shared buffers. Neither events nor the values of a row are understood here.

mod auth;
mod connection;
mod dump;
mod handshake;
mod packet;
mod reply;
mod result;
mod rsa;
mod statement;
mod tls;

pub use connection::Wire;
pub use dump::{Dump, DumpStart};
pub use result::{BinaryRow, Field, ResultColumn};
