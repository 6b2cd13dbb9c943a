//! The `when` language of filters: comparisons of source columns, three-valued as in SQL; only what is true passes.
//! Reading text is `lex.rs` and `parse.rs`; what a column's value looks like is `cells.rs`.

mod evaluate;
mod lex;
mod parse;

use crate::error::{Code, Error, Result};
use crate::route::glob::Part;

/// A condition over a row's cells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expression {
    root: Node,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Value(Operand),
    Compare(Comparison, Operand, Operand),
    In(Operand, Vec<Operand>),
    Like(Operand, Vec<Part>),
    IsNull(Operand),
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    /// A slot of the row's cells.
    Column(usize),
    Number(Box<str>),
    Text(Box<str>),
    Bool(bool),
    Null,
}

impl Expression {
    /// Reads an expression. `column` answers the slot of a source column, or an error that says what there is.
    pub fn parse(text: &str, column: &mut dyn FnMut(&str) -> Result<usize>) -> Result<Expression> {
        let tokens = lex::tokens(text)?;
        parse::Parser::new(text, tokens, column).whole().map(|root| Expression { root })
    }
}

/// An error at a place (counted in characters from 1) of the expression.
fn error(text: &str, at: usize, what: impl std::fmt::Display) -> Error {
    let character = text.get(..at).map_or(0, |before| before.chars().count()) + 1;
    Error::new(Code::RouteFilter, format!("{what} at character {character} of {text:?}"))
}

#[cfg(test)]
mod tests;
