//! The input of the target `values`: a table's columns, then either row images of the binlog or the values of a SELECT.
//! Columns make sense whatever the bytes are, so that nearly every input reaches the values; table maps that make none
//! are the business of the target `events`.

use syncline_connectors::mysql::binlog::kind as event_kind;

use crate::bytes_in::Input;
use crate::fitting::{Choice, collations, kind};

/// What the bits of the first byte say.
pub mod flag {
    pub const MARIADB: u8 = 0x01;
    /// The map carries names, as with `binlog_row_metadata=FULL`.
    pub const NAMES: u8 = 0x02;
    pub const CHARSETS: u8 = 0x04;
    pub const LABELS: u8 = 0x08;
    pub const SIGNS: u8 = 0x10;
    /// Images lack columns; which ones, comes from the input.
    pub const BITMAPS: u8 = 0x20;
    /// The two highest bits are the index of the event's type.
    pub const EVENT_SHIFT: u8 = 6;
}

/// Types of row events, by index.
pub const EVENTS: [u8; 4] = [
    event_kind::WRITE_ROWS,
    event_kind::UPDATE_ROWS,
    event_kind::PARTIAL_UPDATE_ROWS,
    event_kind::DELETE_ROWS,
];

/// In the byte of the number of columns: the rest is values of a SELECT.
pub const SELECT: u8 = 0x80;
const MOST_COLUMNS: u8 = 127;

const KINDS: [u8; 33] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 140, 141, 242, 245, 246, 247, 248,
    249, 250, 251, 252, 253, 254, 255,
];

/// A column in five bytes: type, metadata, choice, character set.
#[derive(Clone, Copy)]
pub struct ColumnBytes {
    pub kind: u8,
    pub meta: u16,
    pub of: u8,
    pub charset: u8,
}

impl ColumnBytes {
    /// As an input has them.
    pub fn write(self, out: &mut Vec<u8>) {
        out.push(self.kind);
        out.extend_from_slice(&self.meta.to_le_bytes());
        out.extend([self.of, self.charset]);
    }

    fn read(input: &mut Input<'_>) -> ColumnBytes {
        let (kind, meta) = (input.byte(), input.short());
        let kind = if KINDS.contains(&kind) { kind } else { KINDS[usize::from(kind) % KINDS.len()] };
        ColumnBytes { kind, meta: sensible(kind, meta), of: input.byte(), charset: input.byte() }
    }

    fn is_numeric(self) -> bool {
        matches!(self.kind, 1..=5 | 8 | 9 | kind::YEAR | kind::NEWDECIMAL)
    }

    fn is_character(self, mariadb: bool) -> bool {
        match self.kind {
            15 | 140 | 141 | 249..=254 => true,
            kind::GEOMETRY => mariadb,
            kind::VECTOR => !mariadb,
            _ => false,
        }
    }
}

/// Metadata that the type can have; what it can have stays as it is.
fn sensible(kind: u8, meta: u16) -> u16 {
    let [high, low] = meta.to_be_bytes();
    let within = |first: u8, last: u8| match low {
        low if meta < 256 && (first..=last).contains(&low) => low,
        low => first + low % (last - first + 1),
    };
    match kind {
        kind::FLOAT => 4,
        kind::DOUBLE => 8,
        kind::TIMESTAMP2..=kind::TIME2 => within(0, 6).into(),
        kind::ENUM => within(1, 2).into(),
        kind::SET => within(1, 8).into(),
        kind::NEWDECIMAL => {
            let precision = if high <= 65 { high } else { high % 66 };
            let most = precision.min(38);
            let scale = if low <= most { low } else { low % (most + 1) };
            u16::from_be_bytes([precision, scale])
        }
        kind::BIT => {
            let bits = u16::from(low) * 8 + u16::from(high);
            let bits = if (1..=64).contains(&bits) { bits } else { 1 + bits % 64 };
            u16::from_be_bytes([(bits % 8) as u8, (bits / 8) as u8])
        }
        140 | kind::VECTOR | kind::JSON | 249..=252 | kind::GEOMETRY => within(1, 4).into(),
        254 => meta % 1024,
        15 | 141 | 253 => meta,
        _ => 0,
    }
}

/// A table and the way its rows come.
pub struct Table {
    pub flags: u8,
    pub select: bool,
    pub columns: Vec<ColumnBytes>,
}

impl Table {
    /// The beginning of an input.
    pub fn read(input: &mut Input<'_>) -> Table {
        let (flags, count) = (input.byte(), input.byte());
        let columns = 1 + (count & !SELECT) % MOST_COLUMNS;
        let columns = (0..columns).map(|_| ColumnBytes::read(input)).collect();
        Table { flags, select: count & SELECT != 0, columns }
    }

