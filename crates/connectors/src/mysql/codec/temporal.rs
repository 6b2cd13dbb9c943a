//! Dates and times: from the numbers that the binlog packs them into, and zero dates as the text that the server prints.

use syncline_engine::value::{Clock, Date, Value};

/// Room for the longest text, `0000-00-00 00:00:00.000000`.
pub type ZeroText = [u8; 32];

/// Year, month, day and time of day as they were stored; month and day may be 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub date: Date,
    pub time: Clock,
}

/// A time of day of nothing.
pub const MIDNIGHT: Clock = Clock { hour: 0, minute: 0, second: 0, micros: 0, digits: 0 };

/// A DATE's value.
pub fn date_value(date: Date, text: &mut ZeroText) -> Option<Value<'_>> {
    if date.month > 12 || date.day > 31 || date.year > 9999 {
        return None;
    }
    if date.month == 0 || date.day == 0 {
        return write_text(date, None, text).map(Value::ZeroDate);
    }
    Some(Value::Date(date))
}

/// A DATETIME's or TIMESTAMP's value.
pub fn moment_value(moment: Moment, utc: bool, text: &mut ZeroText) -> Option<Value<'_>> {
    let Moment { date, time } = moment;
    let bad_time = time.hour > 23 || time.minute > 59 || time.second > 59 || time.micros > 999_999;
    if date.month > 12 || date.day > 31 || date.year > 9999 || bad_time {
        return None;
    }
    if date.month == 0 || date.day == 0 {
        return write_text(date, Some(time), text).map(Value::ZeroDate);
    }
    Some(Value::DateTime { date, time, utc })
}

/// A TIME's value; the server takes up to 838:59:59.
pub fn time_value(negative: bool, time: Clock) -> Option<Value<'static>> {
    let bad = time.hour > 838 || time.minute > 59 || time.second > 59 || time.micros > 999_999;
    (!bad).then_some(Value::Time { negative, time })
}

/// DATE: day in 5 bits, month in 4, year in the rest.
pub fn unpack_date(n: u32) -> Date {
    Date { day: (n & 31) as u8, month: (n >> 5 & 15) as u8, year: (n >> 9) as u16 }
}

/// DATETIME of MySQL 5.6 and later: 1 bit sign, 17 year and month, 5 day, 5 hour, 6 minute, 6 second, big end first.
/// `None` for a negative one, which no server stores.
pub fn unpack_datetime(packed: u64, micros: u32, digits: u8) -> Option<Moment> {
    let packed = packed.checked_sub(1 << 39)?;
    let months = packed >> 22;
    let date = Date {
        year: u16::try_from(months / 13).ok()?,
        month: (months % 13) as u8,
        day: (packed >> 17 & 31) as u8,
    };
    let time = Clock {
        hour: (packed >> 12 & 31) as u16,
        minute: (packed >> 6 & 63) as u8,
        second: (packed & 63) as u8,
        micros,
        digits,
    };
    Some(Moment { date, time })
}

/// DATETIME before MySQL 5.6: the decimal number YYYYMMDDhhmmss.
pub fn unpack_old_datetime(n: u64) -> Option<Moment> {
    let (date, time) = (n / 1_000_000, n % 1_000_000);
    let date = Date {
        year: u16::try_from(date / 10_000).ok()?,
        month: (date / 100 % 100) as u8,
        day: (date % 100) as u8,
    };
    Some(Moment { date, time: old_clock(time) })
}

/// The decimal number hhmmss.
pub fn old_clock(n: u64) -> Clock {
    Clock {
        hour: u16::try_from(n / 10_000).unwrap_or(u16::MAX),
        minute: (n / 100 % 100) as u8,
        second: (n % 100) as u8,
        ..MIDNIGHT
    }
}

/// A TIMESTAMP: seconds since 1970, 0 is the zero date.
pub fn unpack_timestamp(seconds: u32, micros: u32, digits: u8) -> Moment {
    if seconds == 0 && micros == 0 {
        return Moment { date: Date { year: 0, month: 0, day: 0 }, time: Clock { digits, ..MIDNIGHT } };
    }
    let of_day = seconds % 86_400;
    let time = Clock {
        hour: (of_day / 3600) as u16,
        minute: (of_day / 60 % 60) as u8,
        second: (of_day % 60) as u8,
        micros,
        digits,
    };
    Moment { date: civil(seconds / 86_400), time }
}

/// The date so many days after 1970-01-01. Counts in years that begin in March, so that the leap day comes last.
fn civil(days: u32) -> Date {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u32::from(month <= 2);
    Date { year: year as u16, month: month as u8, day: day as u8 }
}

/// TIME of MySQL 5.6 and later: an offset number of 3 bytes and the fraction's, big end first; the fraction belongs to
/// the number, so that a negative one borrows from it.
pub fn unpack_time(packed: u64, fraction_bytes: usize, digits: u8) -> (bool, Clock) {
    let bits = 8 * fraction_bytes as u32;
    let offset = 0x80_0000u64 << bits;
    let negative = packed < offset;
    let n = packed.abs_diff(offset);
    let (whole, fraction) = (n >> bits, n & ((1 << bits) - 1));
    let clock = Clock {
        hour: (whole >> 12 & 0x3ff) as u16,
        minute: (whole >> 6 & 63) as u8,
        second: (whole & 63) as u8,
        micros: micros(fraction, fraction_bytes),
        digits,
    };
    (negative, clock)
}

/// Microseconds of a fraction of 0 to 3 bytes.
pub fn micros(fraction: u64, bytes: usize) -> u32 {
    let scale = match bytes {
        1 => 10_000,
        2 => 100,
        _ => 1,
    };
    u32::try_from(fraction * scale).unwrap_or(u32::MAX)
}

/// The text of a stored moment as the server prints it; `None` if a part is out of range.
pub fn moment_text(moment: Moment, date_only: bool, text: &mut ZeroText) -> Option<&str> {
    let Moment { date, time } = moment;
    let bad =
        date.month > 12 || date.year > 9999 || time.minute > 59 || time.second > 59 || time.micros > 999_999;
    if bad {
        return None;
    }
    write_text(date, (!date_only).then_some(time), text)
}

fn write_text(date: Date, time: Option<Clock>, text: &mut ZeroText) -> Option<&str> {
    let mut at = 0;
    let mut put = |n: u32, width: usize, before: &[u8]| {
        for b in before {
            text[at] = *b;
            at += 1;
        }
        for place in (0..width).rev() {
            text[at] = b'0' + (n / 10u32.pow(place as u32) % 10) as u8;
            at += 1;
        }
    };
    put(date.year.into(), 4, b"");
    put(date.month.into(), 2, b"-");
    put(date.day.into(), 2, b"-");
    if let Some(time) = time {
        put(time.hour.into(), 2, b" ");
        put(time.minute.into(), 2, b":");
        put(time.second.into(), 2, b":");
        let digits = usize::from(time.digits.min(6));
        if digits > 0 {
            put(time.micros / 10u32.pow(6 - digits as u32), digits, b".");
        }
    }
    std::str::from_utf8(&text[..at]).ok()
}
