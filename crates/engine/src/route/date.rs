//! Dates in text, read by a pattern of letters (`yyyy-MM-dd HH:mm:ss`) or as ISO, in a time zone, written in UTC.
//! Nothing here guesses: text that does not fit as a whole is refused.

use jiff::civil;
use jiff::tz::TimeZone;

use crate::error::{Code, Error, Result};
use crate::json;
use crate::value::{Clock, Date};

/// Reads the dates of one field.
#[derive(Debug)]
pub(crate) struct DateReader {
    forms: Vec<Form>,
    zone: TimeZone,
    shown: String,
}

#[derive(Debug, PartialEq)]
enum Form {
    Iso,
    /// Seconds, or milliseconds, since 1970.
    Epoch {
        millis: bool,
    },
    Letters(Vec<Letter>),
}

/// One run of a pattern. Numbers take exactly `width` digits, one-letter ones as many as there are, at most two.
#[derive(Debug, PartialEq, Clone)]
enum Letter {
    Literal(char),
    Year(usize),
    Month(usize),
    MonthName { long: bool },
    Day(usize),
    Hour(usize),
    HalfHour(usize),
    Minute(usize),
    Second(usize),
    Fraction(usize),
    AmPm,
    WeekDay,
    Offset,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEK: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// What was read so far.
#[derive(Default)]
struct Parts {
    year: i16,
    month: i8,
    day: i8,
    hour: i8,
    minute: i8,
    second: i8,
    nanos: i32,
    digits: usize,
    afternoon: Option<bool>,
    /// Seconds east of UTC.
    offset: Option<i32>,
}

impl DateReader {
    /// `format`: patterns joined by `||`, `epoch_second`, `epoch_millis`; ISO without. `zone`: UTC without.
    pub fn new(format: Option<&str>, zone: Option<&str>) -> Result<DateReader> {
        let zone = match zone {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|_| {
                Error::new(Code::RouteTransform, format!("the time zone {name:?} is unknown"))
                    .fix("use a name of the IANA database, like Europe/Berlin, or UTC")
            })?,
        };
        let forms = match format {
            None => vec![Form::Iso],
            Some(text) => text.split("||").map(form).collect::<Result<_>>()?,
        };
        Ok(DateReader { forms, zone, shown: format.unwrap_or("yyyy-MM-ddTHH:mm:ss").to_owned() })
    }

    /// The form it expects, for messages.
    pub fn form(&self) -> &str {
        &self.shown
    }

    /// A date that is none of text, taken in the reader's zone.
    pub fn date(&self, date: Date, time: Option<Clock>) -> Option<String> {
        let time = time.unwrap_or(Clock { hour: 0, minute: 0, second: 0, micros: 0, digits: 0 });
        self.utc(&Parts {
            year: i16::try_from(date.year).ok()?,
            month: i8::try_from(date.month).ok()?,
            day: i8::try_from(date.day).ok()?,
            hour: i8::try_from(time.hour).ok()?,
            minute: i8::try_from(time.minute).ok()?,
            second: i8::try_from(time.second).ok()?,
            nanos: i32::try_from(time.micros).ok()?.checked_mul(1000)?,
            digits: usize::from(time.digits),
            ..Parts::default()
        })
    }

    /// The text in UTC; `None` if it does not fit the form or the calendar.
    pub fn read(&self, text: &str) -> Option<String> {
        self.forms.iter().find_map(|form| match form {
            Form::Iso => self.utc(&iso(text)?),
            Form::Epoch { millis } => epoch(text, *millis),
            Form::Letters(letters) => self.utc(&read_letters(letters, text)?),
        })
    }

    fn utc(&self, parts: &Parts) -> Option<String> {
        let hour = match parts.afternoon {
            Some(afternoon) if (1..=12).contains(&parts.hour) => {
                parts.hour % 12 + if afternoon { 12 } else { 0 }
            }
            Some(_) => return None,
            None => parts.hour,
        };
        let (year, month, day) = (parts.year, parts.month, parts.day);
        let local =
            civil::DateTime::new(year, month, day, hour, parts.minute, parts.second, parts.nanos).ok()?;
        let timestamp = match parts.offset {
            Some(seconds) => jiff::tz::Offset::from_seconds(seconds).ok()?.to_timestamp(local).ok()?,
            None => self.zone.to_timestamp(local).ok()?,
        };
        Some(show(timestamp, parts.digits))
    }
}

