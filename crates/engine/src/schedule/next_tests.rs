//! Next times: plain calendars, month ends, leap years, Quartz's days, clocks put forward and back; and the same as a
//! search that goes minute by minute.

use proptest::prelude::*;

use super::*;
use crate::schedule::zone;

/// The next times after `after`, as that zone shows them.
fn times(text: &str, zone_name: &str, after: &str, count: usize) -> Vec<String> {
    let (cron, zone) = (Cron::parse(text).unwrap(), zone(zone_name).unwrap());
    let mut after: Timestamp = after.parse().unwrap();
    let mut times = Vec::new();
    while let Some(next) = cron.next_after(after, &zone).filter(|_| times.len() < count) {
        assert!(next > after);
        times.push(next.display_with_offset(zone.to_offset(next)).to_string());
        after = next;
    }
    times
}

/// The same in UTC, where nothing is odd; the seconds and the offset are left out.
fn days(text: &str, after: &str, wanted: &[&str]) {
    let times = times(text, "UTC", &format!("{after}Z"), wanted.len());
    let shown: Vec<&str> =
        times.iter().map(|time| time.trim_end_matches("+00:00").trim_end_matches(":00")).collect();
    assert_eq!(shown, wanted, "{text} after {after}");
}

#[test]
fn crontabs_come_when_they_say() {
    let thursday = "2026-01-01T00:00:00";
    days("* * * * *", thursday, &["2026-01-01T00:01", "2026-01-01T00:02"]);
    days("0 0 * * *", thursday, &["2026-01-02T00", "2026-01-03T00"]);
    days("30 2 * * *", thursday, &["2026-01-01T02:30", "2026-01-02T02:30"]);
    days("*/25 * * * *", thursday, &["2026-01-01T00:25", "2026-01-01T00:50", "2026-01-01T01"]);
    days("50/5 4,6 * * *", thursday, &["2026-01-01T04:50", "2026-01-01T04:55", "2026-01-01T06:50"]);
    days("0 9-17/4 * * *", thursday, &["2026-01-01T09", "2026-01-01T13", "2026-01-01T17", "2026-01-02T09"]);
    days("0 0 * * 0", thursday, &["2026-01-04T00", "2026-01-11T00"]);
    days("0 0 * * 7", thursday, &["2026-01-04T00", "2026-01-11T00"]);
    days("0 0 * * FRI-SUN", thursday, &["2026-01-02T00", "2026-01-03T00", "2026-01-04T00", "2026-01-09T00"]);
    days("@hourly", thursday, &["2026-01-01T01", "2026-01-01T02"]);
    days("@weekly", thursday, &["2026-01-04T00", "2026-01-11T00"]);
    days("@monthly", thursday, &["2026-02-01T00", "2026-03-01T00"]);
    days("@yearly", thursday, &["2027-01-01T00", "2028-01-01T00"]);
    days("59 23 31 12 *", "2026-12-31T23:58:59", &["2026-12-31T23:59", "2027-12-31T23:59"]);
    days("0 0 1 * *", "2025-12-31T23:59:59.5", &["2026-01-01T00", "2026-02-01T00"]);
    days("* * * * *", "1969-12-31T23:58:59.5", &["1969-12-31T23:59", "1970-01-01T00"]);
}

#[test]
fn two_day_fields_are_one_or_the_other() {
    let thursday = "2026-01-01T00:00:00";
    days("0 0 13 * FRI", thursday, &["2026-01-02T00", "2026-01-09T00", "2026-01-13T00", "2026-01-16T00"]);
    days("0 0 13 * *", thursday, &["2026-01-13T00", "2026-02-13T00"]);
    days("0 0 */2 * MON", thursday, &["2026-01-05T00", "2026-01-19T00", "2026-02-09T00"]);
    days("0 0 1-7 * */2", thursday, &["2026-01-03T00", "2026-01-04T00", "2026-01-06T00", "2026-02-01T00"]);
}

