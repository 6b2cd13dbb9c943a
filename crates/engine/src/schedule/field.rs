//! One field of a cron expression: which numbers it may hold, and how text becomes a set of them. What a day is
//! (`L`, `15W`, `6#3`) is not read here.

use std::collections::BTreeSet;
use std::result::Result;

const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEK: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// Whose rules the expression follows; the number of its fields says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Five fields; Sunday is 0, and 7 too.
    Crontab,
    /// Six or seven; Sunday is 1, ranges may wrap around, a day may be `?`.
    Quartz,
}

/// What a field may hold. Names stand for the numbers from `low` up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub name: &'static str,
    low: u16,
    high: u16,
    names: &'static [&'static str],
    dialect: Dialect,
}

/// The numbers a field allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    pub values: BTreeSet<u16>,
    /// Some of it is `*`, or steps without an end: what runs over and over rather than at set times.
    pub open: bool,
}

impl Field {
    const fn new(name: &'static str, low: u16, high: u16, dialect: Dialect) -> Field {
        Field { name, low, high, names: &[], dialect }
    }

    pub const fn second(dialect: Dialect) -> Field {
        Field::new("second", 0, 59, dialect)
    }

    pub const fn minute(dialect: Dialect) -> Field {
        Field::new("minute", 0, 59, dialect)
    }

    pub const fn hour(dialect: Dialect) -> Field {
        Field::new("hour", 0, 23, dialect)
    }

    pub const fn day_of_month(dialect: Dialect) -> Field {
        Field::new("day of month", 1, 31, dialect)
    }

    pub const fn month(dialect: Dialect) -> Field {
        Field { names: MONTHS, ..Field::new("month", 1, 12, dialect) }
    }

    pub const fn day_of_week(dialect: Dialect) -> Field {
        let (low, high) = match dialect {
            Dialect::Crontab => (0, 7),
            Dialect::Quartz => (1, 7),
        };
        Field { names: WEEK, ..Field::new("day of week", low, high, dialect) }
    }

    /// Quartz's own bounds.
    pub const fn year(dialect: Dialect) -> Field {
        Field::new("year", 1970, 2099, dialect)
    }

    pub fn is_quartz(&self) -> bool {
        self.dialect == Dialect::Quartz
    }

    fn is_week(&self) -> bool {
        self.names.len() == WEEK.len()
    }

    /// Reads a whole field.
    pub fn numbers(&self, text: &str) -> Result<Numbers, String> {
        let mut numbers = Numbers::default();
        for item in text.split(',') {
            self.add(item, &mut numbers)?;
        }
        Ok(numbers)
    }

    /// Reads one item of a list: `*`, `5`, `1-5`, each with steps if wanted.
    pub fn add(&self, item: &str, numbers: &mut Numbers) -> Result<(), String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step)?)),
            None => (item, None),
        };
        let all = range == "*" || range.is_empty() && step.is_some() && self.is_quartz();
        let (from, to) = if all {
            (self.low, self.high)
        } else if let Some((from, to)) = range.split_once('-') {
            (self.value(from)?, self.end(from, to)?)
        } else {
            let value = self.value(range)?;
            (value, if step.is_some() { self.high } else { value })
        };
        numbers.open |= all || step.is_some() && !range.contains('-');
        let span = self.high - self.low + 1;
        let last = if from <= to { to } else { to + span };
        let steps = (from..=last).step_by(step.unwrap_or(1).into());
        numbers.values.extend(steps.map(|value| if value > self.high { value - span } else { value }));
        Ok(())
    }

    /// One number or name.
    pub fn value(&self, text: &str) -> Result<u16, String> {
        if let Some(n) = self.names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
            return Ok(self.low + n as u16);
        }
        if text.is_empty() {
            return Err("a number is missing".to_owned());
        }
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(self.no_number(text));
        }
        match text.parse() {
            Ok(value) if (self.low..=self.high).contains(&value) => Ok(value),
            _ => Err(format!("{text} is not between {} and {}{}", self.low, self.high, self.counted())),
        }
    }

    /// The end of a range. A crontab's week may end with the Sunday it began before.
    fn end(&self, from: &str, to: &str) -> Result<u16, String> {
        let (first, last) = (self.value(from)?, self.value(to)?);
        let wraps = self.is_quartz() && self.name != "year";
        match last {
            0 if self.is_week() && first > 0 => Ok(self.high),
            _ if last < first && !wraps => Err(format!("the range {from}-{to} ends before it begins")),
            _ => Ok(last),
        }
    }

    fn step(&self, text: &str) -> Result<u16, String> {
        let count = self.high - self.low + 1;
        match text.parse() {
            Ok(0) => Err("steps of 0 lead nowhere".to_owned()),
            Ok(step) if step <= count => Ok(step),
            // `*/90` in minutes is not every 90 minutes, it is every hour: better said than found out.
            Ok(step) => Err(format!("steps of {step} are longer than the field, which has {count} values")),
            Err(_) => Err(format!("{text:?} is no number of steps")),
        }
    }

    fn no_number(&self, text: &str) -> String {
        let what = match (self.names.first(), self.names.last()) {
            (Some(first), Some(last)) => {
                format!("{text:?} is neither a number nor a name from {first} to {last}")
            }
            _ => format!("{text:?} is no number"),
        };
        let of_days = self.name.starts_with("day");
        if of_days && self.dialect == Dialect::Crontab && text.contains(['?', '#', 'L', 'l', 'W', 'w']) {
            return format!("{what} (?, L, W and # belong to Quartz's six or seven fields)");
        }
        what
    }

    /// How days are counted, which is where the two dialects differ.
    fn counted(&self) -> &'static str {
        match self.dialect {
            Dialect::Quartz if self.is_week() => " (with six or seven fields, 1 is Sunday)",
            _ => "",
        }
    }
}
