//! What MySQL's and MariaDB's values mean, for rows of the binlog and rows of a SELECT alike: column details, character
//! sets, JSON, decimals, dates. One codec, so that a row read and the same row streamed are the same document.

mod address;
mod charset;
mod charset_double;
mod charset_runs;
mod charset_single;
mod collation;
mod compressed;
pub(super) mod decimal;
mod detail;
mod json_binary;
mod json_number;
mod json_text;
mod select;
pub(super) mod temporal;
mod type_text;
pub(super) mod value;

pub use charset::Charset;
pub use collation::charset_of_collation;
pub use detail::{CatalogColumn, ColumnDetail, ColumnType};
pub use select::{ResultFormat, select_list};

#[cfg(test)]
mod value_tests;
