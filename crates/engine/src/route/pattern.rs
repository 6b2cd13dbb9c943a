//! Patterns of `database.table`: `*` stands for any characters, `?` for one, everything else for itself.
//! Whether a server folds case is the caller's knowledge; nothing here asks a catalog.

use crate::error::{Code, Error, Result};
use crate::route::glob::{self, Part};
use crate::route::overlap::{Shape, shapes_overlap};

/// A table name or a pattern of names. Matches a name as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    exact: Vec<Part>,
    folded: Vec<Part>,
}

impl Pattern {
    /// Reads a pattern. One that could match no `database.table` is refused.
    pub fn parse(text: &str) -> Result<Pattern> {
        if !text.contains(['.', '*']) {
            let message = format!("{text:?} names no database: a table is written database.table");
            return Err(Error::new(Code::ConfigBadValue, message)
                .fix(format!("write database.{text}, or *.{text} for every database")));
        }
        Ok(Pattern { text: text.to_owned(), exact: parts(text), folded: parts(&fold(text)) })
    }

    /// Whether the name matches; `fold_case` compares without case, as some servers do with table names.
    pub fn matches(&self, name: &str, fold_case: bool) -> bool {
        if fold_case { glob::matches(&self.folded, &fold(name)) } else { glob::matches(&self.exact, name) }
    }

    /// Whether it is a plain name.
    pub fn is_literal(&self) -> bool {
        self.exact.iter().all(|part| matches!(part, Part::Char(_)))
    }

    /// Whether some name could match both, whatever the case.
    pub fn overlaps(&self, other: &Pattern) -> bool {
        shapes_overlap(&self.shape(), &other.shape())
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn shape(&self) -> Vec<Shape> {
        let shape = |part: &Part| match part {
            Part::Char(c) => Shape::Char(*c),
            Part::One => Shape::One,
            Part::Any => Shape::Any,
        };
        self.folded.iter().map(shape).collect()
    }
}

/// Patterns that take part, and patterns that win over them.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    ghosts: Vec<Pattern>,
}

/// The tables that gh-ost and pt-online-schema-change work in.
const GHOSTS: [&str; 5] = ["*._*_gho", "*._*_ghc", "*._*_del", "*._*_new", "*._*_old"];

impl Selection {
    /// Reads a source's `tables` and `exclude`.
    pub fn parse(tables: &[String], exclude: &[String]) -> Result<Selection> {
        let all = |list: &[String]| list.iter().map(|p| Pattern::parse(p)).collect::<Result<Vec<_>>>();
        let ghosts = GHOSTS.iter().map(|p| Pattern::parse(p)).collect::<Result<Vec<_>>>()?;
        Ok(Selection { include: all(tables)?, exclude: all(exclude)?, ghosts })
    }

    /// Whether the table is captured: included, not excluded, and no ghost table unless a pattern means such tables.
    pub fn takes(&self, name: &str, fold_case: bool) -> bool {
        let named = |p: &Pattern| p.is_literal() || p.text.contains("._");
        let mut matching = self.include.iter().filter(|p| p.matches(name, fold_case)).peekable();
        matching.peek().is_some()
            && !self.exclude.iter().any(|p| p.matches(name, fold_case))
            && (matching.any(named) || !self.ghosts.iter().any(|g| g.matches(name, true)))
    }

    /// The patterns that take part.
    pub fn included(&self) -> &[Pattern] {
        &self.include
    }
}

fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    for c in text.chars() {
        match c {
            '*' if parts.last() == Some(&Part::Any) => {}
            '*' => parts.push(Part::Any),
            '?' => parts.push(Part::One),
            _ => parts.push(Part::Char(c)),
        }
    }
    parts
}

#[cfg(test)]
#[path = "pattern_tests.rs"]
mod tests;