    /// As an input has it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let count = self.columns.len() as u8 - 1;
        out.extend([self.flags, count | if self.select { SELECT } else { 0 }]);
        self.columns.iter().for_each(|column| column.write(out));
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub fn choices(&self) -> Vec<Choice> {
        self.columns.iter().map(|column| Choice { of: column.of, charset: column.charset }).collect()
    }

    /// The body of its table map event.
    pub fn map(&self) -> Vec<u8> {
        let mut body = b"\x05\0\0\0\0\0\x01\0\x01d\0\x01t\0".to_vec();
        body.push(self.columns.len() as u8);
        body.extend(self.columns.iter().map(|column| column.kind));
        let mut meta = Vec::new();
        for column in &self.columns {
            match column.kind {
                1..=3 | 6..=14 => {}
                254 => {
                    // A length of more than 255 bytes hides its upper bits in the type.
                    let [high, low] = column.meta.to_be_bytes();
                    meta.extend([254 ^ (high << 4 & 0x30), low]);
                }
                15 | 253 | 141 => meta.extend(column.meta.to_le_bytes()),
                kind::BIT | kind::NEWDECIMAL | kind::ENUM | kind::SET => {
                    meta.extend(column.meta.to_be_bytes())
                }
                _ => meta.push(column.meta as u8),
            }
        }
        body.push(0xfc);
        body.extend_from_slice(&(meta.len() as u16).to_le_bytes());
        body.extend_from_slice(&meta);
        body.extend(vec![0xff; self.columns.len().div_ceil(8)]);
        self.metadata(&mut body);
        body
    }

    fn metadata(&self, body: &mut Vec<u8>) {
        let mariadb = self.has(flag::MARIADB);
        let mut field = |number: u8, value: Vec<u8>| {
            body.extend([number, 0xfc]);
            body.extend_from_slice(&(value.len() as u16).to_le_bytes());
            body.extend(value);
        };
        if self.has(flag::SIGNS) {
            let mut bits = vec![0u8; self.columns.len().div_ceil(8)];
            for (n, column) in self.columns.iter().filter(|k| k.is_numeric()).enumerate() {
                bits[n / 8] |= (column.of & 1) << (7 - n % 8);
            }
            field(1, bits);
        }
        if self.has(flag::CHARSETS) {
            let of = |column: &ColumnBytes| {
                let all = collations();
                let [low, high] = all[usize::from(column.charset) % all.len()].to_le_bytes();
                [0xfc, low, high]
            };
            let characters = self.columns.iter().filter(|k| k.is_character(mariadb));
            field(3, characters.flat_map(of).collect());
            let labelled = self.columns.iter().filter(|k| matches!(k.kind, kind::ENUM | kind::SET));
            field(11, labelled.flat_map(of).collect());
        }
        if self.has(flag::NAMES) {
            field(4, (0..self.columns.len() as u8).flat_map(|n| [2, b'a' + n / 26, b'a' + n % 26]).collect());
        }
        if self.has(flag::LABELS) {
            for (number, of) in [(5, kind::SET), (6, kind::ENUM)] {
                let columns = self.columns.iter().filter(|k| k.kind == of);
                field(number, columns.flat_map(|k| labels(*k)).collect());
            }
        }
    }

    /// The body of an event with these rows, and whatever bitmaps stand before them.
    pub fn rows(&self, input: &mut Input<'_>) -> (u8, Vec<u8>) {
        let event_type = EVENTS[usize::from(self.flags >> flag::EVENT_SHIFT)];
        let mut body = b"\x05\0\0\0\0\0\x01\0\x02\0".to_vec();
        body.push(self.columns.len() as u8);
        let bitmap = self.columns.len().div_ceil(8);
        let bitmaps = if matches!(self.flags >> flag::EVENT_SHIFT, 1 | 2) { 2 * bitmap } else { bitmap };
        match self.has(flag::BITMAPS) {
            true => body.extend((0..bitmaps).map(|_| input.byte())),
            false => body.extend(vec![0xff; bitmaps]),
        }
        body.extend_from_slice(input.rest());
        (event_type, body)
    }
}

/// A count, and labels in whatever character set.
fn labels(column: ColumnBytes) -> Vec<u8> {
    let count = column.of % 65;
    let each = (0..count).flat_map(|n| [3, b'l', column.charset.wrapping_mul(n), n]);
    [count].into_iter().chain(each).collect()
}
