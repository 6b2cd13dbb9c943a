//! Statements as text: which ones change tables, and what they make of a table's columns. A small reader of MySQL's and
//! MariaDB's DDL; what it does not understand it says so, and never guesses. No connection, no history.

mod alter;
mod apply;
mod column;
mod create;
mod lexer;
mod parser;
mod statement;
mod types;

pub use alter::{Alter, Clause};
pub use apply::{altered, created};
pub use create::{Body, Create};
pub use lexer::Dialect;
pub use statement::{Statement, Xa, read};

#[cfg(test)]
mod server_tests;
#[cfg(test)]
mod tests;

/// A table's name in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// `None`: the session's database.
    pub database: Option<String>,
    pub table: String,
}
