//! The optional metadata of table map events (`binlog_row_metadata`): signedness always since MySQL 8.0, names,
//! character sets, labels and keys when it is FULL.
