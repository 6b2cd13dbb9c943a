//! Column types as DDL writes them, turned into what the server makes of them.

use std::sync::Arc;

use super::lexer::Token;
use super::parser::{Parsed, Parser, Unclear};
use crate::mysql::codec::{Charset, ColumnType};

/// A type, before it is known which character set it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeSpec {
    /// Needs nothing more.
    Plain(ColumnType),
    /// VARCHAR, TEXT: of this length in characters where one is written.
    Text { length: Option<u32>, charset: Option<String> },
    /// CHAR(n): BINARY(n) if its character set is binary.
    Char { length: u32, charset: Option<String> },
    /// MariaDB's JSON: text with a check of its own, if no other is written.
    Json { charset: Option<String>, checked: bool },
    /// ENUM or SET.
    Labels { set: bool, labels: Arc<[Arc<str>]>, charset: Option<String> },
    /// BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE.
    Serial,
}

impl TypeSpec {
    /// With the character set that the column says, else with that of the table.
    pub fn resolve(&self, table: &str) -> Parsed<ColumnType> {
        let charset = |own: &Option<String>| Charset::named(own.as_deref().unwrap_or(table)).ok_or(Unclear);
        let text = |own, length, pad| {
            let charset = charset(own)?;
            Ok(if charset.is_binary() {
                ColumnType::Bytes { pad }
            } else {
                ColumnType::Text { charset, length }
            })
        };
        match self {
            TypeSpec::Plain(kind) => Ok(kind.clone()),
            TypeSpec::Text { length, charset } => text(charset, *length, None),
            TypeSpec::Char { length, charset } => text(charset, Some(*length), u16::try_from(*length).ok()),
            TypeSpec::Json { charset: own, checked: true } => {
                Ok(ColumnType::JsonText { charset: charset(own)? })
            }
            TypeSpec::Json { charset: own, checked: false } => text(own, None, None),
            TypeSpec::Labels { set, labels, charset: own } => {
                let (labels, charset) = (labels.clone(), charset(own)?);
                Ok(if *set {
                    ColumnType::Set { labels, charset }
                } else {
                    ColumnType::Enum { labels, charset }
                })
            }
            TypeSpec::Serial => Ok(ColumnType::Integer { bits: 64, unsigned: true }),
        }
    }

    /// Sets the character set that is written behind the type.
    pub fn set_charset(&mut self, name: String) {
        match self {
            TypeSpec::Text { charset, .. }
            | TypeSpec::Char { charset, .. }
            | TypeSpec::Labels { charset, .. } => {
                *charset = Some(name);
            }
            // JSON brings its own.
            TypeSpec::Json { .. } | TypeSpec::Plain(_) | TypeSpec::Serial => {}
        }
    }

    /// A check stands behind the column; `json`: it says that the text is JSON.
    pub fn set_checked(&mut self, json: bool) {
        match self {
            TypeSpec::Text { charset, .. } if json => {
                *self = TypeSpec::Json { charset: charset.take(), checked: true };
            }
            TypeSpec::Json { checked, .. } => *checked = json,
            _ => {}
        }
    }
}

/// Reads a type with its lengths and the words that belong to it.
pub fn read(p: &mut Parser) -> Parsed<TypeSpec> {
    let Some(Token::Word(word)) = p.next() else { return Err(Unclear) };
    let word = word.to_ascii_uppercase();
    if let Some(bits) = integer_bits(&word) {
        length(p)?;
        let unsigned = signs(p);
        return Ok(plain(ColumnType::Integer { bits, unsigned }));
    }
    if let Some(spec) = text(p, &word)? {
        return Ok(spec);
    }
    if let Some(kind) = geometry(&word) {
        return Ok(plain(kind));
    }
    Ok(plain(match word.as_str() {
        "SERIAL" => return Ok(TypeSpec::Serial),
        "BOOL" | "BOOLEAN" => ColumnType::Integer { bits: 8, unsigned: false },
        "BIT" => ColumnType::Bit { bits: small(length(p)?.unwrap_or(1))? },
        "FLOAT" | "FLOAT4" | "FLOAT8" | "DOUBLE" | "REAL" => floating(p, &word)?,
        "DECIMAL" | "DEC" | "NUMERIC" | "FIXED" => {
            let (precision, scale) = two(p)?.unwrap_or((10, None));
            signs(p);
            let precision = if precision == 0 { 10 } else { precision };
            ColumnType::Decimal { precision: small(precision)?, scale: small(scale.unwrap_or(0))? }
        }
        "DATE" => ColumnType::Date,
        "TIME" => ColumnType::Time { digits: digits(p)? },
        "DATETIME" => ColumnType::DateTime { digits: digits(p)? },
        "TIMESTAMP" => ColumnType::Timestamp { digits: digits(p)? },
        "YEAR" => {
            length(p)?;
            signs(p);
            ColumnType::Year
        }
        "ENUM" | "SET" => {
            return Ok(TypeSpec::Labels { set: word == "SET", labels: labels(p)?.into(), charset: None });
        }
        "JSON" if p.dialect.mariadb => {
            return Ok(TypeSpec::Json { charset: Some("utf8mb4".into()), checked: true });
        }
        "JSON" => ColumnType::Json,
        "VECTOR" => {
            length(p)?;
            ColumnType::Vector
        }
        "UUID" if p.dialect.mariadb => ColumnType::Uuid,
        "INET4" if p.dialect.mariadb => ColumnType::Inet4,
        "INET6" if p.dialect.mariadb => ColumnType::Inet6,
        _ => return Err(Unclear),
    }))
}

