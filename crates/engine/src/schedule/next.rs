//! When an expression next comes in a time zone, over changes of the clock to and from summer time as well. It is a
//! function of its arguments: no clock is read here.
//!
//! Over such changes it does as cronie, today's form of Vixie's cron. Where the clock is put forward, what was due in the
//! hour that is left out comes once, at the first moment after it; an expression for every hour does not, its next
//! time is near anyway. Where the clock is put back, an expression for set times comes once, in the first of the two
//! hours; one with `*` or open steps in its hour, minute or second comes in both. It differs where cronie would lose a
//! day's only run, or start several at once: `*/15 2 * * *` and `0 */2 * * *` are made up for as well, and `10,20 2 * * *`
//! comes once after the gap, not twice. A gap of more than three hours (a zone that changes sides of the date line) is
//! one like any other.

use std::ops::Bound::{Excluded, Unbounded};

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::cron::Cron;

/// How far ahead a day is looked for. The rarest are five of one weekday in a February, up to 40 years apart when a
/// year like 2100 is between them.
const YEARS: i16 = 50;
/// Longer than any two offsets of one zone differ.
const LONGEST_CHANGE: SignedDuration = SignedDuration::from_hours(26);

impl Cron {
    /// The first time later than `after`; `None` if it never comes again.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let after = whole_second(after);
        let mut offset = zone.to_offset(after);
        let mut from = offset.to_datetime(after).checked_add(SignedDuration::from_secs(1)).ok()?;
        if !self.repeats() {
            from = shown_before(after, zone).map_or(from, |shown| from.max(shown));
        }
        let mut local = self.local_from(from)?;
        for change in zone.following(after) {
            // At this instant clocks go from showing `until` to showing `then`.
            let (until, then) =
                (offset.to_datetime(change.timestamp()), change.offset().to_datetime(change.timestamp()));
            if local < until {
                break;
            }
            if local < then {
                if !self.is_hourly() {
                    return Some(change.timestamp());
                }
                local = self.local_from(then)?;
            } else if then < until && self.repeats() {
                local = self.local_from(then)?;
            }
            offset = change.offset();
        }
        offset.to_timestamp(local).ok()
    }

    /// Comes over and over rather than at set times, so that an hour that comes twice is two hours.
    pub(super) fn repeats(&self) -> bool {
        self.seconds.open || self.minutes.open || self.hours.open || self.is_hourly()
    }

    fn is_hourly(&self) -> bool {
        self.hours.values.len() == 24
    }

    /// The first time on a calendar and a clock that never change, `from` itself included.
    fn local_from(&self, from: DateTime) -> Option<DateTime> {
        let date = from.date();
        let is_due = self.holds_year(date) && self.holds_month(date) && self.days.hold(date);
        if let Some(time) = self.time_from(from.time()).filter(|_| is_due) {
            return Some(date.to_datetime(time));
        }
        Some(self.date_after(date)?.to_datetime(self.time_from(Time::midnight())?))
    }

    fn date_after(&self, date: Date) -> Option<Date> {
        let last = match &self.years {
            Some(years) => i16::try_from(*years.values.last()?).ok()?,
            None => date.year().saturating_add(YEARS),
        };
        let mut date = date.tomorrow().ok()?;
        while date.year() <= last {
            if !self.holds_year(date) {
                date = self.first_of_next_year(date)?;
            } else if !self.holds_month(date) {
                date = date.last_of_month().tomorrow().ok()?;
            } else if !self.days.hold(date) {
                date = date.tomorrow().ok()?;
            } else {
                return Some(date);
            }
        }
        None
    }

    fn holds_year(&self, date: Date) -> bool {
        let year = u16::try_from(date.year()).unwrap_or(0);
        self.years.as_ref().is_none_or(|years| years.values.contains(&year))
    }

    fn holds_month(&self, date: Date) -> bool {
        self.months.values.contains(&date.month().unsigned_abs().into())
    }

    fn first_of_next_year(&self, date: Date) -> Option<Date> {
        let year = u16::try_from(date.year()).unwrap_or(0);
        let next = self.years.as_ref()?.values.range((Excluded(year), Unbounded)).next()?;
        Date::new(i16::try_from(*next).ok()?, 1, 1).ok()
    }

    /// The first time of a day, `from` itself included.
    fn time_from(&self, from: Time) -> Option<Time> {
        let [from_hour, from_minute, from_second] =
            [from.hour(), from.minute(), from.second()].map(|n| u16::from(n.unsigned_abs()));
        for &hour in self.hours.values.range(from_hour..) {
            let first = if hour == from_hour { from_minute } else { 0 };
            for &minute in self.minutes.values.range(first..) {
                let first = if (hour, minute) == (from_hour, from_minute) { from_second } else { 0 };
                if let Some(&second) = self.seconds.values.range(first..).next() {
                    let [hour, minute, second] = [hour, minute, second].map(|n| i8::try_from(n).unwrap_or(0));
                    return Time::new(hour, minute, second, 0).ok();
                }
            }
        }
        None
    }
}

/// Up to where clocks had already been before they were put back, shortly before `moment`.
fn shown_before(moment: Timestamp, zone: &TimeZone) -> Option<DateTime> {
    let second = SignedDuration::from_secs(1);
    let recent = moment.checked_sub(LONGEST_CHANGE).ok()?;
    let changes = zone.preceding(moment.checked_add(second).ok()?);
    let changes = changes.map(|change| change.timestamp()).take_while(|at| *at > recent);
    changes.filter_map(|at| Some(zone.to_offset(at.checked_sub(second).ok()?).to_datetime(at))).max()
}

/// Fractions of a second cut off, towards the past.
fn whole_second(moment: Timestamp) -> Timestamp {
    let second = moment.as_second() - i64::from(moment.subsec_nanosecond() < 0);
    Timestamp::from_second(second).unwrap_or(moment)
}

#[cfg(test)]
#[path = "next_tests.rs"]
mod tests;
