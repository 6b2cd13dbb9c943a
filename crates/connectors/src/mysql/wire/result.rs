//! Results of prepared statements: the binary protocol, a row at a time, read in place. What a column's values mean is
//! `codec/`.

use syncline_engine::error::Result;

use super::packet::protocol;
use super::reply::lenenc;

/// Bit of a column's flags: its integers have no sign.
const UNSIGNED: u16 = 1 << 5;

/// A column of a result, as far as its values are written by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultColumn {
    kind: u8,
    unsigned: bool,
}

impl ResultColumn {
    /// Reads a column definition.
    pub fn parse(packet: &[u8]) -> Result<ResultColumn> {
        Self::read(packet).ok_or_else(|| protocol("a column definition"))
    }

    fn read(mut rest: &[u8]) -> Option<ResultColumn> {
        // Catalog, schema, table and column with their aliases.
        for _ in 0..6 {
            let (len, used) = lenenc(rest)?;
            rest = rest.get(used..)?.get(usize::try_from(len).ok()?..)?;
        }
        // The length of what follows, charset, width, then type and flags.
        let fixed = rest.get(7..)?.first_chunk::<3>()?;
        let unsigned = u16::from_le_bytes([fixed[1], fixed[2]]) & UNSIGNED != 0;
        Some(ResultColumn { kind: fixed[0], unsigned })
    }
}

/// A value as it came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field<'a> {
    Null,
    Int(i64),
    UInt(u64),
    Float(f32),
    Double(f64),
    /// A date, or a moment.
    Moment {
        year: u16,
        month: u8,
        day: u8,
        hour: u8,
        minute: u8,
        second: u8,
        micros: u32,
    },
    Time {
        negative: bool,
        days: u32,
        hour: u8,
        minute: u8,
        second: u8,
        micros: u32,
    },
    Bytes(&'a [u8]),
}

/// A row, read from its first field to its last.
pub struct BinaryRow<'a> {
    columns: &'a [ResultColumn],
    nulls: &'a [u8],
    rest: &'a [u8],
    at: usize,
}

impl<'a> BinaryRow<'a> {
    /// Over a packet that holds a row of these columns.
    pub fn new(columns: &'a [ResultColumn], packet: &'a [u8]) -> Result<BinaryRow<'a>> {
        // One bit a column, behind two that mean nothing.
        let split = packet.strip_prefix(&[0]).and_then(|row| row.split_at_checked((columns.len() + 9) / 8));
        let (nulls, rest) = split.ok_or_else(cut)?;
        Ok(BinaryRow { columns, nulls, rest, at: 0 })
    }

    /// The next field. An error means that the whole result cannot be read.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Field<'a>> {
        let column = self.columns.get(self.at).ok_or_else(|| protocol("a row has fewer columns"))?;
        let bit = self.at + 2;
        self.at += 1;
        if self.nulls[bit / 8] >> (bit % 8) & 1 == 1 {
            return Ok(Field::Null);
        }
        field(*column, &mut self.rest).ok_or_else(cut)
    }

    /// Behind the last field there is nothing.
    pub fn end(&self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(protocol("a row with more than its columns")) }
    }
}

#[cold]
fn cut() -> syncline_engine::error::Error {
    protocol("a row cut short")
}

fn field<'a>(column: ResultColumn, rest: &mut &'a [u8]) -> Option<Field<'a>> {
    Some(match column.kind {
        1 => integer(column, i8::from_le_bytes(take(rest)?).into(), 0xff),
        2 | 13 => integer(column, i16::from_le_bytes(take(rest)?).into(), 0xffff),
        3 | 9 => integer(column, i32::from_le_bytes(take(rest)?).into(), 0xffff_ffff),
        8 => integer(column, i64::from_le_bytes(take(rest)?), u64::MAX),
        4 => Field::Float(f32::from_le_bytes(take(rest)?)),
        5 => Field::Double(f64::from_le_bytes(take(rest)?)),
        6 => Field::Null,
        7 | 10 | 12 => moment(short(rest)?)?,
        11 => time(short(rest)?)?,
        _ => {
            let (len, used) = lenenc(rest)?;
            let (bytes, behind) = rest.get(used..)?.split_at_checked(usize::try_from(len).ok()?)?;
            *rest = behind;
            Field::Bytes(bytes)
        }
    })
}

