//! How templates are read.

use super::*;

fn column(name: &str, lower: bool) -> Piece {
    Piece::Field { name: Name::Column(name.into()), lower }
}

fn literal(text: &str) -> Piece {
    Piece::Literal(text.into())
}

#[test]
fn placeholders_and_literals_alternate() {
    let parse = |text| Template::parse(text, true).unwrap().pieces;
    assert_eq!(parse("cases_v1"), [literal("cases_v1")]);
    assert_eq!(parse("case:{case_id}"), [literal("case:"), column("case_id", false)]);
    assert_eq!(parse("{a|lower}{b}"), [column("a", true), column("b", false)]);
    assert_eq!(parse("{user:{id}}"), [literal("{user:"), column("id", false), literal("}")]);
    assert_eq!(parse("{{id}}"), [literal("{"), column("id", false), literal("}")]);
    let year = [DatePiece::Year, DatePiece::Separator('-'), DatePiece::Month];
    assert_eq!(parse("e_{YYYY-MM}_v1"), [literal("e_"), Piece::Date(year.into()), literal("_v1")]);
    let hour = [DatePiece::Year, DatePiece::Month, DatePiece::Day, DatePiece::Hour];
    assert_eq!(parse("{YYYYMMDDHH}"), [Piece::Date(hour.into())]);
    for (text, name) in [("{database}", Name::Database), ("{table}", Name::Table), ("{key}", Name::Key)] {
        assert_eq!(parse(text), [Piece::Field { name, lower: false }]);
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let cases = [
        ("", "it is empty"),
        ("a{b", "a `{` is not closed"),
        ("a}", "a `}` has no `{`"),
        ("{{id}", "a `{` is not closed"),
        ("{}", "empty braces"),
        ("{a|upper}", "`|upper` is unknown; there is `|lower`"),
    ];
    for (text, expected) in cases {
        let error = Template::parse(text, true).unwrap_err();
        assert_eq!(error.code(), Code::RouteTemplate);
        assert!(error.message().ends_with(expected), "{text}: {}", error.message());
    }
    assert!(Template::parse("{{id}}", false).unwrap_err().message().ends_with("braces inside braces"));
}
