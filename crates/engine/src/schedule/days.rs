//! On which days an expression comes: its day of month and day of week, alone and together. No time of day here.

use std::collections::BTreeSet;
use std::result::Result;

use jiff::civil::Date;

use super::field::{Dialect, Field, Numbers};

/// The two day fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Days {
    in_month: BTreeSet<u16>,
    counted: Vec<MonthDay>,
    /// Sunday is 0.
    in_week: BTreeSet<u16>,
    weekly: Vec<WeekDay>,
    /// Both fields name days, so that either will do.
    either: bool,
}

/// `L`, `L-3`, `LW`, `15W`: a day that has to be counted out in its month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MonthDay {
    from_end: bool,
    day: i8,
    /// The nearest Monday to Friday of the same month.
    nearest: bool,
}

/// `6#3` and `6L`: which of the month's Fridays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WeekDay {
    Nth { day: u16, n: u16 },
    Last { day: u16 },
}

impl Days {
    /// Reads both fields; an error names the one it is in.
    pub fn read(month: &str, week: &str, dialect: Dialect) -> Result<Days, (&'static str, String)> {
        let (month_field, week_field) = (Field::day_of_month(dialect), Field::day_of_week(dialect));
        let (in_month, counted) = month_days(month, &month_field).map_err(|what| (month_field.name, what))?;
        let (in_week, weekly) = week_days(week, &week_field).map_err(|what| (week_field.name, what))?;
        let either = match dialect {
            // As every cron since Vixie's: a field that begins with `*` restricts nothing by itself, even with
            // steps, so that `*/2` and MON together are the Mondays of odd date.
            Dialect::Crontab => !month.starts_with('*') && !week.starts_with('*'),
            Dialect::Quartz => {
                let free = |text: &str| matches!(text, "*" | "?");
                if !free(month) && !free(week) || month == "?" && week == "?" {
                    let what = "one of day of month and day of week must be ?, and only one";
                    return Err((week_field.name, what.to_owned()));
                }
                false
            }
        };
        let zero = if dialect == Dialect::Crontab { 0 } else { 1 };
        let in_week = in_week.values.into_iter().map(|day| (day - zero) % 7).collect();
        Ok(Days { in_month: in_month.values, counted, in_week, weekly, either })
    }

    /// Whether it comes on this day.
    pub fn hold(&self, date: Date) -> bool {
        let (month, week) = (self.holds_in_month(date), self.holds_in_week(date));
        if self.either { month || week } else { month && week }
    }

    fn holds_in_month(&self, date: Date) -> bool {
        self.in_month.contains(&date.day().unsigned_abs().into()) || self.counted.iter().any(|d| d.is(date))
    }

    fn holds_in_week(&self, date: Date) -> bool {
        let day = u16::from(date.weekday().to_sunday_zero_offset().unsigned_abs());
        self.in_week.contains(&day)
            || self.weekly.iter().any(|wanted| match *wanted {
                WeekDay::Nth { day: d, n } => {
                    d == day && u16::from(date.day().unsigned_abs()).div_ceil(7) == n
                }
                WeekDay::Last { day: d } => d == day && date.day() + 7 > date.days_in_month(),
            })
    }
}

impl MonthDay {
    fn is(&self, date: Date) -> bool {
        let last = date.days_in_month();
        let day = if self.from_end { last - self.day } else { self.day };
        if !(1..=last).contains(&day) {
            return false;
        }
        let weekday =
            (i16::from(date.weekday().to_sunday_zero_offset()) + i16::from(day - date.day())).rem_euclid(7);
        let moved = match weekday {
            _ if !self.nearest => 0,
            0 if day == last => -2,
            0 => 1,
            6 if day == 1 => 2,
            6 => -1,
            _ => 0,
        };
        date.day() == day + moved
    }
}

fn month_days(text: &str, field: &Field) -> Result<(Numbers, Vec<MonthDay>), String> {
    let (mut numbers, mut counted) = (Numbers::default(), Vec::new());
    for item in text.split(',') {
        match month_day(item, field)? {
            Some(day) => counted.push(day),
            None => field.add(any(text, item, field), &mut numbers)?,
        }
    }
    Ok((numbers, counted))
}

fn month_day(item: &str, field: &Field) -> Result<Option<MonthDay>, String> {
    if !field.is_quartz() {
        return Ok(None);
    }
    let upper = item.to_ascii_uppercase();
    let (rest, nearest) = match upper.strip_suffix('W') {
        Some(rest) => (rest, true),
        None => (&*upper, false),
    };
    let Some(back) = rest.strip_prefix('L') else {
        return match nearest {
            true => Ok(Some(MonthDay { from_end: false, day: small(field.value(rest)?), nearest })),
            false => Ok(None),
        };
    };
    let day = match back.strip_prefix('-') {
        None if back.is_empty() => 0,
        Some(digits) => field
            .value(digits)
            .ok()
            .filter(|n| *n <= 30)
            .map(small)
            .ok_or_else(|| format!("{item:?}: from the last day one can count back 1 to 30 days"))?,
        None => {
            return Err(format!("{item:?}: after L comes nothing, W or a number to count back, like L-3"));
        }
    };
    Ok(Some(MonthDay { from_end: true, day, nearest }))
}

fn week_days(text: &str, field: &Field) -> Result<(Numbers, Vec<WeekDay>), String> {
    let (mut numbers, mut weekly) = (Numbers::default(), Vec::new());
    for item in text.split(',') {
        match week_day(item, field)? {
            Some(day) => weekly.push(day),
            None => field.add(any(text, item, field), &mut numbers)?,
        }
    }
    Ok((numbers, weekly))
}

fn week_day(item: &str, field: &Field) -> Result<Option<WeekDay>, String> {
    if !field.is_quartz() {
        return Ok(None);
    }
    if let Some((day, n)) = item.split_once('#') {
        let day = field.value(day)? - 1;
        return match n.parse() {
            Ok(n @ 1..=5) => Ok(Some(WeekDay::Nth { day, n })),
            _ => Err(format!("{item:?}: after # comes 1 to 5, for the first to the fifth of the month")),
        };
    }
    match item.strip_suffix(['L', 'l']) {
        // Quartz's `L` by itself is the last day of the week.
        Some("") => Ok(None),
        Some(day) => Ok(Some(WeekDay::Last { day: field.value(day)? - 1 })),
        None => Ok(None),
    }
}

/// The item as numbers: Quartz's `?` is any day, and its `L` in the week is Saturday.
fn any<'a>(text: &str, item: &'a str, field: &Field) -> &'a str {
    match item {
        "?" if field.is_quartz() && text == "?" => "*",
        "L" | "l" if field.is_quartz() => "SAT",
        _ => item,
    }
}

/// At most 31.
fn small(value: u16) -> i8 {
    i8::try_from(value).unwrap_or(i8::MAX)
}
