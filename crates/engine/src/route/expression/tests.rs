//! The `when` language, case by case on one row, and on any text.

use proptest::prelude::*;

use super::*;
use crate::json::ZeroDates;
use crate::route::cells::Cells;
use crate::value::{Clock, Date, Value};

const COLUMNS: [&str; 12] =
    ["price", "qty", "big", "rate", "name", "none", "day", "at", "ts", "zero", "flag", "order by"];

fn column(name: &str) -> Result<usize> {
    COLUMNS
        .iter()
        .position(|c| c.eq_ignore_ascii_case(name))
        .ok_or_else(|| Error::new(Code::RouteColumn, format!("no column {name}")).fix("use one that exists"))
}

fn parse(text: &str) -> Result<Expression> {
    Expression::parse(text, &mut column)
}

fn row() -> Cells {
    let date = Date { year: 2026, month: 1, day: 31 };
    let time = Clock { hour: 12, minute: 30, second: 0, micros: 500_000, digits: 6 };
    let midnight = Clock { hour: 0, minute: 0, second: 0, micros: 0, digits: 0 };
    let mut cells = Cells::default();
    cells.reset(COLUMNS.len());
    let values = [
        Value::Decimal("12.50"),
        Value::Int(-3),
        Value::UInt(u64::MAX),
        Value::Float(0.1),
        Value::Text("O'Neil 50%"),
        Value::Null,
        Value::Date(date),
        Value::DateTime { date, time, utc: false },
        Value::DateTime { date, time: midnight, utc: true },
        Value::ZeroDate("0000-00-00"),
        Value::Int(1),
        Value::Text("7"),
    ];
    for (slot, value) in values.into_iter().enumerate() {
        cells.set(slot, value);
    }
    cells
}

#[test]
fn conditions_hold_as_in_sql() {
    let (yes, no, null) = (Some(true), Some(false), None);
    let cases = [
        ("price > 12.4999999999999999999", yes),
        ("price = 12.5", yes),
        ("price == 12.50 and qty < 0", yes),
        ("PRICE <> 12.5", no),
        ("price != '12.5'", no),
        ("qty in (1, -3)", yes),
        ("qty not in (1, 2)", yes),
        ("qty in (1, null)", null),
        ("qty in (-3, null)", yes),
        ("big = 18446744073709551615", yes),
        ("big > 18446744073709551614.9", yes),
        ("rate = 0.1", yes),
        ("rate >= 1e-1 and rate <= 1E-1", yes),
        ("name = 'O''Neil 50%'", yes),
        ("name like 'O%'", yes),
        ("name like '%50\\%'", yes),
        ("name like '_''neil%'", no),
        ("name not like 'X%'", yes),
        ("name > 5", null),
        ("none = 1", null),
        ("none <> 1", null),
        ("not none = 1", null),
        ("none is null", yes),
        ("none is not null", no),
        ("name is not null", yes),
        ("none = 1 or qty = -3", yes),
        ("none = 1 and qty = 0", no),
        ("none = 1 and qty = -3", null),
        ("day = '2026-01-31'", yes),
        ("day >= '2026-01-01' and day < '2026-02-01'", yes),
        ("at = '2026-01-31 12:30:00.5'", yes),
        ("at > '2026-01-31T12:30:00'", yes),
        ("at > '2026-01-31'", yes),
        ("at < day", no),
        ("ts = '2026-01-31'", yes),
        ("ts = '2026-01-31T00:00:00Z'", yes),
        ("ts <= '2026-01-30 23:59:59'", no),
        ("zero is null", yes),
        ("flag", yes),
        ("not flag", no),
        ("flag = true and not (flag = false)", yes),
        ("true", yes),
        ("null", null),
        ("`order by` = 7", yes),
        ("(price > 1 or none) and (qty<1)", yes),
        ("not not flag", yes),
        ("qty=-3", yes),
    ];
    let row = row();
    for (text, expected) in cases {
        assert_eq!(parse(text).unwrap().test(&row, ZeroDates::Null), expected, "{text}");
    }
    assert_eq!(parse("zero = '0000-00-00'").unwrap().test(&row, ZeroDates::Text), yes);
}

#[test]
fn errors_name_the_place() {
    let cases = [
        ("", "the expression ends where a value is expected at character 1 of \"\""),
        ("price >", "the expression ends where a value is expected at character 8 of \"price >\""),
        ("prise > 1", "no column prise at character 1 of \"prise > 1\""),
        ("price > 1 qty", "`qty` is not expected at character 11 of \"price > 1 qty\""),
        ("price = 'é", "a quote is not closed at character 9 of \"price = 'é\""),
        ("name = 'é' and )", "`)` stands where a value is expected at character 16 of \"name = 'é' and )\""),
        ("price in 1", "`(` is expected behind `in` at character 10 of \"price in 1\""),
        ("price in (1", "`)` is expected at character 12 of \"price in (1\""),
        ("price is 1", "`null` is expected at character 10 of \"price is 1\""),
        ("name like 5", "a text is expected behind `like` at character 11 of \"name like 5\""),
        ("price = 1.2.3", "\"1.2.3\" is no number at character 9 of \"price = 1.2.3\""),
        ("(price = 1) = 2", "a condition cannot be compared at character 1 of \"(price = 1) = 2\""),
        ("price ; 1", "';' is not expected at character 7 of \"price ; 1\""),
        ("price not 1", "`in` or `like` is expected behind `not` at character 11 of \"price not 1\""),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text).unwrap_err().message(), expected, "{text}");
    }
    assert_eq!(parse("prise = 1").unwrap_err().code(), Code::RouteColumn);
    assert_eq!(parse("price = ").unwrap_err().code(), Code::RouteFilter);
}

#[test]
fn deep_nesting_is_refused() {
    let deep = format!("{}flag{}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(parse(&deep).unwrap_err().message().starts_with("the expression is nested too deeply"));
    assert!(parse(&format!("{}flag", "not ".repeat(10_000))).is_ok());
}

proptest! {
    #[test]
    fn any_text_is_an_expression_or_an_error(text in any::<String>()) {
        let _ = parse(&text).map(|e| e.test(&row(), ZeroDates::Null));
    }

    #[test]
    fn any_words_are_an_expression_or_an_error(
        words in prop::collection::vec(
            prop_oneof![
                Just("price"), Just("none"), Just("and"), Just("or"), Just("not"), Just("in"), Just("is"),
                Just("null"), Just("("), Just(")"), Just(","), Just("="), Just("<"), Just("1.5"), Just("'x'"), Just("like"),
            ],
            0..12,
        )
    ) {
        if let Ok(expression) = parse(&words.join(" ")) {
            let not = parse(&format!("not ({})", words.join(" "))).unwrap();
            let row = row();
            prop_assert_eq!(expression.test(&row, ZeroDates::Null).map(|b| !b), not.test(&row, ZeroDates::Null));
        }
    }
}
