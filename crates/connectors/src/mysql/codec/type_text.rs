//! Reads the catalog's type texts: `int(10) unsigned`, `varchar(20) /*M!100301 COMPRESSED*/`, `enum('a','it''s')`.

use std::sync::Arc;

use super::charset::Charset;
use super::detail::ColumnType;

/// The type that `text` names; `None` if it is not known. `charset` is the catalog's `CHARACTER_SET_NAME`.
pub fn parse(text: &str, charset: Option<&str>) -> Option<ColumnType> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    let word = text[..end].to_ascii_lowercase();
    let rest = text[end..].trim_start();
    match word.as_str() {
        "enum" | "set" => return labelled(&word, rest, charset),
        _ => {}
    }
    let (numbers, rest) = numbers(rest)?;
    let unsigned = rest.to_ascii_lowercase().split_whitespace().any(|w| w == "unsigned");
    let first = numbers.first().copied();
    let digits = u8::try_from(first.unwrap_or(0)).ok().filter(|d| *d <= 6);
    let integer = |bits| Some(ColumnType::Integer { bits, unsigned });
    match word.as_str() {
        "tinyint" | "boolean" | "bool" => integer(8),
        "smallint" => integer(16),
        "mediumint" => integer(24),
        "int" | "integer" => integer(32),
        "bigint" => integer(64),
        "year" => Some(ColumnType::Year),
        "bit" => {
            let bits = u8::try_from(first.unwrap_or(1)).ok().filter(|b| (1..=64).contains(b))?;
            Some(ColumnType::Bit { bits })
        }
        "float" => Some(ColumnType::Float),
        "double" | "real" => Some(ColumnType::Double),
        "decimal" | "numeric" => decimal(&numbers),
        "date" => Some(ColumnType::Date),
        "datetime" => Some(ColumnType::DateTime { digits: digits? }),
        "timestamp" => Some(ColumnType::Timestamp { digits: digits? }),
        "time" => Some(ColumnType::Time { digits: digits? }),
        _ => of_bytes(&word, first, charset),
    }
}

fn of_bytes(word: &str, length: Option<u32>, charset: Option<&str>) -> Option<ColumnType> {
    match word {
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => {
            let charset = Charset::named(charset?)?;
            let length = length.filter(|_| word.ends_with("char"));
            Some(ColumnType::Text { charset, length })
        }
        "binary" => Some(ColumnType::Bytes { pad: Some(u16::try_from(length.unwrap_or(1)).ok()?) }),
        "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => {
            Some(ColumnType::Bytes { pad: None })
        }
        "json" => Some(ColumnType::Json),
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geomcollection" | "geometrycollection" => Some(ColumnType::Geometry),
        "vector" => Some(ColumnType::Vector),
        "uuid" => Some(ColumnType::Uuid),
        "inet4" => Some(ColumnType::Inet4),
        "inet6" => Some(ColumnType::Inet6),
        _ => None,
    }
}

fn decimal(numbers: &[u32]) -> Option<ColumnType> {
    let precision = u8::try_from(numbers.first().copied().unwrap_or(10)).ok().filter(|p| *p <= 65)?;
    let scale = u8::try_from(numbers.get(1).copied().unwrap_or(0)).ok().filter(|s| *s <= precision)?;
    Some(ColumnType::Decimal { precision, scale })
}

/// `(10,2) rest`; without parentheses there are none.
fn numbers(text: &str) -> Option<(Vec<u32>, &str)> {
    let Some(inside) = text.strip_prefix('(') else { return Some((Vec::new(), text)) };
    let (inside, rest) = inside.split_once(')')?;
    let numbers: Option<Vec<u32>> = inside.split(',').map(|n| n.trim().parse().ok()).collect();
    Some((numbers?, rest))
}

fn labelled(word: &str, rest: &str, charset: Option<&str>) -> Option<ColumnType> {
    let charset = Charset::named(charset.unwrap_or("binary"))?;
    let labels: Arc<[Arc<str>]> = labels(rest)?.into();
    Some(match word {
        "enum" => ColumnType::Enum { labels, charset },
        _ => ColumnType::Set { labels, charset },
    })
}

/// `('a','it''s')`: quotes are doubled, a backslash escapes as in SQL.
fn labels(text: &str) -> Option<Vec<Arc<str>>> {
    let mut labels = Vec::new();
    let mut rest = text.strip_prefix('(')?;
    loop {
        let (label, after) = label(rest.strip_prefix('\'')?)?;
        labels.push(label);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return after.starts_with(')').then_some(labels),
        }
    }
}

/// A label up to its closing quote, and what follows.
fn label(text: &str) -> Option<(Arc<str>, &str)> {
    let mut label = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' => {
                let after = &text[at + 1..];
                if !after.starts_with('\'') {
                    return Some((label.into(), after));
                }
                chars.next();
                label.push('\'');
            }
            '\\' => label.push(match chars.next()?.1 {
                '0' => '\0',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'b' => '\u{8}',
                'Z' => '\u{1a}',
                other => other,
            }),
            other => label.push(other),
        }
    }
    None
}