fn show(timestamp: jiff::Timestamp, digits: usize) -> String {
    let utc = TimeZone::UTC.to_datetime(timestamp);
    let (date, time) = (utc.date(), utc.time());
    let narrow = |n: i8| n.unsigned_abs();
    let date =
        Date { year: date.year().unsigned_abs(), month: narrow(date.month()), day: narrow(date.day()) };
    let clock = Clock {
        hour: u16::from(narrow(time.hour())),
        minute: narrow(time.minute()),
        second: narrow(time.second()),
        micros: time.subsec_nanosecond().unsigned_abs() / 1000,
        digits: digits.min(6) as u8,
    };
    let mut text = Vec::with_capacity(32);
    json::write_datetime(&mut text, date, clock, false);
    let mut text = String::from_utf8(text).unwrap_or_default();
    if digits > 6 {
        let nanos = format!("{:03}", time.subsec_nanosecond() % 1000);
        text.push_str(&nanos[..(digits - 6).min(3)]);
    }
    text.push('Z');
    text
}

fn epoch(text: &str, millis: bool) -> Option<String> {
    let number: i64 = text.parse().ok()?;
    let timestamp =
        if millis { jiff::Timestamp::from_millisecond(number) } else { jiff::Timestamp::from_second(number) };
    Some(show(timestamp.ok()?, if millis { 3 } else { 0 }))
}

fn form(text: &str) -> Result<Form> {
    match text {
        "epoch_second" => return Ok(Form::Epoch { millis: false }),
        "epoch_millis" => return Ok(Form::Epoch { millis: true }),
        "iso" | "iso8601" => return Ok(Form::Iso),
        _ => {}
    }
    let bad = |what: String| {
        Error::new(Code::RouteTransform, format!("the date format {text:?} cannot be read: {what}"))
            .fix("use the letters of yyyy-MM-dd HH:mm:ss.SSSSSSXXX, with other text in single quotes")
    };
    let mut letters = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\'' {
            quoted(&mut chars, &mut letters).ok_or_else(|| bad("a quote is not closed".to_owned()))?;
            continue;
        }
        let mut width = 1;
        while c.is_ascii_alphabetic() && chars.next_if_eq(&c).is_some() {
            width += 1;
        }
        letters.push(
            letter(c, width).ok_or_else(|| bad(format!("`{}` is unknown", c.to_string().repeat(width))))?,
        );
    }
    let has = |wanted: fn(&Letter) -> bool| letters.iter().any(wanted);
    let dated = has(|l| matches!(l, Letter::Year(_)))
        && has(|l| matches!(l, Letter::Month(_) | Letter::MonthName { .. }))
        && has(|l| matches!(l, Letter::Day(_)));
    if !dated {
        return Err(bad("it needs year, month and day".to_owned()));
    }
    Ok(Form::Letters(letters))
}

fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, letters: &mut Vec<Letter>) -> Option<()> {
    if chars.next_if_eq(&'\'').is_some() {
        letters.push(Letter::Literal('\''));
        return Some(());
    }
    loop {
        match chars.next()? {
            '\'' if chars.next_if_eq(&'\'').is_some() => letters.push(Letter::Literal('\'')),
            '\'' => return Some(()),
            c => letters.push(Letter::Literal(c)),
        }
    }
}

fn letter(c: char, width: usize) -> Option<Letter> {
    Some(match (c, width) {
        ('y' | 'u', 1 | 2 | 4) => Letter::Year(width),
        ('M' | 'L', 1 | 2) => Letter::Month(width),
        ('M' | 'L', 3) => Letter::MonthName { long: false },
        ('M' | 'L', 4) => Letter::MonthName { long: true },
        ('d', 1 | 2) => Letter::Day(width),
        ('H', 1 | 2) => Letter::Hour(width),
        ('h', 1 | 2) => Letter::HalfHour(width),
        ('m', 1 | 2) => Letter::Minute(width),
        ('s', 1 | 2) => Letter::Second(width),
        ('S', 1..=9) => Letter::Fraction(width),
        ('a', 1) => Letter::AmPm,
        ('E', 1..=4) => Letter::WeekDay,
        ('X' | 'x' | 'Z', 1..=3) => Letter::Offset,
        (c, _) if !c.is_ascii_alphabetic() => Letter::Literal(c),
        _ => return None,
    })
}

fn read_letters(letters: &[Letter], text: &str) -> Option<Parts> {
    let mut parts = Parts::default();
    let mut rest = text;
    for letter in letters {
        rest = read_letter(letter, rest, &mut parts)?;
    }
    rest.is_empty().then_some(parts)
}

