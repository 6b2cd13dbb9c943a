//! Puts a table map and the details of its columns together: how each column is read. What they contradict each other
//! in is an error that halts the table, never a guess.

use std::sync::Arc;

use syncline_engine::error::{Code, Error, Result};

use super::column_type as t;
use super::table_map::{MapColumn, TableMap};
use crate::mysql::codec::value::Read;
use crate::mysql::codec::{Charset, ColumnDetail, ColumnType, charset_of_collation};

/// How each column of the map is read. Those behind the known ones are MariaDB's hidden hashes.
pub fn plan(map: &TableMap, details: &[ColumnDetail]) -> Result<Vec<Read>> {
    let Some((columns, more)) = map.columns.split_at_checked(details.len()) else {
        return Err(another_number(map, details));
    };
    if !more.iter().all(|column| is_hidden_hash(map, column)) {
        return Err(another_number(map, details));
    }
    let mut reads = Vec::with_capacity(map.columns.len());
    for (column, detail) in columns.iter().zip(details) {
        if let Some(name) = &column.name
            && !same_name(name, &detail.name)
        {
            return Err(mismatch(map, format!("column {} is called {name} in the binlog", detail.name)));
        }
        let read = read(column, detail);
        reads.push(
            read.map_err(|why| {
                mismatch(map, format!("column {} ({}): {why}", detail.name, detail.type_text))
            })?,
        );
    }
    reads.resize(map.columns.len(), Read::Hidden);
    Ok(reads)
}

/// A unique key over a long text is a hash in MariaDB: a nullable BIGINT behind all columns, which the catalog does not
/// show and no SELECT can name.
fn is_hidden_hash(map: &TableMap, column: &MapColumn) -> bool {
    let named = column.name.as_ref().is_none_or(|name| name.starts_with("DB_ROW_HASH_"));
    map.mariadb && named && column.kind == t::LONGLONG && column.nullable
}

#[cold]
fn another_number(map: &TableMap, details: &[ColumnDetail]) -> Error {
    mismatch(map, format!("{} columns are known, the binlog has {}", details.len(), map.columns.len()))
}

/// Names compare without case; the catalog shows `?` for what does not fit its character set.
fn same_name(logged: &str, known: &str) -> bool {
    let fits = |(a, b): (char, char)| a == b || b == '?' || a.to_lowercase().eq(b.to_lowercase());
    logged.chars().count() == known.chars().count() && logged.chars().zip(known.chars()).all(fits)
}

#[cold]
fn mismatch(map: &TableMap, why: String) -> Error {
    Error::new(Code::MysqlSchema, format!("the columns of {} do not match the binlog", map.name())).cause(why)
}

fn read(column: &MapColumn, detail: &ColumnDetail) -> std::result::Result<Read, String> {
    let unfit = || format!("its type in the binlog is {}, metadata {}", column.kind, column.meta);
    match column.kind {
        t::TINY | t::SHORT | t::INT24 | t::LONG | t::LONGLONG => integer(column, &detail.kind),
        t::STRING | t::VARCHAR | t::VAR_STRING | t::TINY_BLOB | t::MEDIUM_BLOB | t::LONG_BLOB | t::BLOB => {
            text(column, &detail.kind)
        }
        t::VARCHAR_COMPRESSED | t::BLOB_COMPRESSED => {
            text(column, &detail.kind).map(|inner| Read::Compressed(Box::new(inner)))
        }
        t::ENUM | t::SET => labelled(column, &detail.kind),
        _ => Ok(fixed(column, &detail.kind)).and_then(|read| read.ok_or_else(unfit)),
    }
}

fn integer(column: &MapColumn, known: &ColumnType) -> std::result::Result<Read, String> {
    let bits_here = match column.kind {
        t::TINY => 8,
        t::SHORT => 16,
        t::INT24 => 24,
        t::LONG => 32,
        _ => 64,
    };
    match known {
        ColumnType::Integer { bits, unsigned } if *bits == bits_here => match column.unsigned {
            Some(logged) if logged != *unsigned => Err("its sign differs in the binlog".to_owned()),
            _ => Ok(Read::Int { unsigned: *unsigned }),
        },
        _ => Err(format!("the binlog has an integer of {bits_here} bits")),
    }
}

