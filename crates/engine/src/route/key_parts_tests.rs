//! A key's text names one row, whatever its parts hold.

use crate::schema::Column;

use super::*;

fn table() -> TableSchema {
    let column = |name: &str, kind| Column { name: name.into(), kind, nullable: false };
    let text = || ColumnKind::Text { length: None };
    TableSchema::new(
        "shop",
        "things",
        vec![column("a", text()), column("b", text()), column("c", text())],
        vec![0, 1],
    )
}

#[test]
fn parts_are_split_and_decoded() {
    let two = |text: &str| key_parts(text, &[0, 1], &table());
    assert_eq!(two("x:y").unwrap(), ["x", "y"]);
    assert_eq!(two("a%3Ab:100%25").unwrap(), ["a:b", "100%"]);
    assert_eq!(two("%:y").unwrap(), ["", "y"]);
    for bad in ["x", "x:y:z", "x:%z", "x:%2", "x:%FF"] {
        assert!(two(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_key_of_one_part_is_plain_text() {
    assert_eq!(key_parts("a:b%", &[0], &table()).unwrap(), ["a:b%"]);
    assert_eq!(key_parts("%", &[0], &table()).unwrap(), [""]);
}

#[test]
fn a_row_of_its_key_holds_nothing_else() {
    let row = row_of_key(&table(), &[1, 0], &["y".to_owned(), "x".to_owned()]);
    let columns = row.columns(&[0, 1, 2]).unwrap();
    let text = |t: &str| Some(OwnedValue::Text(t.into()));
    assert_eq!(columns, [text("x"), text("y"), None]);
}