fn read_letter<'a>(letter: &Letter, text: &'a str, parts: &mut Parts) -> Option<&'a str> {
    let rest;
    match letter {
        Letter::Literal(c) => return text.strip_prefix(*c),
        Letter::Year(2) => {
            let (year, after) = number(text, 2)?;
            (parts.year, rest) = (2000 + i16::try_from(year).ok()?, after);
        }
        Letter::Year(_) => {
            let (year, after) = number(text, 4)?;
            (parts.year, rest) = (i16::try_from(year).ok()?, after);
        }
        Letter::Month(width) => (parts.month, rest) = small(text, *width)?,
        Letter::Day(width) => (parts.day, rest) = small(text, *width)?,
        Letter::Hour(width) => (parts.hour, rest) = small(text, *width)?,
        Letter::HalfHour(width) => {
            (parts.hour, rest) = small(text, *width)?;
            parts.afternoon.get_or_insert(false);
        }
        Letter::Minute(width) => (parts.minute, rest) = small(text, *width)?,
        Letter::Second(width) => (parts.second, rest) = small(text, *width)?,
        Letter::Fraction(width) => {
            let (fraction, after) = number(text, *width)?;
            parts.nanos = i32::try_from(fraction * 10u64.pow(9 - u32::try_from(*width).ok()?)).ok()?;
            parts.digits = *width;
            rest = after;
        }
        Letter::AmPm => {
            let word = text.get(..2)?;
            let afternoon = word.eq_ignore_ascii_case("pm");
            if !afternoon && !word.eq_ignore_ascii_case("am") {
                return None;
            }
            parts.afternoon = Some(afternoon);
            rest = &text[2..];
        }
        Letter::MonthName { long } => {
            let (month, after) = name(text, &MONTHS, *long)?;
            (parts.month, rest) = (i8::try_from(month + 1).ok()?, after);
        }
        Letter::WeekDay => (_, rest) = name(text, &WEEK, true).or_else(|| name(text, &WEEK, false))?,
        Letter::Offset => {
            let (offset, after) = offset(text)?;
            (parts.offset, rest) = (Some(offset), after);
        }
    }
    Some(rest)
}

/// Exactly `width` digits.
fn number(text: &str, width: usize) -> Option<(u64, &str)> {
    let digits = text.get(..width)?;
    let value = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()?;
    Some((value, &text[width..]))
}

/// Two digits, or for a width of 1 one or two.
fn small(text: &str, width: usize) -> Option<(i8, &str)> {
    let (value, rest) = match number(text, 2) {
        Some(two) => two,
        None if width == 1 => number(text, 1)?,
        None => return None,
    };
    Some((i8::try_from(value).ok()?, rest))
}

fn name<'a>(text: &'a str, names: &[&str], long: bool) -> Option<(usize, &'a str)> {
    names.iter().enumerate().find_map(|(n, name)| {
        let name = if long { name } else { &name[..3] };
        let start = text.get(..name.len())?;
        start.eq_ignore_ascii_case(name).then(|| (n, &text[name.len()..]))
    })
}

/// `Z`, `+02`, `+0200` or `+02:00`.
fn offset(text: &str) -> Option<(i32, &str)> {
    if let Some(rest) = text.strip_prefix(['Z', 'z']) {
        return Some((0, rest));
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, rest) = number(&text[1..], 2)?;
    let minutes = rest.strip_prefix(':').unwrap_or(rest);
    let (minutes, rest) = number(minutes, 2).unwrap_or((0, rest));
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    (hours <= 25 && minutes < 60).then_some((sign * seconds, rest))
}

/// `2026-01-31`, with `T` or a space a time to the minute, second or a fraction, and an offset.
fn iso(text: &str) -> Option<Parts> {
    let mut parts = Parts::default();
    let (year, rest) = number(text, 4)?;
    parts.year = i16::try_from(year).ok()?;
    let (month, rest) = small(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = small(rest.strip_prefix('-')?, 2)?;
    (parts.month, parts.day) = (month, day);
    if rest.is_empty() {
        return Some(parts);
    }
    let rest = iso_time(rest.strip_prefix(['T', 't', ' '])?, &mut parts)?;
    if rest.is_empty() {
        return Some(parts);
    }
    let (seconds, rest) = offset(rest.trim_start())?;
    parts.offset = Some(seconds);
    rest.is_empty().then_some(parts)
}

fn iso_time<'a>(text: &'a str, parts: &mut Parts) -> Option<&'a str> {
    let (hour, rest) = small(text, 2)?;
    let (minute, rest) = small(rest.strip_prefix(':')?, 2)?;
    (parts.hour, parts.minute) = (hour, minute);
    let Some(rest) = rest.strip_prefix(':') else { return Some(rest) };
    let (second, rest) = small(rest, 2)?;
    parts.second = second;
    let Some(fraction) = rest.strip_prefix(['.', ',']) else { return Some(rest) };
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    parts.digits = digits.min(9);
    let (kept, _) = number(fraction, parts.digits)?;
    parts.nanos = i32::try_from(kept * 10u64.pow(9 - u32::try_from(parts.digits).ok()?)).ok()?;
    Some(&fraction[digits..])
}

#[cfg(test)]
#[path = "date_tests.rs"]
mod tests;
