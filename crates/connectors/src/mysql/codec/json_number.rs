//! Doubles as MySQL prints them inside JSON: the shortest digits that read back the same, as a plain number where that is
//! not too long, else with an exponent; always with a point or an exponent, so that they stay doubles.

use std::fmt::Write;

/// Adds the text of `d`. `false` for what JSON cannot hold.
pub fn push_double(d: f64, out: &mut String) -> bool {
    if !d.is_finite() {
        return false;
    }
    if d == 0.0 {
        out.push_str(if d.is_sign_negative() { "-0.0" } else { "0.0" });
        return true;
    }
    if d < 0.0 {
        out.push('-');
    }
    let mut buffer = ryu::Buffer::new();
    let (digits, point) = split(buffer.format_finite(d.abs()));
    write(&digits, point, out);
    true
}

/// The significant digits, and where the point stands counted from before the first one.
fn split(text: &str) -> (String, i32) {
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse().unwrap_or(0)),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let leading = all.len() - all.trim_start_matches('0').len();
    let digits = all.trim_matches('0').to_owned();
    (digits, whole.len() as i32 - leading as i32 + exponent)
}

/// The servers' limit for plain numbers: so many zeros on either side of the digits' end.
const MAX_PLAIN: i32 = 15;

fn write(digits: &str, point: i32, out: &mut String) {
    let len = digits.len() as i32;
    if point < -MAX_PLAIN + 1 || (point > MAX_PLAIN && len <= point) {
        let (first, rest) = digits.split_at(1);
        out.push_str(first);
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        // Writing into a string cannot fail.
        let _ = write!(out, "e{}", point - 1);
    } else if point <= 0 {
        out.push_str("0.");
        zeros(-point, out);
        out.push_str(digits);
    } else if len <= point {
        out.push_str(digits);
        zeros(point - len, out);
        out.push_str(".0");
    } else {
        let (whole, fraction) = digits.split_at(point as usize);
        out.push_str(whole);
        out.push('.');
        out.push_str(fraction);
    }
}

fn zeros(n: i32, out: &mut String) {
    for _ in 0..n {
        out.push('0');
    }
}
