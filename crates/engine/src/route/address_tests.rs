//! What templates make of rows: escapes per kind of name, keys as text, dates.

use proptest::prelude::*;

use super::*;
use crate::route::key::{shorten, write_key};
use crate::value::{Date, Value};

fn render_with(template: &str, escape: Escape, values: &[Value<'_>]) -> Result<String> {
    let template = Template::parse(template, escape == Escape::Redis)?;
    let schema = TableSchema::new("Shop", "Test Cases", Vec::new(), Vec::new());
    let mut column = |name: &str| Ok(name.strip_prefix('c').unwrap().parse().unwrap());
    let rendering = Rendering::bind(&template, escape, &schema, &mut column)?;
    let mut cells = Cells::default();
    cells.reset(values.len());
    values.iter().enumerate().for_each(|(slot, value)| cells.set(slot, *value));
    let mut key = String::new();
    write_key(&cells, &(0..values.len()).collect::<Vec<_>>(), &mut key).unwrap_or_default();
    let moment = cell_moment(&cells, 0);
    let mut out = String::new();
    rendering.write(&Facts { cells: &cells, key: &key, moment: &moment }, &mut out).map(|()| out)
}

#[test]
fn values_are_escaped_for_their_place() {
    let cases = [
        ("a_{c0}", Escape::Index, "Ab c/é", "a_ab_20c_2f_c3_a9"),
        ("a/{c0}", Escape::Path, "../Ab c", "a/..%2FAb%20c"),
        ("/a/{c0}", Escape::Url, "../b?c#d%2e", "/a/..%2Fb%3Fc%23d%252e"),
        ("/a/{c0}/", Escape::Url, "é ", "/a/%C3%A9%20/"),
        ("/?a={c0}", Escape::Url, "x&y=+", "/?a=x%26y%3D%2B"),
        ("/{key}", Escape::Url, "", "/%25"),
        ("a:{c0}", Escape::Redis, "x{y}:é", "a:x%7By%7D:é"),
        ("{a:{c0}}", Escape::Redis, "{", "{a:%7B}"),
        ("t_{c0}", Escape::Word, "A b", "t_A_20b"),
        ("{c0}", Escape::None, "A {b}", "A {b}"),
        ("{c0|lower}", Escape::None, "AÉ", "aé"),
        ("{table}-{database|lower}", Escape::Index, "", "test_20cases-shop"),
        ("{table}/{database|lower}", Escape::Path, "", "Test%20Cases/shop"),
        ("{key}", Escape::None, "", "%"),
        ("{key|lower}", Escape::None, "A:B%", "a:b%"),
    ];
    for (template, escape, value, expected) in cases {
        let rendered = render_with(template, escape, &[Value::Text(value)]).unwrap();
        assert_eq!(rendered, expected, "{template} {value}");
    }
}

#[test]
fn addresses_that_cannot_be_made_are_refused() {
    let cases: [(&str, Escape, Value<'_>); 13] = [
        ("/a/{c0}", Escape::Url, Value::Text("..")),
        ("/a/.{c0}/b", Escape::Url, Value::Text(".")),
        ("/a/{c0}/b", Escape::Url, Value::Text("")),
        ("/a/{c0}", Escape::Url, Value::Text("")),
        ("/{c0}?a=b", Escape::Url, Value::Text("")),
        ("/{c0}", Escape::Url, Value::Null),
        ("a/{c0}", Escape::Path, Value::Text("..")),
        ("a/{c0}/b", Escape::Path, Value::Text("")),
        ("{c0}", Escape::Index, Value::Text("")),
        ("{c0}", Escape::None, Value::Null),
        ("{c9}", Escape::None, Value::Null),
        ("{YYYY}", Escape::Index, Value::Null),
        ("{YYYY}", Escape::Index, Value::Text("yesterday")),
    ];
    for (template, escape, value) in cases {
        let error = render_with(template, escape, &[value]).unwrap_err();
        assert_eq!(error.code(), Code::RouteAddress, "{template} {value:?}");
    }
}

#[test]
fn dates_fill_patterns() {
    let date = Value::Date(Date { year: 2026, month: 1, day: 31 });
    assert_eq!(render_with("e_{YYYY-MM}", Escape::Index, &[date]).unwrap(), "e_2026-01");
    assert_eq!(render_with("{YYYY/MM/DD/HH}", Escape::Path, &[date]).unwrap(), "2026/01/31/00");
    let text = Value::Text("2026-02-03 04:05:06");
    assert_eq!(render_with("{YYYYMMDDHH}", Escape::Path, &[text]).unwrap(), "2026020304");
    let zero = Value::ZeroDate("2026-00-00");
    assert_eq!(render_with("{YYYY-MM}", Escape::Path, &[zero]).unwrap(), "2026-00");
}

#[test]
fn keys_are_joined_so_that_no_two_meet() {
    let key = |values: &[Value<'_>]| render_with("{key}", Escape::None, values);
    assert_eq!(key(&[Value::Int(-5)]).unwrap(), "-5");
    assert_eq!(key(&[Value::Text("a:b"), Value::Text("c")]).unwrap(), "a%3Ab:c");
    assert_eq!(key(&[Value::Text("a"), Value::Text("b:c")]).unwrap(), "a:b%3Ac");
    assert_eq!(key(&[Value::Text(""), Value::Text("%")]).unwrap(), "%:%25");
    assert_eq!(key(&[Value::ZeroDate("0000-00-00"), Value::UInt(1)]).unwrap(), "0000-00-00:1");
    let long = "x".repeat(513);
    let digest = key(&[Value::Text(&long)]).unwrap();
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
    assert_eq!(key(&[Value::Text(&long[1..])]).unwrap(), long[1..]);
    let mut cells = Cells::default();
    cells.reset(1);
    cells.set(0, Value::Null);
    assert_eq!(write_key(&cells, &[0], &mut String::new()).unwrap_err().code(), Code::RouteKeyNull);
}

proptest! {
    #[test]
    fn different_keys_have_different_texts(one in any::<[String; 3]>(), two in any::<[String; 3]>()) {
        let text = |parts: &[String; 3]| {
            let values: Vec<_> = parts.iter().map(|p| Value::Text(p)).collect();
            render_with("{key}", Escape::None, &values).unwrap()
        };
        prop_assert_eq!(text(&one) == text(&two), one == two);
    }

    #[test]
    fn escaped_names_hold_only_what_the_place_allows(value in "\\PC{1,20}") {
        let values = [Value::Text(&value)];
        let index = render_with("i{c0}", Escape::Index, &values).unwrap();
        prop_assert!(index.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b)));
        let path = render_with("p{c0}", Escape::Path, &values).unwrap();
        prop_assert!(path.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.%".contains(&b)));
        let url = render_with("/u{c0}", Escape::Url, &values).unwrap();
        prop_assert_eq!(&url[2..], &path[1..]);
        let key = render_with("k{c0}", Escape::Redis, &values).unwrap();
        let brace = key.contains(['{', '}']);
        prop_assert!(!brace);
    }

    #[test]
    fn an_id_is_never_longer_than_the_limit(text in "\\PC{0,600}") {
        let mut id = text;
        shorten(&mut id, 0);
        prop_assert!(id.len() <= crate::route::key::MAX_KEY);
    }
}
