//! Templates of names and ids: text with `{column}`, `{database}`, `{table}`, `{key}` and date patterns in braces.
//! Reading is done once; what a template makes of a row is `address.rs`.

use crate::error::{Code, Error, Result};
use crate::route::overlap::Shape;

/// A template as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub(crate) pieces: Vec<Piece>,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(String),
    Field {
        name: Name,
        lower: bool,
    },
    /// Never empty; separators stand between the fields.
    Date(Vec<DatePiece>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Column(String),
    Database,
    Table,
    Key,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatePiece {
    Year,
    Month,
    Day,
    Hour,
    Separator(char),
}

impl DatePiece {
    /// What it looks like.
    pub(crate) fn add_to(self, shape: &mut Vec<Shape>) {
        match self {
            DatePiece::Separator(c) => shape.push(Shape::Char(c)),
            DatePiece::Year => shape.extend([Shape::Digit; 4]),
            DatePiece::Month | DatePiece::Day | DatePiece::Hour => shape.extend([Shape::Digit; 2]),
        }
    }
}

impl Template {
    /// Reads a template. A brace that begins no placeholder stands for itself but must be closed again, so that
    /// `{user:{id}}` makes a hash tag; `braces` says whether the target's names may hold any.
    pub fn parse(text: &str, braces: bool) -> Result<Template> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let (mut rest, mut open) = (text, 0usize);
        while let Some(c) = rest.chars().next() {
            let after = &rest[c.len_utf8()..];
            if let ('{', Some(end)) = (c, after.find(['{', '}']).filter(|end| after[*end..].starts_with('}')))
            {
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(placeholder(&after[..end], text)?);
                rest = &after[end + 1..];
                continue;
            }
            match c {
                '{' => open += 1,
                '}' if open == 0 => return Err(bad(text, "a `}` has no `{`")),
                '}' => open -= 1,
                _ => {}
            }
            literal.push(c);
            rest = after;
        }
        if open > 0 {
            return Err(bad(text, "a `{` is not closed"));
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        let own_brace = |p: &Piece| matches!(p, Piece::Literal(text) if text.contains(['{', '}']));
        if !braces && pieces.iter().any(own_brace) {
            return Err(bad(text, "braces inside braces"));
        }
        if pieces.is_empty() {
            return Err(bad(text, "it is empty"));
        }
        Ok(Template { pieces, text: text.to_owned() })
    }

    /// The columns it names.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Field { name: Name::Column(name), .. } => Some(name.as_str()),
            _ => None,
        })
    }

    /// The text outside its placeholders.
    pub(crate) fn literals(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Literal(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Whether it holds a date pattern.
    pub fn has_date(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Date(_)))
    }

    pub(crate) fn names(&self, wanted: &Name) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Field { name, .. } if name == wanted))
    }

    /// What its texts look like. `database` and `table` are the shapes of those two.
    pub(crate) fn shape(&self, database: &[Shape], table: &[Shape]) -> Vec<Shape> {
        let mut shape = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => shape.extend(text.chars().map(Shape::Char)),
                Piece::Field { name: Name::Column(_), .. } => shape.push(Shape::Word),
                Piece::Field { name: Name::Key, .. } => shape.push(Shape::Any),
                Piece::Field { name: Name::Database, .. } => shape.extend(database),
                Piece::Field { name: Name::Table, .. } => shape.extend(table),
                Piece::Date(parts) => parts.iter().for_each(|part| part.add_to(&mut shape)),
            }
        }
        shape
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn bad(text: &str, what: impl std::fmt::Display) -> Error {
    Error::new(Code::RouteTemplate, format!("the template {text:?} cannot be read: {what}"))
        .fix("write placeholders as {column}, {column|lower}, {database}, {table}, {key} or {YYYY-MM}")
}

fn placeholder(inner: &str, text: &str) -> Result<Piece> {
    if let Some(parts) = date(inner) {
        return Ok(Piece::Date(parts));
    }
    let (name, filter) = inner.split_once('|').map_or((inner, None), |(name, filter)| (name, Some(filter)));
    let lower = match filter.map(str::trim) {
        None => false,
        Some("lower") => true,
        Some(other) => return Err(bad(text, format_args!("`|{other}` is unknown; there is `|lower`"))),
    };
    let name = match name.trim() {
        "" => return Err(bad(text, "empty braces")),
        "database" => Name::Database,
        "table" => Name::Table,
        "key" => Name::Key,
        column => Name::Column(column.to_owned()),
    };
    Ok(Piece::Field { name, lower })
}

/// `YYYY-MM` and the like: nothing but the four fields and separators.
fn date(inner: &str) -> Option<Vec<DatePiece>> {
    let fields = [
        ("YYYY", DatePiece::Year),
        ("MM", DatePiece::Month),
        ("DD", DatePiece::Day),
        ("HH", DatePiece::Hour),
    ];
    let mut parts = Vec::new();
    let mut rest = inner;
    while let Some(c) = rest.chars().next() {
        if let Some((text, field)) = fields.iter().find(|(text, _)| rest.starts_with(text)) {
            parts.push(*field);
            rest = &rest[text.len()..];
        } else if matches!(c, '-' | '_' | '.' | '/') {
            parts.push(DatePiece::Separator(c));
            rest = &rest[1..];
        } else {
            return None;
        }
    }
    parts.iter().any(|part| !matches!(part, DatePiece::Separator(_))).then_some(parts)
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
