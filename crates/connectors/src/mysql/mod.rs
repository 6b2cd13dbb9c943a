//! Source `mysql`: MySQL 5.6 to 9.x and MariaDB 10.x and 11. Decoding is `binlog/`; pipeline logic must stay out.

pub mod binlog;
pub mod codec;
