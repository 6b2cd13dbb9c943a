//! A cron expression and how it is read from text: five fields as in a crontab, six or seven as in Quartz. When it
//! next comes is `next.rs`.

use std::fmt;
use std::str::FromStr;

use super::days::Days;
use super::field::{Dialect, Field, Numbers};
use crate::error::{Code, Error, Result};

/// The times at which something is to happen, as a crontab or Quartz would write them.
///
/// - Five fields: minute, hour, day of month, month, day of week. `*`, `5`, `1-5`, `JAN`, `MON-FRI`, lists with commas
///   and steps (`*/15`, `10-40/10`, `5/15`: from 5 on). Sunday is 0 and 7. If both day fields restrict, either is
///   enough; a field that begins with `*` does not restrict. `@hourly`, `@daily` (`@midnight`), `@weekly`, `@monthly`
///   and `@yearly` (`@annually`) stand for the usual five.
/// - Six: the second goes first. Seven: a year (1970 to 2099) comes last. These are Quartz's: Sunday is 1, one of the
///   day fields is `?`, a range may wrap around (`FRI-MON`). A day of month may be `L` (the last), `L-3`, `15W` (the
///   weekday nearest to the 15th, in the same month), `LW`; a day of week `6#3` (the third Friday) or `6L` (the last).
#[derive(Clone, Debug)]
pub struct Cron {
    text: String,
    pub(super) seconds: Numbers,
    pub(super) minutes: Numbers,
    pub(super) hours: Numbers,
    pub(super) months: Numbers,
    /// Any year without.
    pub(super) years: Option<Numbers>,
    pub(super) days: Days,
}

impl Cron {
    /// Reads an expression. The error names the field and what is wrong with it.
    pub fn parse(text: &str) -> Result<Cron> {
        let expression = text.trim();
        let fields: Vec<&str> = match expression.strip_prefix('@') {
            Some(name) => named(name).ok_or_else(|| no_such_name(text))?.split_whitespace().collect(),
            None => expression.split_whitespace().collect(),
        };
        let crontab = |fields: &[&str; 5]| Cron::read(expression, Dialect::Crontab, "0", fields, None);
        let quartz =
            |second, fields: &[&str; 5], year| Cron::read(expression, Dialect::Quartz, second, fields, year);
        let read = match fields[..] {
            [minute, hour, day, month, week] => crontab(&[minute, hour, day, month, week]),
            [second, minute, hour, day, month, week] => {
                quartz(second, &[minute, hour, day, month, week], None)
            }
            [second, minute, hour, day, month, week, year] => {
                quartz(second, &[minute, hour, day, month, week], Some(year))
            }
            _ => return Err(bad(text, &format!("it has {} fields, not five, six or seven", fields.len()))),
        };
        read.map_err(|(field, what)| bad(text, &format!("{field}: {what}")))
    }

    fn read(
        text: &str,
        dialect: Dialect,
        second: &str,
        [minute, hour, day, month, week]: &[&str; 5],
        year: Option<&str>,
    ) -> std::result::Result<Cron, (&'static str, String)> {
        let numbers = |field: Field, text: &str| field.numbers(text).map_err(|what| (field.name, what));
        Ok(Cron {
            text: text.to_owned(),
            seconds: numbers(Field::second(dialect), second)?,
            minutes: numbers(Field::minute(dialect), minute)?,
            hours: numbers(Field::hour(dialect), hour)?,
            days: Days::read(day, week, dialect)?,
            months: numbers(Field::month(dialect), month)?,
            years: year.map(|year| numbers(Field::year(dialect), year)).transpose()?,
        })
    }
}

impl FromStr for Cron {
    type Err = Error;

    fn from_str(text: &str) -> Result<Cron> {
        Cron::parse(text)
    }
}

impl PartialEq for Cron {
    /// Written the same.
    fn eq(&self, other: &Cron) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Cron {
    /// As it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn named(name: &str) -> Option<&'static str> {
    Some(match &*name.to_ascii_lowercase() {
        "hourly" => "0 * * * *",
        "daily" | "midnight" => "0 0 * * *",
        "weekly" => "0 0 * * 0",
        "monthly" => "0 0 1 * *",
        "yearly" | "annually" => "0 0 1 1 *",
        _ => return None,
    })
}

fn no_such_name(text: &str) -> Error {
    bad(text, "there is no such name")
        .fix("use @hourly, @daily, @weekly, @monthly or @yearly, or five fields")
}

fn bad(text: &str, what: &str) -> Error {
    Error::new(Code::ConfigBadValue, format!("the schedule {text:?} cannot be read: {what}")).fix(
        "write five fields, minute hour day-of-month month day-of-week, like \"30 2 * * *\"; or Quartz's six or \
         seven, with seconds first",
    )
}

#[cfg(test)]
#[path = "cron_tests.rs"]
mod tests;
