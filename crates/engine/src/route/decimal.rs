//! Exact comparison of numbers as text: integers, decimals of any length and floats with an exponent, without rounding.

use std::cmp::Ordering;

/// Compares two numbers by value; `None` if one of the texts is no number.
pub(crate) fn compare(left: &str, right: &str) -> Option<Ordering> {
    if let (Some(left), Some(right)) = (small(left), small(right)) {
        return Some(left.cmp(&right));
    }
    let (left, right) = (Number::read(left)?, Number::read(right)?);
    Some(match (left.sign(), right.sign()) {
        (l, r) if l != r => l.cmp(&r),
        (0, _) => Ordering::Equal,
        (1, _) => left.size(&right),
        _ => right.size(&left),
    })
}

/// Whether the text is a number.
pub(crate) fn is_number(text: &str) -> bool {
    Number::read(text).is_some()
}

/// Whether the number is 0; `None` if the text is no number.
pub(crate) fn is_zero(text: &str) -> Option<bool> {
    Number::read(text).map(|n| n.sign() == 0)
}

/// The text of the integer that the number is (`12.00`, `1.2e1`); `None` if it is none or has more than 40 digits.
pub(crate) fn integer(text: &str) -> Option<i128> {
    if let Some(small) = small(text) {
        return Some(i128::from(small));
    }
    let number = Number::read(text)?;
    if number.sign() == 0 {
        return Some(0);
    }
    let places = number.magnitude();
    if !(1..=38).contains(&places) {
        return None;
    }
    let places = usize::try_from(places).ok()?;
    let mut value = 0i128;
    for (n, digit) in number.significant().enumerate() {
        match (n < places, digit) {
            (true, digit) => value = value * 10 + i128::from(digit - b'0'),
            (false, b'0') => {}
            (false, _) => return None,
        }
    }
    let missing = places.saturating_sub(number.significant().count());
    value *= 10i128.checked_pow(u32::try_from(missing).ok()?)?;
    Some(if number.negative { -value } else { value })
}

fn small(text: &str) -> Option<i64> {
    (text.len() <= 18).then(|| text.parse().ok()).flatten()
}

struct Number<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i64,
}

impl<'a> Number<'a> {
    fn read(text: &'a str) -> Option<Number<'a>> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            Some(at) => (&rest[..at], rest[at + 1..].parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let valid = digits(whole) && digits(fraction) && whole.len() + fraction.len() > 0;
        valid.then_some(Number { negative, whole, fraction, exponent: i64::from(exponent) })
    }

    fn digits(&self) -> impl Iterator<Item = u8> + '_ {
        self.whole.bytes().chain(self.fraction.bytes())
    }

    /// The digits without leading zeros.
    fn significant(&self) -> impl Iterator<Item = u8> + '_ {
        self.digits().skip_while(|b| *b == b'0')
    }

    fn sign(&self) -> i8 {
        match (self.significant().next(), self.negative) {
            (None, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        }
    }

    /// How many digits stand before the point, negative for leading zeros behind it.
    fn magnitude(&self) -> i64 {
        let leading = self.digits().take_while(|b| *b == b'0').count();
        self.whole.len() as i64 - leading as i64 + self.exponent
    }

    /// Compares without sign; neither is zero.
    fn size(&self, other: &Number<'_>) -> Ordering {
        self.magnitude().cmp(&other.magnitude()).then_with(|| {
            let (mut left, mut right) = (self.significant(), other.significant());
            loop {
                match (left.next(), right.next()) {
                    (None, None) => return Ordering::Equal,
                    (l, r) => match l.unwrap_or(b'0').cmp(&r.unwrap_or(b'0')) {
                        Ordering::Equal => {}
                        unequal => return unequal,
                    },
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_compare_by_value() {
        let rising = [
            "-1e300",
            "-10.5",
            "-10",
            "-0.001",
            "0",
            "1e-300",
            "0.1",
            "0.10000000000000000000000001",
            "1",
            "1.5e1",
            "15.01",
            "9007199254740993",
            "9007199254740993.5",
            "18446744073709551615",
            "1e20",
        ];
        for (n, one) in rising.iter().enumerate() {
            for (m, two) in rising.iter().enumerate() {
                assert_eq!(compare(one, two), Some(n.cmp(&m)), "{one} {two}");
            }
        }
        for (one, two) in [("1.50", "1.5"), ("-0.0", "0"), ("1e2", "100"), ("0.001e3", "1"), ("007", "7")] {
            assert_eq!(compare(one, two), Some(Ordering::Equal), "{one} {two}");
        }
        for text in ["", "-", ".", "1.2.3", "abc", "1e", "0x10", "1e99999999999", "١"] {
            assert_eq!(compare(text, "1"), None, "{text}");
        }
    }

    #[test]
    fn integers_are_found_in_any_spelling() {
        let cases = [
            ("12", Some(12)),
            ("12.00", Some(12)),
            ("-1.2e1", Some(-12)),
            ("1e3", Some(1000)),
            ("12.5", None),
            ("0.5", None),
            ("0.000", Some(0)),
            ("18446744073709551615", Some(18_446_744_073_709_551_615)),
            ("1e300", None),
            ("x", None),
        ];
        for (text, expected) in cases {
            assert_eq!(integer(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_integers(l in any::<i128>(), r in any::<i128>(), scale in 0usize..5) {
            let text = |v: i128| format!("{v}{}{}", if scale > 0 { "." } else { "" }, "0".repeat(scale));
            prop_assert_eq!(compare(&text(l), &text(r)), Some(l.cmp(&r)));
        }

        #[test]
        fn agrees_with_floats(l in -1e9..1e9f64, r in -1e9..1e9f64) {
            prop_assert_eq!(compare(&l.to_string(), &format!("{r:e}")), l.partial_cmp(&r));
        }

        #[test]
        fn any_text_is_no_panic(l in any::<String>(), r in "[-+0-9.eE]{0,12}") {
            compare(&l, &r);
            integer(&r);
        }
    }
}
