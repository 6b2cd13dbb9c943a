//! Patterns against a slow matcher that shares no code with the fast one.

use proptest::prelude::*;

use super::*;

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

#[test]
fn names_match_as_a_whole() {
    let cases = [
        ("shop.*", "shop.orders", true),
        ("shop.*", "shops.orders", false),
        ("shop.order?", "shop.orders", true),
        ("shop.order?", "shop.order", false),
        ("*.users", "a.users", true),
        ("*.users", "a.users2", false),
        ("shop.a*b*c", "shop.aXbYbZc", true),
        ("shop.a*b*c", "shop.aXbYbZ", false),
        ("shop.a[b]", "shop.a[b]", true),
        ("shop.a[b]", "shop.ab", false),
        ("*", "anything.at all", true),
        ("shop.é?", "shop.éß", true),
        ("shop.Orders", "shop.orders", false),
    ];
    for (text, name, expected) in cases {
        assert_eq!(pattern(text).matches(name, false), expected, "{text} {name}");
    }
    assert!(pattern("Shop.ORD*").matches("shop.Orders", true));
    assert!(pattern("shop.orders").is_literal() && !pattern("shop.o?").is_literal());
}

#[test]
fn a_name_without_a_database_is_refused() {
    for text in ["orders", "", "order?"] {
        assert_eq!(Pattern::parse(text).unwrap_err().code(), Code::ConfigBadValue, "{text}");
    }
}

#[test]
fn overlaps_are_found() {
    let cases = [
        ("shop.*", "*.orders", true),
        ("shop.*", "sh.*", false),
        ("shop.a*", "shop.*b", true),
        ("shop.a?", "shop.ab", true),
        ("shop.a?", "shop.abc", false),
        ("Shop.a", "shop.A", true),
    ];
    for (one, two, expected) in cases {
        assert_eq!(pattern(one).overlaps(&pattern(two)), expected, "{one} {two}");
        assert_eq!(pattern(two).overlaps(&pattern(one)), expected, "{two} {one}");
    }
}

#[test]
fn exclude_wins_and_ghost_tables_must_be_named() {
    let strings = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let selection =
        Selection::parse(&strings(&["shop.*", "shop._x_old"]), &strings(&["shop.temp_*"])).unwrap();
    assert!(selection.takes("shop.orders", false));
    assert!(!selection.takes("shop.temp_1", false));
    assert!(!selection.takes("shop._orders_gho", false));
    assert!(selection.takes("shop._x_old", false));
    assert!(!selection.takes("other.orders", false));
}

/// The definition, taken literally.
fn slow(pattern: &[char], name: &[char]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some(('*', rest)) => (0..=name.len()).any(|n| slow(rest, &name[n..])),
        Some(('?', rest)) => !name.is_empty() && slow(rest, &name[1..]),
        Some((c, rest)) => name.first() == Some(c) && slow(rest, &name[1..]),
    }
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

proptest! {
    #[test]
    fn the_fast_matcher_agrees_with_the_definition(text in "[ab.*?]{0,8}\\.", name in "[ab.]{0,8}\\.?") {
        prop_assert_eq!(pattern(&text).matches(&name, false), slow(&chars(&text), &chars(&name)));
    }

    #[test]
    fn patterns_with_a_common_name_overlap(one in "[ab*?]{0,6}\\.", two in "[ab*?]{0,6}\\.", name in "[ab]{0,6}\\.") {
        let (one, two) = (pattern(&one), pattern(&two));
        if one.matches(&name, false) && two.matches(&name, false) {
            prop_assert!(one.overlaps(&two));
        }
    }

    #[test]
    fn a_literal_overlaps_exactly_what_matches_it(text in "[ab*?]{0,6}\\.", name in "[ab]{0,6}\\.") {
        prop_assert_eq!(pattern(&text).overlaps(&pattern(&name)), pattern(&text).matches(&name, false));
    }
}
