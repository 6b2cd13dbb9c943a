//! What MySQL's and MariaDB's values mean, for rows of the binlog and rows of a SELECT alike: column details, character
//! sets, JSON, decimals, dates. One codec, so that a row read and the same row streamed are the same document.

mod detail;
mod select;

pub use detail::{CatalogColumn, ColumnDetail, ColumnType, TextCharset};
pub use select::{RowReader, select_list};
