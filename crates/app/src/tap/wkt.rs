//! Well-known text of a geometry, as Maxwell prints it. Bytes that are no geometry give nothing; depth and allocation are
//! bounded by the bytes themselves.

use std::fmt::Write as _;

/// Collections within collections: more than anybody draws, less than a stack.
const DEEPEST: usize = 16;

/// The text, or `None` if these bytes are no geometry.
pub fn text(wkb: &[u8]) -> Option<String> {
    let mut reader = Reader { rest: wkb, out: String::new() };
    reader.geometry(0)?;
    reader.rest.is_empty().then_some(reader.out)
}

struct Reader<'a> {
    rest: &'a [u8],
    out: String,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    fn number(&mut self, little: bool) -> Option<u32> {
        let bytes = self.take::<4>()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    fn float(&mut self, little: bool) -> Option<f64> {
        let bytes = self.take::<8>()?;
        Some(if little { f64::from_le_bytes(bytes) } else { f64::from_be_bytes(bytes) })
    }

    /// Byte order and kind.
    fn head(&mut self) -> Option<(bool, u32)> {
        let [order] = self.take::<1>()?;
        let little = order == 1;
        (order <= 1).then_some(())?;
        Some((little, self.number(little)?))
    }

    fn geometry(&mut self, depth: usize) -> Option<()> {
        let (little, kind) = self.head()?;
        let name = match kind {
            1 => "POINT",
            2 => "LINESTRING",
            3 => "POLYGON",
            4 => "MULTIPOINT",
            5 => "MULTILINESTRING",
            6 => "MULTIPOLYGON",
            7 => "GEOMETRYCOLLECTION",
            _ => return None,
        };
        self.out.push_str(name);
        self.out.push(' ');
        match kind {
            1..=3 => self.body(kind, little),
            7 if depth < DEEPEST => self.list(little, |r| r.geometry(depth + 1)),
            4..=6 => self.list(little, |r| {
                let (little, part) = r.head()?;
                (part == kind - 3).then_some(())?;
                r.body(part, little)
            }),
            _ => None,
        }
    }

    /// Coordinates of a point, a line or a polygon.
    fn body(&mut self, kind: u32, little: bool) -> Option<()> {
        match kind {
            1 => {
                self.out.push('(');
                self.position(little)?;
                self.out.push(')');
                Some(())
            }
            2 => self.list(little, |r| r.position(little)),
            _ => self.list(little, |r| r.list(little, |r| r.position(little))),
        }
    }

    fn position(&mut self, little: bool) -> Option<()> {
        let (x, y) = (self.float(little)?, self.float(little)?);
        write!(self.out, "{x} {y}").ok()
    }

    fn list(&mut self, little: bool, mut each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        let count = self.number(little)?;
        if count == 0 {
            self.out.push_str("EMPTY");
            return Some(());
        }
        self.out.push('(');
        for n in 0..count {
            if n > 0 {
                self.out.push_str(", ");
            }
            each(self)?;
        }
        self.out.push(')');
        Some(())
    }
}
