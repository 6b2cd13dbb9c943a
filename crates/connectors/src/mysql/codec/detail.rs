//! What must be known of a column beyond what the binlog says: parsed from the catalog, kept in the schema history.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::schema::{Column, ColumnKind};

/// One column as of a position. Serialised into the schema history: fields may be added, never renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnDetail {
    pub name: Arc<str>,
    /// The type with all that decoding needs.
    pub kind: ColumnType,
    pub nullable: bool,
    /// `GENERATED ALWAYS`, virtual or stored.
    #[serde(default)]
    pub generated: bool,
    /// Not in `SELECT *`.
    #[serde(default)]
    pub invisible: bool,
    /// `COLUMN_TYPE` of the catalog, for messages.
    #[serde(default)]
    pub type_text: String,
}

/// A column's type. Lengths are those of the declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// `bits` is 8, 16, 24, 32 or 64.
    Integer {
        bits: u8,
        unsigned: bool,
    },
    Year,
    Bit {
        bits: u8,
    },
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    /// CHAR, VARCHAR, TEXT.
    Text {
        charset: TextCharset,
        length: Option<u32>,
    },
    Enum {
        labels: Vec<Arc<str>>,
    },
    Set {
        labels: Vec<Arc<str>>,
    },
    /// BINARY(n): `pad` is n. VARBINARY and BLOB have none.
    Bytes {
        pad: Option<u16>,
    },
    Date,
    DateTime {
        digits: u8,
    },
    Timestamp {
        digits: u8,
    },
    Time {
        digits: u8,
    },
    /// MySQL's binary JSON.
    Json,
    /// MariaDB's JSON: text of this character set with a `json_valid` check.
    JsonText {
        charset: TextCharset,
    },
    Geometry,
    /// MySQL's VECTOR, or MariaDB's.
    Vector,
    /// MariaDB's UUID.
    Uuid,
    Inet4,
    Inet6,
}

/// A character set by the server's name (`utf8mb4`, `latin1`, `cp850`, ..).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TextCharset(pub Arc<str>);

/// A row of `information_schema.columns`, as far as it matters.
#[derive(Clone, Copy, Debug, Default)]
pub struct CatalogColumn<'a> {
    /// `COLUMN_NAME`.
    pub name: &'a str,
    /// `COLUMN_TYPE`: `int(10) unsigned`, `enum('a','b')`, ..
    pub column_type: &'a str,
    /// `CHARACTER_SET_NAME`.
    pub charset: Option<&'a str>,
    /// `IS_NULLABLE` = `YES`.
    pub nullable: bool,
    /// `EXTRA`: `auto_increment`, `VIRTUAL GENERATED`, `INVISIBLE`, ..
    pub extra: &'a str,
    /// MariaDB: whether a check constraint of the column or table is exactly `json_valid(column)`
    /// (`information_schema.check_constraints`): the column was declared JSON.
    pub json_valid: bool,
}

impl ColumnDetail {
    /// Reads a row of the catalog. `MysqlSchema` for a type or character set that is not known.
    pub fn from_catalog(column: &CatalogColumn<'_>) -> Result<ColumnDetail> {
        Err(Error::new(Code::MysqlSchema, format!("column {} cannot be read", column.name)))
    }

    /// The engine's view of it.
    pub fn column(&self) -> Column {
        let kind = match &self.kind {
            ColumnType::Integer { bits, unsigned } => {
                ColumnKind::Integer { bits: *bits, unsigned: *unsigned }
            }
            ColumnType::Year => ColumnKind::Year,
            ColumnType::Bit { bits } => ColumnKind::Bit { bits: *bits },
            ColumnType::Float => ColumnKind::Float,
            ColumnType::Double => ColumnKind::Double,
            ColumnType::Decimal { precision, scale } => {
                ColumnKind::Decimal { precision: (*precision).into(), scale: (*scale).into() }
            }
            ColumnType::Text { length, .. } => ColumnKind::Text { length: *length },
            ColumnType::Enum { labels } => ColumnKind::Enum { labels: labels.clone() },
            ColumnType::Set { labels } => ColumnKind::Set { labels: labels.clone() },
            ColumnType::Bytes { .. } => ColumnKind::Bytes,
            ColumnType::Date => ColumnKind::Date,
            ColumnType::DateTime { digits } => ColumnKind::DateTime { digits: *digits },
            ColumnType::Timestamp { digits } => ColumnKind::Timestamp { digits: *digits },
            ColumnType::Time { digits } => ColumnKind::Time { digits: *digits },
            ColumnType::Json | ColumnType::JsonText { .. } => ColumnKind::Json,
            ColumnType::Geometry => ColumnKind::Geometry,
            ColumnType::Vector => ColumnKind::Vector,
            ColumnType::Uuid => ColumnKind::Uuid,
            ColumnType::Inet4 | ColumnType::Inet6 => ColumnKind::Inet,
        };
        Column { name: self.name.clone(), kind, nullable: self.nullable }
    }
}
