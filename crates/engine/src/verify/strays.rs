//! Documents of a part of a table behind which none of the part's rows stands: which key alone can lead to such an address, so that
//! the source can be asked for that row before anything is deleted. Nothing is read here.

use crate::route::template::{Name, Piece, Template};
use crate::route::{TargetKind, TargetPlan, key_parts, key_values};
use crate::schema::{ColumnKind, TableSchema};
use crate::sink::Address;
use crate::value::OwnedValue;

/// What a key's digest begins with, where the key is too long for an id.
const DIGEST: &str = "sha256:";

/// The key of the only row that can have this address; `None` if another one could, or if the id does not tell. `key`: its columns.
pub(super) fn key_told(
    plan: &TargetPlan,
    schema: &TableSchema,
    key: &[usize],
    address: &Address,
) -> Option<Vec<OwnedValue>> {
    let text = match plan.spec.kind {
        TargetKind::Cache => &*plan.spec.template,
        _ => plan.spec.id.as_deref().unwrap_or("{key}"),
    };
    let template = Template::parse(text, true).ok()?;
    let mut id = Id { schema, key, parts: vec![None; key.len()], rest: &address.id };
    let pieces = id.front(&template.pieces)?;
    let pieces = id.back(pieces)?;
    let whole: Option<Vec<String>> = id.parts.iter().cloned().collect();
    let parts = match (whole, pieces) {
        (Some(parts), []) => id.rest.is_empty().then_some(parts)?,
        // Whatever stands between, only this row has these numbers.
        (Some(parts), _) => parts,
        (None, pieces) => id.text(pieces)?,
    };
    key_values(schema, key, &parts).ok()
}

/// An id that is read from both of its ends.
struct Id<'a> {
    schema: &'a TableSchema,
    /// Columns of the key.
    key: &'a [usize],
    /// What is known of it.
    parts: Vec<Option<String>>,
    /// What was not read yet.
    rest: &'a str,
}

impl Id<'_> {
    /// Takes what can be but one thing off the front; answers the pieces that are left. `None`: the template makes no such id.
    fn front<'p>(&mut self, mut pieces: &'p [Piece]) -> Option<&'p [Piece]> {
        while let Some((piece, behind)) = pieces.split_first() {
            let ends = match behind.first() {
                None => true,
                Some(Piece::Literal(text)) => !text.starts_with(|c: char| c.is_ascii_digit()),
                Some(_) => false,
            };
            match (piece, self.constant(piece), self.numbers(piece)) {
                (_, Some(text), _) => self.rest = self.rest.strip_prefix(&*text)?,
                (_, None, Some(places)) if ends => {
                    for (n, place) in places.into_iter().enumerate() {
                        self.rest = if n == 0 { self.rest } else { self.rest.strip_prefix(':')? };
                        let sign = usize::from(self.rest.starts_with('-'));
                        let digits = self.rest.get(sign..)?.bytes().take_while(u8::is_ascii_digit).count();
                        let (number, rest) = self.rest.split_at_checked(sign + digits)?;
                        self.rest = rest;
                        self.keep(place, number)?;
                    }
                }
                _ => return Some(pieces),
            }
            pieces = behind;
        }
        Some(pieces)
    }

    /// The same from the back.
    fn back<'p>(&mut self, mut pieces: &'p [Piece]) -> Option<&'p [Piece]> {
        while let Some((piece, before)) = pieces.split_last() {
            let begins = match before.last() {
                // What stands before the first of these was taken off the front.
                None => true,
                Some(Piece::Literal(text)) => !text.ends_with(|c: char| c.is_ascii_digit() || c == '-'),
                Some(_) => false,
            };
            match (self.constant(piece), self.numbers(piece)) {
                (Some(text), _) => self.rest = self.rest.strip_suffix(&*text)?,
                (None, Some(places)) if begins => {
                    for (n, place) in places.into_iter().rev().enumerate() {
                        self.rest = if n == 0 { self.rest } else { self.rest.strip_suffix(':')? };
                        let before = self.rest.trim_end_matches(|c: char| c.is_ascii_digit());
                        let before = before.strip_suffix('-').unwrap_or(before);
                        let (rest, number) = self.rest.split_at_checked(before.len())?;
                        self.rest = rest;
                        self.keep(place, number)?;
                    }
                }
                _ => return Some(pieces),
            }
            pieces = before;
        }
        Some(pieces)
    }

    /// What a piece is for every row; nothing where a name would be escaped.
    fn constant(&self, piece: &Piece) -> Option<String> {
        let (name, lower) = match piece {
            Piece::Literal(text) => return Some(text.clone()),
            Piece::Field { name: Name::Database, lower } => (&self.schema.database, lower),
            Piece::Field { name: Name::Table, lower } => (&self.schema.table, lower),
            Piece::Field { .. } | Piece::Date(_) => return None,
        };
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        plain.then(|| if *lower { name.to_lowercase() } else { name.to_string() })
    }

    /// Which parts of the key a piece is, if they are whole numbers.
    fn numbers(&self, piece: &Piece) -> Option<Vec<usize>> {
        let places = match piece {
            Piece::Field { name: Name::Key, .. } => (0..self.key.len()).collect(),
            Piece::Field { name: Name::Column(name), .. } => vec![self.part(name)?],
            _ => return None,
        };
        let whole = |place: &usize| matches!(self.kind(*place), Some(ColumnKind::Integer { .. }));
        places.iter().all(whole).then_some(places)
    }

    /// Which part of the key a column is.
    fn part(&self, name: &str) -> Option<usize> {
        let column = self.schema.column(name)?;
        self.key.iter().position(|part| *part == column)
    }

    fn kind(&self, place: usize) -> Option<&ColumnKind> {
        Some(&self.schema.columns.get(*self.key.get(place)?)?.kind)
    }

    /// `None`: it is no number as the template writes it, or another one than before.
    fn keep(&mut self, place: usize, number: &str) -> Option<()> {
        let canonical = number.parse::<i128>().ok()?.to_string() == number;
        let part = self.parts.get_mut(place)?;
        let same = part.as_ref().is_none_or(|known| known == number);
        *part = Some(number.to_owned());
        (canonical && same).then_some(())
    }

    /// The parts of a key that is all that is left, if the source finds such values again as they are written.
    fn text(&self, pieces: &[Piece]) -> Option<Vec<String>> {
        let is_key = match pieces {
            [Piece::Field { name: Name::Key, lower: false }] => true,
            [Piece::Field { name: Name::Column(name), lower: false }] => {
                self.key.len() == 1 && self.part(name).is_some()
            }
            _ => false,
        };
        let found = |place: usize| match self.kind(place) {
            Some(ColumnKind::Integer { .. } | ColumnKind::Decimal { .. } | ColumnKind::Text { .. }) => true,
            Some(ColumnKind::Enum { .. } | ColumnKind::Uuid | ColumnKind::Inet) => true,
            Some(_) | None => false,
        };
        // Empty text and a single `%` look alike, as do a brace and what stands for it.
        let alike = ["{", "}", "%7B", "%7D"].iter().any(|text| self.rest.contains(text));
        let one = !alike && !self.rest.is_empty() && self.rest != "%" && !self.rest.starts_with(DIGEST);
        let told = is_key && one && (0..self.key.len()).all(found);
        told.then(|| key_parts(self.rest, self.key, self.schema).ok())?
    }
}

#[cfg(test)]
#[path = "strays_tests.rs"]
mod tests;