fn plain(kind: ColumnType) -> TypeSpec {
    TypeSpec::Plain(kind)
}

fn small(n: u32) -> Parsed<u8> {
    u8::try_from(n).map_err(|_| Unclear)
}

fn integer_bits(word: &str) -> Option<u8> {
    Some(match word {
        "TINYINT" | "INT1" => 8,
        "SMALLINT" | "INT2" => 16,
        "MEDIUMINT" | "MIDDLEINT" | "INT3" => 24,
        "INT" | "INTEGER" | "INT4" => 32,
        "BIGINT" | "INT8" => 64,
        _ => return None,
    })
}

fn geometry(word: &str) -> Option<ColumnType> {
    const NAMES: [&str; 9] = [
        "GEOMETRY",
        "POINT",
        "LINESTRING",
        "POLYGON",
        "MULTIPOINT",
        "MULTILINESTRING",
        "MULTIPOLYGON",
        "GEOMETRYCOLLECTION",
        "GEOMCOLLECTION",
    ];
    NAMES.contains(&word).then_some(ColumnType::Geometry)
}

/// `(n)`.
fn length(p: &mut Parser) -> Parsed<Option<u32>> {
    if !p.take_sign('(') {
        return Ok(None);
    }
    let n = p.number()?;
    p.expect_sign(')')?;
    Ok(Some(n))
}

/// `(n)` or `(n, m)`.
fn two(p: &mut Parser) -> Parsed<Option<(u32, Option<u32>)>> {
    if !p.take_sign('(') {
        return Ok(None);
    }
    let first = p.number()?;
    let second = if p.take_sign(',') { Some(p.number()?) } else { None };
    p.expect_sign(')')?;
    Ok(Some((first, second)))
}

/// Digits of a fraction.
fn digits(p: &mut Parser) -> Parsed<u8> {
    small(length(p)?.unwrap_or(0))
}

/// UNSIGNED, SIGNED, ZEROFILL in any order; whether it is unsigned.
fn signs(p: &mut Parser) -> bool {
    let mut unsigned = false;
    while let Some(word) = p.take_one(&["UNSIGNED", "SIGNED", "ZEROFILL"]) {
        unsigned |= word != "SIGNED";
    }
    unsigned
}

fn floating(p: &mut Parser, word: &str) -> Parsed<ColumnType> {
    if word == "DOUBLE" {
        p.take("PRECISION");
    }
    // DECIMAL-like sizes round what is stored; only FLOAT(p) alone chooses the type.
    let size = two(p)?;
    signs(p);
    let double = match word {
        "FLOAT" => matches!(size, Some((bits, None)) if bits > 24),
        "FLOAT4" => false,
        "REAL" => !p.dialect.real_as_float,
        _ => true,
    };
    Ok(if double { ColumnType::Double } else { ColumnType::Float })
}

fn labels(p: &mut Parser) -> Parsed<Vec<Arc<str>>> {
    p.expect_sign('(')?;
    let mut labels = Vec::new();
    loop {
        match p.next() {
            // Trailing spaces are not part of a label.
            Some(Token::Text(label)) => labels.push(Arc::from(label.trim_end_matches(' '))),
            _ => return Err(Unclear),
        }
        if !p.take_sign(',') {
            p.expect_sign(')')?;
            return Ok(labels);
        }
    }
}

/// Types of text and of bytes.
fn text(p: &mut Parser, word: &str) -> Parsed<Option<TypeSpec>> {
    let national = matches!(word, "NATIONAL" | "NCHAR" | "NVARCHAR").then(|| "utf8mb3".to_owned());
    let word = if word == "NATIONAL" {
        p.take_one(&["CHARACTER", "CHAR", "VARCHARACTER", "VARCHAR"]).ok_or(Unclear)?
    } else {
        word
    };
    let spec = match word {
        "CHAR" | "CHARACTER" | "NCHAR" => {
            if p.take_one(&["VARYING", "VARCHAR", "VARCHARACTER"]).is_some() {
                TypeSpec::Text { length: Some(length(p)?.ok_or(Unclear)?), charset: national }
            } else {
                let length = length(p)?.unwrap_or(1);
                if p.take("BYTE") {
                    return Ok(Some(plain(ColumnType::Bytes { pad: u16::try_from(length).ok() })));
                }
                TypeSpec::Char { length, charset: national }
            }
        }
        "VARCHAR" | "VARCHARACTER" | "NVARCHAR" => {
            TypeSpec::Text { length: Some(length(p)?.ok_or(Unclear)?), charset: national }
        }
        "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" => {
            length(p)?;
            TypeSpec::Text { length: None, charset: None }
        }
        "LONG" => {
            if p.take_one(&["VARBINARY", "BINARY"]).is_some() {
                return Ok(Some(plain(ColumnType::Bytes { pad: None })));
            }
            if p.take_one(&["VARCHAR", "VARCHARACTER", "CHAR", "CHARACTER"])
                .is_some_and(|w| w.starts_with("CHAR"))
            {
                p.expect("VARYING")?;
            }
            TypeSpec::Text { length: None, charset: None }
        }
        "BINARY" => {
            let pad = u16::try_from(length(p)?.unwrap_or(1)).map_err(|_| Unclear)?;
            return Ok(Some(plain(ColumnType::Bytes { pad: Some(pad) })));
        }
        "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => {
            length(p)?;
            return Ok(Some(plain(ColumnType::Bytes { pad: None })));
        }
        _ => return Ok(None),
    };
    Ok(Some(spec))
}