#[test]
fn months_end_and_years_leap() {
    days("0 0 31 * *", "2026-01-31T00:00:00", &["2026-03-31T00", "2026-05-31T00", "2026-07-31T00"]);
    days("0 0 29 2 *", "2026-01-01T00:00:00", &["2028-02-29T00", "2032-02-29T00"]);
    days("0 0 29 2 *", "2096-03-01T00:00:00", &["2104-02-29T00"]);
    // Five Mondays in a February, with 2100 between them.
    days("0 0 0 ? 2 2#5", "2072-03-01T00:00:00", &["2112-02-29T00"]);
    days(
        "0 0 28-31 2 *",
        "2026-01-01T00:00:00",
        &["2026-02-28T00", "2027-02-28T00", "2028-02-28T00", "2028-02-29T00"],
    );
}

#[test]
fn quartz_counts_seconds_years_and_days() {
    let thursday = "2026-01-01T00:00:00";
    days(
        "15/30 0 12 * * ?",
        thursday,
        &["2026-01-01T12:00:15", "2026-01-01T12:00:45", "2026-01-02T12:00:15"],
    );
    days("0 0 12 ? * 1", thursday, &["2026-01-04T12", "2026-01-11T12"]);
    days(
        "0 0 22-1 ? * FRI-SUN",
        thursday,
        &["2026-01-02T00", "2026-01-02T01", "2026-01-02T22", "2026-01-02T23"],
    );
    days("0 0 0 1 1 ? 2028,2030", thursday, &["2028-01-01T00", "2030-01-01T00"]);
    days("0 0 0 1 1 ? 2099", thursday, &["2099-01-01T00"]);
    days("0 0 0 L * ?", thursday, &["2026-01-31T00", "2026-02-28T00", "2026-03-31T00", "2026-04-30T00"]);
    days("0 0 0 L 2 ?", "2027-03-01T00:00:00", &["2028-02-29T00", "2029-02-28T00"]);
    days("0 0 0 L-2 * ?", thursday, &["2026-01-29T00", "2026-02-26T00", "2026-03-29T00"]);
    days("0 0 0 L-29 * ?", thursday, &["2026-01-02T00", "2026-03-02T00", "2026-04-01T00"]);
    days(
        "0 0 0 LW * ?",
        thursday,
        &["2026-01-30T00", "2026-02-27T00", "2026-03-31T00", "2026-04-30T00", "2026-05-29T00"],
    );
    days(
        "0 0 0 15W * ?",
        thursday,
        &["2026-01-15T00", "2026-02-16T00", "2026-03-16T00", "2026-04-15T00", "2026-05-15T00"],
    );
    days("0 0 0 15W 8 ?", thursday, &["2026-08-14T00", "2027-08-16T00"]);
    days(
        "0 0 0 1W * ?",
        "2026-07-02T00:00:00",
        &["2026-08-03T00", "2026-09-01T00", "2026-10-01T00", "2026-11-02T00"],
    );
    days("0 0 0 31W * ?", thursday, &["2026-01-30T00", "2026-03-31T00", "2026-05-29T00"]);
    days("0 0 0 ? * 6#3", thursday, &["2026-01-16T00", "2026-02-20T00", "2026-03-20T00"]);
    days("0 0 0 ? * FRI#5", thursday, &["2026-01-30T00", "2026-05-29T00", "2026-07-31T00"]);
    days("0 0 0 ? * 6L", thursday, &["2026-01-30T00", "2026-02-27T00", "2026-03-27T00"]);
    days("0 0 0 ? * L", thursday, &["2026-01-03T00", "2026-01-10T00"]);
}

#[test]
fn what_never_comes_is_said_at_once() {
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    for text in ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 0 1 1 ? 2025", "0 0 0 30W 2 ?", "0 0 0 L-30 2 ?"] {
        let cron = Cron::parse(text).unwrap();
        for name in ["UTC", "Europe/Berlin"] {
            assert_eq!(cron.next_after(now, &zone(name).unwrap()), None, "{text}");
        }
        assert_eq!(cron.next_after(Timestamp::MAX, &TimeZone::UTC), None, "{text}");
        let _ = cron.next_after(Timestamp::MIN, &TimeZone::UTC);
    }
}

