//! What must be known of a column beyond what the binlog says: read from the catalog, kept in the schema history.
//! How the catalog's type texts are read is `type_text.rs`.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::schema::{Column, ColumnKind};

use super::charset::Charset;
use super::type_text;

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
    /// CHAR, VARCHAR, TEXT; `length` in characters where it is declared.
    Text {
        charset: Charset,
        length: Option<u32>,
    },
    /// The labels are those of the catalog, which shows `?` for what does not fit its own character set.
    Enum {
        labels: Arc<[Arc<str>]>,
        charset: Charset,
    },
    Set {
        labels: Arc<[Arc<str>]>,
        charset: Charset,
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
        charset: Charset,
    },
    Geometry,
    /// MySQL's VECTOR, or MariaDB's.
    Vector,
    /// MariaDB's UUID.
    Uuid,
    Inet4,
    Inet6,
}

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
        let unknown = || {
            let charset = column.charset.unwrap_or("none");
            Error::new(Code::MysqlSchema, format!("the type of column {} is not known", column.name))
                .cause(format!("{}, character set {charset}", column.column_type))
        };
        let mut kind = type_text::parse(column.column_type, column.charset).ok_or_else(unknown)?;
        if let (true, ColumnType::Text { charset, .. }) = (column.json_valid, &kind) {
            kind = ColumnType::JsonText { charset: *charset };
        }
        let extra = column.extra.to_ascii_uppercase();
        Ok(ColumnDetail {
            name: column.name.into(),
            kind,
            nullable: column.nullable,
            // MySQL also marks expression defaults: DEFAULT_GENERATED.
            generated: extra.split_whitespace().any(|word| word == "GENERATED"),
            invisible: extra.contains("INVISIBLE"),
            type_text: column.column_type.to_owned(),
        })
    }

    /// The engine's view of it.
    pub fn column(&self) -> Column {
        Column { name: self.name.clone(), kind: self.kind.column_kind(), nullable: self.nullable }
    }
}

impl ColumnType {
    fn column_kind(&self) -> ColumnKind {
        match self {
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
            ColumnType::Enum { labels, .. } => ColumnKind::Enum { labels: labels.to_vec() },
            ColumnType::Set { labels, .. } => ColumnKind::Set { labels: labels.to_vec() },
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
        }
    }
}

impl Serialize for Charset {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

impl<'de> Deserialize<'de> for Charset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Charset, D::Error> {
        let name = String::deserialize(deserializer)?;
        Charset::named(&name)
            .ok_or_else(|| serde::de::Error::custom(format!("character set {name} is not known")))
    }
}
