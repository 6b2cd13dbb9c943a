//! Conditions asked of documents.

use bytes::Bytes;

use super::*;
use crate::route::RowTest;
use crate::route::fixture::{column, integer, route, text, transform};
use crate::sink::Address;
use crate::version::Version;

fn schema() -> TableSchema {
    let columns = vec![
        column("id", integer()),
        column("state", text()),
        column("price", ColumnKind::Decimal { precision: 10, scale: 2 }),
        column("at", ColumnKind::Timestamp { digits: 3 }),
        column("born", ColumnKind::Date),
        column("tags", text()),
        column("secret", text()),
    ];
    TableSchema::new("shop", "t", columns, vec![0])
}

fn is(condition: &str, document: &str) -> Option<bool> {
    let mut route = route("shop.t", Vec::new());
    route.transforms = vec![
        transform("status", TransformAction::Rename { from: "state".into() }),
        transform("status", TransformAction::Text { analyzer: None }),
        transform("tags", TransformAction::Split(",".into())),
        transform("secret", TransformAction::Drop),
    ];
    let schema = schema();
    let held = Held {
        address: Address { target: "t".into(), id: "7".into() },
        version: Version::ZERO,
        document: Some(Bytes::copy_from_slice(document.as_bytes())),
    };
    let row = row(&held, &schema, &members(&route, &schema).unwrap(), (&[0], &[OwnedValue::Int(7)]));
    RowTest::bind(condition, &schema, false).unwrap().passes(&row).ok()
}

#[test]
fn a_document_says_what_its_row_would_hold() {
    let document = r#"{"id":9,"status":"open","price":"12.50","at":"2026-01-31T12:00:00.120Z","born":"1999-12-31",
        "tags":["a"],"state":"closed"}"#;
    for (condition, expected) in [
        ("state = 'open' and price > 12.4", Some(true)),
        ("state = 'closed'", Some(false)),
        ("at >= '2026-01-31' and at < '2026-01-31 12:00:00.2'", Some(true)),
        ("born = '1999-12-31'", Some(true)),
        // Its address says which it is.
        ("id = 7", Some(true)),
        ("tags = 'a'", None),
        ("secret = 'x'", None),
        ("state = 'open' or secret = 'x'", None),
    ] {
        assert_eq!(is(condition, document), expected, "{condition}");
    }
}

#[test]
fn what_is_null_is_told_and_what_is_no_value_is_not() {
    assert_eq!(is("state is null", r#"{"status":null}"#), Some(true));
    assert_eq!(is("state is null", "{}"), None);
    assert_eq!(is("state = 'a'", r#"{"status":5}"#), None);
    assert_eq!(is("price = 1", r#"{"price":1}"#), None);
    for at in
        ["", "T", "2026", "2026-01-31T", "2026-01-31T12", "2026-01-31T12:00:00.1234567", "2026-01-31T1:2:x"]
    {
        assert_eq!(is("at is null", &format!(r#"{{"at":"{at}"}}"#)), None, "{at}");
    }
    for document in ["", "[]", "7", r#"{"status":"#] {
        assert_eq!(is("state = 'a'", document), None, "{document}");
    }
}