#[test]
fn an_hour_that_is_left_out_counts_once() {
    let berlin = |text, count| times(text, "Europe/Berlin", "2026-03-28T12:00:00+01:00", count);
    let once = ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"];
    assert_eq!(berlin("30 2 * * *", 2), once);
    assert_eq!(berlin("0 30 2 * * ?", 2), once);
    assert_eq!(berlin("10,20,30 2 * * *", 2), ["2026-03-29T03:00:00+02:00", "2026-03-30T02:10:00+02:00"]);
    assert_eq!(berlin("*/15 2 * * *", 2), ["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"]);
    assert_eq!(berlin("0 */2 29 * *", 3)[1..], ["2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"]);
    // It is due at the same moment by itself.
    assert_eq!(berlin("0,30 2,3 29 * *", 3)[..2], ["2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00"]);
    // Once a year, and in that very hour.
    assert_eq!(berlin("30 2 29 3 *", 2), ["2026-03-29T03:00:00+02:00", "2027-03-29T02:30:00+02:00"]);
    // The next hour is near: nothing is made up for.
    let hourly = times("30 * * * *", "Europe/Berlin", "2026-03-29T00:45:00+01:00", 2);
    assert_eq!(hourly, ["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"]);
    let new_york = times("30 2 * * *", "America/New_York", "2026-03-07T12:00:00-05:00", 2);
    assert_eq!(new_york, ["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"]);
    // Midnight itself is left out in Cairo, and a whole Friday was in Samoa.
    let cairo = times("@daily", "Africa/Cairo", "2026-04-23T12:00:00+02:00", 2);
    assert_eq!(cairo, ["2026-04-24T01:00:00+03:00", "2026-04-25T00:00:00+03:00"]);
    let samoa = times("0 6 * * *", "Pacific/Apia", "2011-12-29T12:00:00-10:00", 3);
    assert_eq!(
        samoa,
        ["2011-12-31T00:00:00+14:00", "2011-12-31T06:00:00+14:00", "2012-01-01T06:00:00+14:00"]
    );
}

#[test]
fn an_hour_that_comes_twice_counts_once_for_set_times() {
    let berlin = |text, count| times(text, "Europe/Berlin", "2026-10-25T00:45:00+02:00", count);
    assert_eq!(berlin("30 2 * * *", 2), ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]);
    assert_eq!(berlin("0 3 * * *", 1), ["2026-10-25T03:00:00+01:00"]);
    assert_eq!(
        berlin("0,30 1-3 * * *", 7)[1..],
        [
            "2026-10-25T01:30:00+02:00",
            "2026-10-25T02:00:00+02:00",
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T03:00:00+01:00",
            "2026-10-25T03:30:00+01:00",
            "2026-10-26T01:00:00+01:00"
        ]
    );
    let new_york = times("30 1 * * *", "America/New_York", "2026-10-31T12:00:00-04:00", 2);
    assert_eq!(new_york, ["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"]);
}

#[test]
fn an_hour_that_comes_twice_is_two_for_what_repeats() {
    let hours = [
        "2026-10-25T01:30:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T03:30:00+01:00",
    ];
    for text in ["30 * * * *", "30 */1 * * *", "30 0-23 * * *", "0 30 0/1 * * ?"] {
        assert_eq!(times(text, "Europe/Berlin", "2026-10-25T00:45:00+02:00", 4), hours, "{text}");
    }
    let quarters = times("*/30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00+02:00", 5);
    assert_eq!(
        quarters,
        [
            "2026-10-25T02:00:00+02:00",
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:00:00+01:00",
            "2026-10-25T02:30:00+01:00",
            "2026-10-26T02:00:00+01:00"
        ]
    );
}

#[test]
fn asking_again_within_the_second_of_two_hours_finds_nothing_twice() {
    let again = times("30 2 * * *", "Europe/Berlin", "2026-10-25T02:15:00+01:00", 1);
    assert_eq!(again, ["2026-10-26T02:30:00+01:00"]);
    let on_the_change = times("0 2 * * *", "Europe/Berlin", "2026-10-25T02:59:59+02:00", 1);
    assert_eq!(on_the_change, ["2026-10-26T02:00:00+01:00"]);
}

