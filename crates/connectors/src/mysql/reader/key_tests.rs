//! Keys as conditions of a read: what a chunk of a table covers.

use std::sync::Arc;

use super::*;
use crate::mysql::codec::Charset;
use crate::mysql::schema::TableName;

fn key(columns: &[(&str, ColumnType, bool)]) -> Key {
    let columns = columns
        .iter()
        .map(|(name, kind, nullable)| ColumnDetail {
            name: Arc::from(*name),
            kind: kind.clone(),
            nullable: *nullable,
            generated: false,
            invisible: false,
            type_text: String::new(),
        })
        .collect::<Vec<_>>();
    let all: Vec<usize> = (0..columns.len()).collect();
    let detail = TableDetail { columns, primary_key: vec![], charset: "utf8mb4".into() };
    Key::new(&detail.schema(&TableName::new("d", "t")), &detail, &all).unwrap()
}

fn int() -> ColumnType {
    ColumnType::Integer { bits: 32, unsigned: false }
}

fn text() -> ColumnType {
    ColumnType::Text { charset: Charset::named("latin1").unwrap(), length: Some(9) }
}

fn bound(values: &[Option<&str>]) -> Bound {
    Bound(serde_json::to_string(values).unwrap())
}

#[test]
fn a_range_of_a_composite_key_is_an_or_of_prefixes() {
    let key = key(&[("a", int(), false), ("b", text(), false)]);
    assert_eq!(key.select_list(), "`a`, HEX(`b`)");
    let sql = key.range(Some(&bound(&[Some("1"), Some("41")])), &bound(&[Some("-9"), Some("")])).unwrap();
    assert_eq!(
        sql,
        "((`a` > 1) OR (`a` = 1 AND `b` > _latin1 0x41)) AND \
         ((`a` < -9) OR (`a` = -9 AND `b` < _latin1 '') OR (`a` = -9 AND `b` = _latin1 ''))"
    );
}

#[test]
fn null_comes_first() {
    let key = key(&[("a", int(), true)]);
    assert_eq!(key.range(None, &bound(&[Some("5")])).unwrap(), "(((`a` < 5 OR `a` IS NULL)) OR (`a` = 5))");
    assert_eq!(
        key.range(Some(&bound(&[None])), &bound(&[None])).unwrap(),
        "((`a` IS NOT NULL)) AND ((FALSE) OR (`a` IS NULL))"
    );
}

#[test]
fn a_bound_that_is_none_is_refused() {
    let key = key(&[("a", int(), false)]);
    for text in ["", "[]", "[\"1\",\"2\"]", "[\"1 or 1\"]", "[\"\"]", "[1]"] {
        assert!(key.range(None, &Bound(text.into())).is_err(), "{text}");
    }
    let text = super::tests::key(&[("a", text(), false)]);
    assert!(text.range(None, &bound(&[Some("4")])).is_err());
    assert!(text.range(None, &bound(&[Some("zz")])).is_err());
}

#[test]
fn keys_become_conditions_and_null_matches_nothing() {
    let key = key(&[("a", int(), false), ("b", text(), false)]);
    let keys =
        [vec![OwnedValue::Int(3), OwnedValue::Text("x".into())], vec![OwnedValue::Null, OwnedValue::Null]];
    assert_eq!(key.any_of(&keys).unwrap(), "(`a` = 3 AND `b` = _utf8mb4 0x78)");
    assert_eq!(key.any_of(&keys[1..]), None);
}

#[test]
fn a_decimal_that_somebody_names_is_a_number_or_matches_nothing() {
    let key = key(&[("a", ColumnType::Decimal { precision: 9, scale: 2 }, false)]);
    let any_of = |text: &str| key.any_of(&[vec![OwnedValue::Decimal(text.into())]]);
    assert_eq!(any_of("-12.50").unwrap(), "(`a` = -12.50)");
    for text in ["", "-", "1.", ".5", "1--2", "--1", "1e5", "1 OR 1", "1.5.2", "(SELECT 1)"] {
        assert_eq!(any_of(text), None, "{text}");
        assert_eq!(key.shown(&[OwnedValue::Decimal(text.into())]), None, "{text}");
    }
}

#[test]
fn keys_are_counted_up_to_the_last() {
    let above = |after: &str, last: &str, keys| above(&bound(&[Some(after)]), &bound(&[Some(last)]), keys);
    assert_eq!(above("-5", "100", 10), Some(bound(&[Some("5")])));
    assert_eq!(above("0090", "0100", 10), Some(bound(&[Some("0100")])), "as the server writes it");
    assert_eq!(above("99", "100", usize::MAX), Some(bound(&[Some("100")])));
    let (near, most) = ((u64::MAX - 1).to_string(), u64::MAX.to_string());
    assert_eq!(above(&near, &most, 40_000), Some(bound(&[Some(&most)])));
    assert_eq!(above("100", "100", 10), None);
    assert_eq!(above("101", "100", 10), None);
    assert_eq!(above("1.5", "100", 10), None);
    assert_eq!(super::above(&bound(&[None]), &bound(&[Some("1")]), 10), None);
    assert_eq!(super::above(&bound(&[Some("1"), Some("2")]), &bound(&[Some("1")]), 10), None);
}