/// Types that need no more than their numbers.
fn fixed(column: &MapColumn, known: &ColumnType) -> Option<Read> {
    let digits = u8::try_from(column.meta).ok();
    Some(match (column.kind, known) {
        (t::FLOAT, ColumnType::Float) => Read::Float,
        (t::DOUBLE, ColumnType::Double) => Read::Double,
        (t::YEAR, ColumnType::Year) => Read::Year,
        (t::NEWDECIMAL, ColumnType::Decimal { precision, scale })
            if column.meta.to_be_bytes() == [*precision, *scale] =>
        {
            Read::Decimal { precision: *precision, scale: *scale }
        }
        (t::BIT, ColumnType::Bit { bits }) => {
            let [bits_here, bytes] = column.meta.to_be_bytes();
            (u16::from(bytes) * 8 + u16::from(bits_here) == u16::from(*bits)).then_some(Read::Bit)?
        }
        (t::DATE | t::NEWDATE, ColumnType::Date) => Read::Date,
        (t::TIME, ColumnType::Time { digits: 0 }) => Read::OldTime,
        (t::DATETIME, ColumnType::DateTime { digits: 0 }) => Read::OldDateTime,
        (t::TIMESTAMP, ColumnType::Timestamp { digits: 0 }) => Read::OldTimestamp,
        (t::TIME2, ColumnType::Time { digits: known }) if digits == Some(*known) => {
            Read::Time { digits: *known }
        }
        (t::DATETIME2, ColumnType::DateTime { digits: known }) if digits == Some(*known) => {
            Read::DateTime { digits: *known }
        }
        (t::TIMESTAMP2, ColumnType::Timestamp { digits: known }) if digits == Some(*known) => {
            Read::Timestamp { digits: *known }
        }
        (t::JSON, ColumnType::Json) => Read::Json,
        (t::GEOMETRY, ColumnType::Geometry) => Read::Geometry,
        (t::VECTOR, ColumnType::Vector) => Read::Vector,
        (t::NULL, _) => Read::Null,
        _ => return None,
    })
}

/// CHAR, VARCHAR, TEXT, their binary kin, and what MariaDB builds on them.
fn text(column: &MapColumn, known: &ColumnType) -> std::result::Result<Read, String> {
    let logged = match column.collation {
        Some(id) => Some(charset_of_collation(id).ok_or_else(|| format!("collation {id} is not known"))?),
        None => None,
    };
    let agreed = |charset: &Charset| match logged {
        Some(logged) if logged != *charset => Err(format!("its character set in the binlog is {logged:?}")),
        _ => Ok(*charset),
    };
    match known {
        ColumnType::Text { charset, .. } => Ok(Read::Text { charset: agreed(charset)? }),
        ColumnType::JsonText { charset } => Ok(Read::JsonText { charset: agreed(charset)? }),
        ColumnType::Bytes { pad } => {
            if logged.is_some_and(|charset| !charset.is_binary()) {
                return Err(format!("the binlog has text in {logged:?}"));
            }
            Ok(Read::Bytes { pad: *pad })
        }
        ColumnType::Uuid => Ok(Read::Uuid),
        ColumnType::Inet4 => Ok(Read::Inet4),
        ColumnType::Inet6 => Ok(Read::Inet6),
        ColumnType::Vector => Ok(Read::Vector),
        _ => Err(format!("the binlog has text or bytes (type {})", column.kind)),
    }
}

fn labelled(column: &MapColumn, known: &ColumnType) -> std::result::Result<Read, String> {
    let (labels, charset) = match (column.kind, known) {
        (t::ENUM, ColumnType::Enum { labels, charset }) | (t::SET, ColumnType::Set { labels, charset }) => {
            (labels, charset)
        }
        _ => return Err(format!("the binlog has ENUM or SET (type {})", column.kind)),
    };
    let charset = match column.collation {
        Some(id) => charset_of_collation(id).ok_or_else(|| format!("collation {id} is not known"))?,
        None => *charset,
    };
    let labels = match &column.labels {
        Some(logged) => agreed_labels(logged, labels, charset)?,
        None => labels.clone(),
    };
    Ok(if column.kind == t::ENUM { Read::Enum { labels } } else { Read::Set { labels } })
}

/// The labels as logged, if the catalog's are the same (it shows `?` for what does not fit its character set).
fn agreed_labels(
    logged: &[Vec<u8>],
    known: &Arc<[Arc<str>]>,
    charset: Charset,
) -> std::result::Result<Arc<[Arc<str>]>, String> {
    let logged: Vec<Arc<str>> = logged.iter().map(|label| Arc::from(charset.decode_lossy(label))).collect();
    let same = |(a, b): (&Arc<str>, &Arc<str>)| {
        a.chars().count() == b.chars().count() && a.chars().zip(b.chars()).all(|(a, b)| a == b || b == '?')
    };
    if logged.len() != known.len() || !logged.iter().zip(known.iter()).all(same) {
        return Err(format!("its labels in the binlog are {logged:?}"));
    }
    Ok(logged.into())
}
