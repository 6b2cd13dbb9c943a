//! Binlog events and row values from raw bytes: no connection, no clock, no configuration. Every parser is total: any
//! bytes give a value or a numbered error, never a panic, a hang or an allocation beyond the event's own size.

mod bitmap;
mod body;
mod checksum;
mod column_plan;
mod column_type;
mod cursor;
mod decoder;
mod event;
mod format;
mod gtid_event;
pub mod gtid_mariadb;
pub mod gtid_mysql;
mod header;
mod inflate;
mod payload;
mod query;
mod row_format;
mod rows;
mod table_map;
mod table_metadata;
mod varlen;
mod xa;

pub use bitmap::Bitmap;
pub use checksum::Checksum;
pub use decoder::Decoder;
pub use event::{Event, EventBody};
pub use format::{Flavor, Format};
pub use gtid_event::{GtidEvent, GtidKind};
pub use header::{EventHeader, HEADER_LEN, flag, kind};
pub(super) use inflate::zlib as inflate_zlib;
pub use payload::{Payload, PayloadEvents};
pub use query::Query;
pub use row_format::BinlogFormat;
pub use rows::{Image, Layout, Place, RowImages, RowIter, RowOperation, RowsEvent};
pub use table_map::{MapColumn, TableMap};
pub use xa::{XaPrepare, Xid};

#[cfg(test)]
mod event_tests;
#[cfg(test)]
mod gtid_tests;
#[cfg(test)]
mod total_tests;
