//! Makes up a catalog: details of columns that a table map agrees with, whatever columns it has. Without them a changed
//! map would fit no known table, and no row behind it would ever be read.

use std::sync::{Arc, LazyLock};

use syncline_connectors::mysql::binlog::{MapColumn, TableMap};
use syncline_connectors::mysql::codec::{Charset, ColumnDetail, ColumnType, charset_of_collation};

/// Type numbers of columns, as the decoder's `column_type.rs` has them.
pub mod kind {
    pub const FLOAT: u8 = 4;
    pub const DOUBLE: u8 = 5;
    pub const TIMESTAMP: u8 = 7;
    pub const TIME: u8 = 11;
    pub const DATETIME: u8 = 12;
    pub const YEAR: u8 = 13;
    pub const BIT: u8 = 16;
    pub const TIMESTAMP2: u8 = 17;
    pub const DATETIME2: u8 = 18;
    pub const TIME2: u8 = 19;
    pub const VECTOR: u8 = 242;
    pub const JSON: u8 = 245;
    pub const NEWDECIMAL: u8 = 246;
    pub const ENUM: u8 = 247;
    pub const SET: u8 = 248;
    pub const GEOMETRY: u8 = 255;
}

/// What is chosen for a column where its map leaves a choice.
#[derive(Clone, Copy)]
pub struct Choice {
    /// Which of the types that are written alike, and how many labels.
    pub of: u8,
    pub charset: u8,
}

/// Details for every column of the map. Choices are used again from the first one on when there are too few.
pub fn details(map: &TableMap, choices: &[Choice]) -> Vec<ColumnDetail> {
    let any = [Choice { of: 0, charset: 0 }];
    let choices = if choices.is_empty() { &any } else { choices };
    let columns = map.columns.iter().zip(choices.iter().cycle()).enumerate();
    columns
        .map(|(n, (column, choice))| ColumnDetail {
            name: column.name.clone().unwrap_or_else(|| format!("c{n}").into()),
            kind: column_type(column, *choice),
            nullable: column.nullable,
            generated: false,
            invisible: false,
            type_text: String::new(),
        })
        .collect()
}

fn column_type(column: &MapColumn, choice: Choice) -> ColumnType {
    let [high, low] = column.meta.to_be_bytes();
    let integer =
        |bits| ColumnType::Integer { bits, unsigned: column.unsigned.unwrap_or(choice.of & 1 == 1) };
    match column.kind {
        1 => integer(8),
        2 => integer(16),
        9 => integer(24),
        3 => integer(32),
        8 => integer(64),
        kind::FLOAT => ColumnType::Float,
        kind::DOUBLE => ColumnType::Double,
        kind::TIMESTAMP => ColumnType::Timestamp { digits: 0 },
        kind::TIME => ColumnType::Time { digits: 0 },
        kind::DATETIME => ColumnType::DateTime { digits: 0 },
        kind::YEAR => ColumnType::Year,
        kind::BIT => ColumnType::Bit { bits: low.saturating_mul(8).saturating_add(high) },
        kind::TIMESTAMP2 => ColumnType::Timestamp { digits: low },
        kind::DATETIME2 => ColumnType::DateTime { digits: low },
        kind::TIME2 => ColumnType::Time { digits: low },
        kind::VECTOR => ColumnType::Vector,
        kind::JSON => ColumnType::Json,
        kind::NEWDECIMAL => ColumnType::Decimal { precision: high, scale: low },
        kind::ENUM => ColumnType::Enum { labels: labels(column, choice), charset: charset(column, choice) },
        kind::SET => ColumnType::Set { labels: labels(column, choice), charset: charset(column, choice) },
        kind::GEOMETRY => ColumnType::Geometry,
        10 | 14 | 6 => ColumnType::Date,
        _ => text(column, choice),
    }
}

fn text(column: &MapColumn, choice: Choice) -> ColumnType {
    let charset = charset(column, choice);
    let pad = Some(u16::from(choice.charset));
    match choice.of % 8 {
        0 | 1 if !charset.is_binary() => ColumnType::Text { charset, length: None },
        2 => ColumnType::JsonText { charset },
        3 if column.collation.is_none_or(|_| charset.is_binary()) => ColumnType::Bytes { pad },
        4 => ColumnType::Uuid,
        5 => ColumnType::Inet4,
        6 => ColumnType::Inet6,
        7 => ColumnType::Vector,
        _ if charset.is_binary() => ColumnType::Bytes { pad: None },
        _ => ColumnType::Text { charset, length: None },
    }
}

/// What the map says, or else the choice.
fn charset(column: &MapColumn, choice: Choice) -> Charset {
    let all = Charset::all();
    let chosen = all[usize::from(choice.charset) % all.len()];
    column.collation.and_then(charset_of_collation).unwrap_or(chosen)
}

fn labels(column: &MapColumn, choice: Choice) -> Arc<[Arc<str>]> {
    match &column.labels {
        Some(logged) => {
            let charset = charset(column, choice);
            logged.iter().map(|label| Arc::from(&*charset.decode_lossy(label))).collect()
        }
        None => (0..choice.of % 65).map(|n| Arc::from(format!("label {n}"))).collect(),
    }
}

/// A collation id of each character set, in the order of `Charset::all`.
pub fn collations() -> &'static [u16] {
    static ALL: LazyLock<Vec<u16>> = LazyLock::new(|| {
        let of = |charset: &Charset| {
            (1..2000u16).find(|id| charset_of_collation((*id).into()).as_ref() == Some(charset)).unwrap_or(63)
        };
        Charset::all().iter().map(of).collect()
    });
    &ALL
}
