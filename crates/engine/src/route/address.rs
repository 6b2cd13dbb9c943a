//! A template bound to a table's columns, and the text it makes of a row: escaped so that a value can name nothing
//! but itself, whatever it holds.

use std::fmt::Write as _;

use crate::error::{Code, Error, Result};
use crate::route::cells::{Cells, Class};
use crate::route::template::{DatePiece, Name, Piece, Template};
use crate::schema::TableSchema;

/// How a substituted value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// As it is: document ids and fields made by a template.
    None,
    /// Index names: lower case, other bytes than `a-z 0-9 _ - .` as `_xx`.
    Index,
    /// Paths: other bytes than `A-Z a-z 0-9 _ - .` as `%XX`.
    Path,
    /// The path of a URL, and its query: as paths, so that a value stays within its segment.
    Url,
    /// Redis keys: `{` and `}` as `%7B` and `%7D`, so that only the template makes a hash tag.
    Redis,
    /// Names of tables, collections and topics: other bytes than `A-Z a-z 0-9 _ - .` as `_xx`.
    Word,
}

/// Year, month, day and hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(pub [u16; 4]);

/// What a row gives to its templates.
pub(crate) struct Facts<'a> {
    pub cells: &'a Cells,
    /// The key's text.
    pub key: &'a str,
    /// Of `partition_by`, else of the commit.
    pub moment: &'a Result<Moment>,
}

/// A template whose columns are slots.
#[derive(Debug)]
pub(crate) struct Rendering {
    pieces: Vec<Bound>,
    escape: Escape,
}

#[derive(Debug)]
enum Bound {
    Literal(String),
    Column { slot: usize, lower: bool, name: String },
    Key { lower: bool },
    Date(Vec<DatePiece>),
}

impl Rendering {
    /// Binds a template to a table; `slot` answers the slot of a source column.
    pub fn bind(
        template: &Template,
        escape: Escape,
        schema: &TableSchema,
        slot: &mut dyn FnMut(&str) -> Result<usize>,
    ) -> Result<Rendering> {
        let fixed = |text: &str, lower: bool| {
            let mut escaped = String::new();
            substitute(&mut escaped, text, lower, escape);
            Bound::Literal(escaped)
        };
        let pieces = template.pieces.iter().map(|piece| {
            Ok(match piece {
                Piece::Literal(text) => Bound::Literal(text.clone()),
                Piece::Date(parts) => Bound::Date(parts.clone()),
                Piece::Field { name, lower } => match name {
                    Name::Database => fixed(&schema.database, *lower),
                    Name::Table => fixed(&schema.table, *lower),
                    Name::Key => Bound::Key { lower: *lower },
                    Name::Column(name) => {
                        Bound::Column { slot: slot(name)?, lower: *lower, name: name.clone() }
                    }
                },
            })
        });
        Ok(Rendering { pieces: pieces.collect::<Result<_>>()?, escape })
    }

    /// The text, if it is the same for every row.
    pub fn constant(&self) -> Option<String> {
        let mut text = String::new();
        for piece in &self.pieces {
            let Bound::Literal(literal) = piece else { return None };
            text.push_str(literal);
        }
        Some(text)
    }

    /// Whether it is nothing but the key.
    pub fn is_key(&self) -> bool {
        self.escape == Escape::None && matches!(self.pieces[..], [Bound::Key { lower: false }])
    }

