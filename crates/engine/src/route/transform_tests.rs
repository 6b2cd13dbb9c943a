//! Each transform on each kind of value that it takes, and on those it refuses.

use std::sync::Arc;

use super::*;
use crate::value::{Clock, Date, Labels};

fn run(action: TransformAction, value: Value<'_>) -> std::result::Result<String, String> {
    chain(vec![action], value)
}

fn chain(actions: Vec<TransformAction>, value: Value<'_>) -> std::result::Result<String, String> {
    let compile = |action| Action::new(&TransformSpec { field: "f".into(), action }, false).unwrap().unwrap();
    let actions: Vec<Action> = actions.into_iter().map(compile).collect();
    let mut out = Vec::new();
    match write(&mut out, "f", value, &actions, ZeroDates::Null) {
        Ok(_) => Ok(String::from_utf8(out).unwrap()),
        Err(error) => {
            assert_eq!(error.code(), Code::RouteValue);
            Err(error.message().to_owned())
        }
    }
}

fn split(separator: &str) -> TransformAction {
    TransformAction::Split(separator.into())
}

#[test]
fn values_become_what_the_transform_says() {
    use TransformAction::{Boolean, Float, Integer, Json, Keyword};
    let labels: Vec<Arc<str>> = vec!["a".into(), "b".into()];
    let set = Value::Set(Labels::List(&labels));
    let cases = [
        (split(","), Value::Text("a,b c,"), "[\"a\",\"b c\",\"\"]"),
        (split(","), Value::Text(""), "[]"),
        (split(","), Value::Null, "null"),
        (split(","), set, "[\"a\",\"b\"]"),
        (Json, Value::Text(" {\"a\" : 1.10, \"a\":1E400} "), "{\"a\":1e+400}"),
        (Json, Value::Text("\"x\""), "\"x\""),
        (Json, Value::Null, "null"),
        (Integer, Value::Text(" 12 "), "12"),
        (Integer, Value::Decimal("12.00"), "12"),
        (Integer, Value::Double(3.0), "3"),
        (Integer, Value::Null, "null"),
        (Float, Value::Decimal("12.50"), "12.5"),
        (Float, Value::Int(2), "2.0"),
        (Float, Value::Float(0.1), "0.1"),
        (Boolean, Value::Int(1), "true"),
        (Boolean, Value::UInt(0), "false"),
        (Boolean, Value::Text("No"), "false"),
        (Boolean, Value::Decimal("0.00"), "false"),
        (Keyword, Value::Int(5), "\"5\""),
        (Keyword, Value::Decimal("5.0"), "\"5.0\""),
        (Keyword, set, "[\"a\",\"b\"]"),
        (TransformAction::Text { analyzer: None }, Value::Text("x"), "\"x\""),
        (TransformAction::Date { format: None, zone: None }, Value::ZeroDate("0000-00-00"), "null"),
    ];
    for (action, value, expected) in cases {
        assert_eq!(run(action.clone(), value).as_deref(), Ok(expected), "{action:?} {value:?}");
    }
}

#[test]
fn dates_use_value_or_text() {
    let date = Date { year: 2026, month: 1, day: 31 };
    let time = Clock { hour: 12, minute: 0, second: 0, micros: 0, digits: 0 };
    let action =
        || TransformAction::Date { format: Some("dd.MM.yyyy".into()), zone: Some("Europe/Berlin".into()) };
    assert_eq!(run(action(), Value::Text("31.01.2026")).unwrap(), "\"2026-01-30T23:00:00Z\"");
    assert_eq!(
        run(action(), Value::DateTime { date, time, utc: false }).unwrap(),
        "\"2026-01-31T11:00:00Z\""
    );
    assert_eq!(run(action(), Value::DateTime { date, time, utc: true }).unwrap(), "\"2026-01-31T12:00:00Z\"");
    assert_eq!(run(action(), Value::Date(date)).unwrap(), "\"2026-01-30T23:00:00Z\"");
    let error = run(action(), Value::Text("2026-01-31")).unwrap_err();
    assert_eq!(error, "field f: \"2026-01-31\" is no date of the form dd.MM.yyyy");
}

#[test]
fn values_that_do_not_fit_are_refused_and_named() {
    use TransformAction::{Boolean, Float, GeoJson, Integer, Json};
    let cases = [
        (Integer, Value::Text("12.5"), "field f: \"12.5\" is no integer"),
        (Integer, Value::Text(""), "field f: \"\" is no integer"),
        (Integer, Value::UInt(u64::MAX), "field f: \"18446744073709551615\" is too large for an integer"),
        (Float, Value::Text("NaN"), "field f: \"NaN\" is no number"),
        (Float, Value::Text("1e999"), "field f: \"1e999\" is no number"),
        (Boolean, Value::Text("maybe"), "field f: \"maybe\" is no boolean"),
        (GeoJson, Value::Text("x"), "field f: \"x\" is no geometry"),
        (GeoJson, Value::Geometry { srid: 0, wkb: &[1, 2] }, "field f: the geometry is cut short"),
    ];
    for (action, value, expected) in cases {
        assert_eq!(run(action.clone(), value).unwrap_err(), expected);
    }
    let long = "x".repeat(500);
    assert!(run(Json, Value::Text(&long)).unwrap_err().len() < 200);
    let deep = "[".repeat(100_000);
    assert!(run(Json, Value::Text(&deep)).is_err());
}

#[test]
fn transforms_follow_one_another() {
    let actions = vec![TransformAction::Keyword, split("-")];
    assert_eq!(chain(actions, Value::Int(-5)).unwrap(), "[\"\",\"5\"]");
    let actions = vec![TransformAction::Boolean, TransformAction::Integer];
    assert_eq!(chain(actions, Value::Text("yes")).unwrap(), "1");
}
