//! Binlog events and row values from raw bytes: no connection, no clock, no configuration. Every parser is total.