/// What a cron daemon does that wakes every minute: it looks at the clock, and knows what the clock has shown before.
fn minute_by_minute(text: &str, zone: &TimeZone, after: Timestamp, end: Timestamp) -> Vec<Timestamp> {
    let fields: Vec<&str> = text.split(' ').collect();
    let is_hourly = (0..24).all(|hour| field_holds(fields[1], hour));
    let repeats = is_hourly || fields[..2].iter().any(|field| field.starts_with('*'));
    let minute = SignedDuration::from_mins(1);
    // A day earlier, to know what had been shown when `after` comes.
    let mut at = after - SignedDuration::from_hours(24);
    let mut shown = zone.to_datetime(at);
    let mut times = Vec::new();
    while at < end {
        at += minute;
        let now = zone.to_datetime(at);
        let mut due = holds(&fields, now) && (repeats || now > shown);
        // What the clock never showed.
        let mut left_out = shown + minute;
        while left_out < now && !is_hourly {
            due |= holds(&fields, left_out);
            left_out += minute;
        }
        times.extend((due && at > after).then_some(at));
        shown = if repeats { now } else { shown.max(now) };
    }
    times
}

/// Whether five fields of plain numbers, lists, ranges and steps hold a minute.
fn holds(fields: &[&str], time: DateTime) -> bool {
    let weekday = time.date().weekday().to_sunday_zero_offset();
    let (in_month, in_week) = (field_holds(fields[2], time.day()), field_holds(fields[4], weekday));
    let days = match fields[2] == "*" || fields[4] == "*" {
        true => in_month && in_week,
        false => in_month || in_week,
    };
    field_holds(fields[0], time.minute())
        && field_holds(fields[1], time.hour())
        && field_holds(fields[3], time.month())
        && days
}

fn field_holds(field: &str, value: i8) -> bool {
    field.split(',').any(|item| {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let step: i8 = step.parse().unwrap();
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (0, 59),
            Some((from, to)) => (from.parse().unwrap(), to.parse().unwrap()),
            None => (range.parse().unwrap(), range.parse().unwrap()),
        };
        (from..=to).contains(&value) && (value - from) % step == 0
    })
}

/// A list, a range, steps or anything.
fn field(low: i8, high: i8) -> impl Strategy<Value = String> {
    let one = (low..=high).prop_map(|n| n.to_string());
    let list = prop::collection::vec(low..=high, 2..4)
        .prop_map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
    let range =
        (low..=high, low..=high, 1..4i8).prop_map(|(a, b, step)| format!("{}-{}/{step}", a.min(b), a.max(b)));
    prop_oneof![2 => Just("*".to_owned()), 2 => one, 1 => list, 1 => range]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_search_minute_by_minute(
        minute in prop_oneof![3 => field(0, 59), 1 => Just("*/7".to_owned())],
        hour in prop_oneof![2 => field(0, 4), 1 => field(0, 23), 1 => Just("*/2".to_owned())],
        date in prop_oneof![
            1 => (field(1, 31), field(1, 12), field(0, 6)).prop_map(|(day, month, week)| format!("{day} {month} {week}")),
            3 => Just("* * *".to_owned()),
        ],
        name in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"]),
        change in 0usize..8,
        before in prop_oneof![-90i64..30, -120i64..1440],
    ) {
        let zone = zone(name).unwrap();
        let new_year: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let change = zone.following(new_year).nth(change).unwrap().timestamp();
        let after = change - SignedDuration::from_mins(before);
        let end = change + SignedDuration::from_hours(27);
        let text = format!("{minute} {hour} {date}");
        let cron = Cron::parse(&text).unwrap();
        let times = std::iter::successors(cron.next_after(after, &zone), |time| cron.next_after(*time, &zone));
        let times: Vec<Timestamp> = times.take_while(|time| *time <= end).collect();
        let wanted = minute_by_minute(&text, &zone, after, end);
        let first = times.iter().zip(&wanted).find(|(found, wanted)| found != wanted);
        prop_assert!(times == wanted, "{text} after {after} in {name}: {first:?}, or too few or many");
    }
}