/// `mask`: the bits that the number came in.
fn integer(column: ResultColumn, number: i64, mask: u64) -> Field<'static> {
    if column.unsigned { Field::UInt(number as u64 & mask) } else { Field::Int(number) }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*bytes)
}

/// What stands behind one byte of length.
fn short<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let [len] = take(rest)?;
    let (bytes, behind) = rest.split_at_checked(len.into())?;
    *rest = behind;
    Some(bytes)
}

/// Servers leave zeros off at the end: 0, 4, 7 or 11 bytes.
fn moment(bytes: &[u8]) -> Option<Field<'static>> {
    let mut all = [0; 11];
    if !matches!(bytes.len(), 0 | 4 | 7 | 11) {
        return None;
    }
    all[..bytes.len()].copy_from_slice(bytes);
    let [y0, y1, month, day, hour, minute, second, m0, m1, m2, m3] = all;
    let (year, micros) = (u16::from_le_bytes([y0, y1]), u32::from_le_bytes([m0, m1, m2, m3]));
    Some(Field::Moment { year, month, day, hour, minute, second, micros })
}

/// The same: 0, 8 or 12 bytes.
fn time(bytes: &[u8]) -> Option<Field<'static>> {
    let mut all = [0; 12];
    if !matches!(bytes.len(), 0 | 8 | 12) {
        return None;
    }
    all[..bytes.len()].copy_from_slice(bytes);
    let [negative, d0, d1, d2, d3, hour, minute, second, m0, m1, m2, m3] = all;
    let (days, micros) = (u32::from_le_bytes([d0, d1, d2, d3]), u32::from_le_bytes([m0, m1, m2, m3]));
    Some(Field::Time { negative: negative != 0, days, hour, minute, second, micros })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn column(kind: u8, unsigned: bool) -> ResultColumn {
        ResultColumn { kind, unsigned }
    }

    #[test]
    fn a_definition_tells_type_and_sign() {
        let mut packet = b"\x03def\x04shop\x01t\x01t\x02id\x02id\x0c".to_vec();
        packet.extend_from_slice(&[63, 0, 20, 0, 0, 0, 8, 0x21, 0, 0, 0, 0]);
        assert_eq!(ResultColumn::parse(&packet).unwrap(), column(8, true));
        for end in 0..packet.len() - 3 {
            assert!(end >= packet.len() - 4 || ResultColumn::parse(&packet[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn fields_come_as_they_were_written() {
        let columns = [
            column(1, false),
            column(2, true),
            column(3, false),
            column(8, true),
            column(253, false),
            column(12, false),
            column(11, false),
            column(10, false),
            column(5, false),
        ];
        let mut packet = vec![0, 0b0100_0000, 0];
        packet.extend_from_slice(&[0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff]);
        packet.extend_from_slice(&u64::MAX.to_le_bytes());
        packet.extend_from_slice(&[7, 0xea, 7, 11, 23, 1, 2, 3]);
        packet.extend_from_slice(&[8, 1, 2, 0, 0, 0, 3, 4, 5]);
        packet.extend_from_slice(&[0]);
        packet.extend_from_slice(&1.5f64.to_le_bytes());
        let mut row = BinaryRow::new(&columns, &packet).unwrap();
        let zero = Field::Moment { year: 0, month: 0, day: 0, hour: 0, minute: 0, second: 0, micros: 0 };
        let expected = [
            Field::Int(-1),
            Field::UInt(0xffff),
            Field::Int(-2),
            Field::UInt(u64::MAX),
            Field::Null,
            Field::Moment { year: 2026, month: 11, day: 23, hour: 1, minute: 2, second: 3, micros: 0 },
            Field::Time { negative: true, days: 2, hour: 3, minute: 4, second: 5, micros: 0 },
            zero,
            Field::Double(1.5),
        ];
        for field in expected {
            assert_eq!(row.next().unwrap(), field);
        }
        assert!(row.next().is_err());
        row.end().unwrap();
    }

    proptest! {
        #[test]
        fn any_bytes_read_or_are_refused(kinds in prop::collection::vec((any::<u8>(), any::<bool>()), 0..12),
            bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = ResultColumn::parse(&bytes);
            let columns: Vec<_> = kinds.into_iter().map(|(kind, unsigned)| column(kind, unsigned)).collect();
            if let Ok(mut row) = BinaryRow::new(&columns, &bytes) {
                for _ in &columns {
                    let _ = row.next();
                }
            }
        }
    }
}
