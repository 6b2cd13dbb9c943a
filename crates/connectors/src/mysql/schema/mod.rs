//! What tables look like as of a position: read from the catalog, kept in the ledger, moved by DDL. Which statement
//! changes what is `ddl/`; rows are decoded elsewhere.

mod catalog;
mod history;
mod hold;
mod table;

pub use catalog::{list, read, read_one};
pub use history::{Columns, History};
pub use hold::Hold;
pub use table::{Known, TableDetail, TableName, same_column};
