//! Milliseconds since 1970 as a civil date and time in UTC, and their ISO text. No clock is read here.

use crate::route::address::Moment;

/// Days since 1970-01-01 as year, month, day (proleptic Gregorian, after the usual era arithmetic).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The fields that date patterns use.
pub(crate) fn moment(millis: i64) -> Moment {
    let (days, rest) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    Moment([year, month, day, rest / 3_600_000].map(|n| u16::try_from(n).unwrap_or(0)))
}

/// Appends `2026-01-31T12:00:00.000Z`. Years outside 0 to 9999 are written as they are.
pub(crate) fn write_millis(out: &mut Vec<u8>, millis: i64) {
    use std::io::Write as _;
    let (days, rest) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (seconds, millis) = (rest / 1000, rest % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let text = format_args!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z");
    let _ = write!(out, "{text}"); // Writing to a Vec cannot fail.
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_jiff(millis in -62_135_596_800_000i64..253_402_207_200_000) {
            let expected = jiff::Timestamp::from_millisecond(millis).unwrap();
            let mut text = Vec::new();
            write_millis(&mut text, millis);
            prop_assert_eq!(String::from_utf8(text).unwrap(), format!("{expected:.3}"));
            let expected = expected.to_zoned(jiff::tz::TimeZone::UTC);
            let fields = [expected.year(), expected.month().into(), expected.day().into(), expected.hour().into()];
            prop_assert_eq!(moment(millis), Moment(fields.map(|n| u16::try_from(n).unwrap())));
        }
    }
}