    /// Whether it uses dates of the row or the commit.
    pub fn uses_moment(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Bound::Date(_)))
    }

    /// Appends the row's text, which must be good for a name or an id.
    pub fn write(&self, facts: &Facts<'_>, out: &mut String) -> Result<()> {
        let start = out.len();
        self.write_unchecked(facts, out)?;
        self.check(&out[start..])
    }

    /// Appends the row's text, whatever it is.
    pub fn write_unchecked(&self, facts: &Facts<'_>, out: &mut String) -> Result<()> {
        for piece in &self.pieces {
            match piece {
                Bound::Literal(text) => out.push_str(text),
                Bound::Key { lower } => substitute(out, facts.key, *lower, self.escape),
                Bound::Column { slot, lower, name } => {
                    let value = facts.cells.text(*slot);
                    let value = value.ok_or_else(|| refused(format!("column {name} is null")))?;
                    substitute(out, value, *lower, self.escape);
                }
                Bound::Date(parts) => write_moment(facts.moment.clone()?, parts, out),
            }
        }
        Ok(())
    }

    fn check(&self, text: &str) -> Result<()> {
        if text.is_empty() {
            return Err(refused("it is empty".to_owned()));
        }
        let segment = |segment: &str| matches!(segment, "" | "." | "..");
        let bent = match self.escape {
            Escape::Path => text.split('/').any(segment),
            Escape::Url => {
                let path = text.split('?').next().unwrap_or_default();
                let path = path.strip_prefix('/').unwrap_or(path);
                // A slash at the end is good where the template has it, not where a value is empty.
                let path = path.strip_suffix('/').filter(|_| self.ends_with_slash()).unwrap_or(path);
                if path.is_empty() { !self.ends_with_slash() } else { path.split('/').any(segment) }
            }
            _ => false,
        };
        if bent {
            return Err(refused(format!("{text:?} has an empty or a dotted part")));
        }
        Ok(())
    }

    /// Whether the template's own text before any `?` ends with a slash.
    fn ends_with_slash(&self) -> bool {
        let mut ends = false;
        for piece in &self.pieces {
            let Bound::Literal(text) = piece else {
                ends = false;
                continue;
            };
            let (path, query) = text.split_once('?').map_or((&**text, None), |(path, q)| (path, Some(q)));
            if !path.is_empty() {
                ends = path.ends_with('/');
            }
            if query.is_some() {
                break;
            }
        }
        ends
    }
}

fn refused(what: String) -> Error {
    Error::new(Code::RouteAddress, format!("the row's address cannot be made: {what}"))
}

/// Appends a value as it stands in a name or an id.
pub(crate) fn substitute(out: &mut String, value: &str, lower: bool, escape: Escape) {
    let folded;
    let value = if (lower || escape == Escape::Index) && value.chars().any(char::is_uppercase) {
        folded = value.to_lowercase();
        &folded
    } else {
        value
    };
    let plain = |b: u8| match escape {
        Escape::None => true,
        Escape::Redis => !matches!(b, b'{' | b'}'),
        _ => b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'),
    };
    if value.bytes().all(plain) {
        out.push_str(value);
        return;
    }
    for c in value.chars() {
        if c.is_ascii() && plain(c as u8) || escape == Escape::Redis && !c.is_ascii() {
            out.push(c);
            continue;
        }
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            let _ = match escape {
                Escape::Index | Escape::Word => write!(out, "_{byte:02x}"),
                _ => write!(out, "%{byte:02X}"),
            };
        }
    }
}

fn write_moment(Moment([year, month, day, hour]): Moment, parts: &[DatePiece], out: &mut String) {
    for part in parts {
        let _ = match part {
            DatePiece::Year => write!(out, "{year:04}"),
            DatePiece::Month => write!(out, "{month:02}"),
            DatePiece::Day => write!(out, "{day:02}"),
            DatePiece::Hour => write!(out, "{hour:02}"),
            DatePiece::Separator(c) => write!(out, "{c}"),
        };
    }
}

/// The date in a `partition_by` cell; a zero date counts as the server prints it.
pub(crate) fn cell_moment(cells: &Cells, slot: usize) -> Result<Moment> {
    let Some(text) = cells.text(slot) else {
        return Err(refused("the `partition_by` column is null".to_owned()));
    };
    let dated = matches!(cells.class(slot), Class::Date | Class::ZeroDate | Class::Text);
    dated
        .then(|| text_moment(text))
        .flatten()
        .ok_or_else(|| refused(format!("{text:?} in the `partition_by` column is no date")))
}

fn text_moment(text: &str) -> Option<Moment> {
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    };
    let separated = text.as_bytes().get(4) == Some(&b'-') && text.as_bytes().get(7) == Some(&b'-');
    let hour = if text.len() > 10 { number(11..13)? } else { 0 };
    separated.then_some(Moment([number(0..4)?, number(5..7)?, number(8..10)?, hour]))
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
