//! Dates by pattern, as ISO, in zones; and any text.

use proptest::prelude::*;

use super::*;

fn read(format: Option<&str>, zone: Option<&str>, text: &str) -> Option<String> {
    DateReader::new(format, zone).unwrap().read(text)
}

#[test]
fn text_becomes_utc() {
    let cases = [
        (Some("yyyy-MM-dd HH:mm:ss"), None, "2026-01-31 12:00:00", Some("2026-01-31T12:00:00Z")),
        (Some("yyyy-MM-dd HH:mm:ss"), Some("UTC"), "2026-01-31 12:00:00", Some("2026-01-31T12:00:00Z")),
        (
            Some("yyyy-MM-dd HH:mm:ss"),
            Some("Europe/Berlin"),
            "2026-07-01 00:30:00",
            Some("2026-06-30T22:30:00Z"),
        ),
        (
            Some("yyyy-MM-dd HH:mm:ss"),
            Some("Europe/Berlin"),
            "2026-01-01 00:30:00",
            Some("2025-12-31T23:30:00Z"),
        ),
        (Some("dd.MM.yyyy"), None, "31.01.2026", Some("2026-01-31T00:00:00Z")),
        (Some("d/M/yy h:mm a"), None, "1/2/26 3:04 PM", Some("2026-02-01T15:04:00Z")),
        (Some("d/M/yy h:mm a"), None, "11/12/26 12:04 am", Some("2026-12-11T00:04:00Z")),
        (Some("yyyyMMddHHmmssSSS"), None, "20260131120000123", Some("2026-01-31T12:00:00.123Z")),
        (
            Some("EEE, d MMM yyyy HH:mm:ss Z"),
            None,
            "Sat, 31 Jan 2026 12:00:00 +0200",
            Some("2026-01-31T10:00:00Z"),
        ),
        (Some("MMMM d, yyyy"), None, "february 3, 2026", Some("2026-02-03T00:00:00Z")),
        (Some("yyyy-MM-dd'T'HH:mm:ssXXX"), None, "2026-01-31T12:00:00-05:30", Some("2026-01-31T17:30:00Z")),
        (Some("yyyy-MM-dd||dd.MM.yyyy"), None, "31.01.2026", Some("2026-01-31T00:00:00Z")),
        (Some("epoch_second"), None, "1769860800", Some("2026-01-31T12:00:00Z")),
        (Some("epoch_millis"), None, "1769860800123", Some("2026-01-31T12:00:00.123Z")),
        (Some("yyyy-MM-dd"), None, "2026-02-30", None),
        (Some("yyyy-MM-dd"), None, "2026-02-28 ", None),
        (Some("yyyy-MM-dd"), None, "26-02-28", None),
        (Some("h:mm a yyyy-MM-dd"), None, "13:00 PM 2026-01-01", None),
        (None, None, "2026-01-31", Some("2026-01-31T00:00:00Z")),
        (None, Some("Asia/Kolkata"), "2026-01-31 05:30", Some("2026-01-31T00:00:00Z")),
        (None, None, "2026-01-31T12:00:00.120+01:00", Some("2026-01-31T11:00:00.120Z")),
        (None, None, "2026-01-31T12:00:00.1234567891Z", Some("2026-01-31T12:00:00.123456789Z")),
        (None, None, "2026-01-31T24:00:00", None),
        (None, None, "yesterday", None),
        (None, None, "", None),
    ];
    for (format, zone, text, expected) in cases {
        assert_eq!(read(format, zone, text).as_deref(), expected, "{format:?} {zone:?} {text:?}");
    }
}

#[test]
fn stored_dates_are_taken_in_the_zone() {
    let date = Date { year: 2026, month: 7, day: 1 };
    let time = Clock { hour: 2, minute: 0, second: 0, micros: 500_000, digits: 3 };
    let reader = DateReader::new(None, Some("Europe/Berlin")).unwrap();
    assert_eq!(reader.date(date, Some(time)).as_deref(), Some("2026-07-01T00:00:00.500Z"));
    assert_eq!(reader.date(date, None).as_deref(), Some("2026-06-30T22:00:00Z"));
    assert_eq!(reader.date(Date { year: 2026, month: 2, day: 30 }, None), None);
}

#[test]
fn bad_formats_and_zones_are_named() {
    let cases = [
        (Some("yyyy-MM-dd bb"), None, "`bb` is unknown"),
        (Some("yyyy 'T"), None, "a quote is not closed"),
        (Some("yyyy"), None, "it needs year, month and day"),
        (None, Some("Europe/Berlim"), "the time zone \"Europe/Berlim\" is unknown"),
    ];
    for (format, zone, expected) in cases {
        let error = DateReader::new(format, zone).unwrap_err();
        assert_eq!(error.code(), Code::RouteTransform);
        assert!(error.message().ends_with(expected), "{}", error.message());
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>(), digits in "[-0-9T: .Z+]{0,30}") {
        for format in [None, Some("yyyy-MM-dd'T'HH:mm:ss.SSSXXX"), Some("EEE d MMMM yy h a"), Some("epoch_millis")] {
            read(format, None, &text);
            read(format, Some("America/New_York"), &digits);
        }
    }

    #[test]
    fn any_format_is_read_or_refused(format in any::<String>(), letters in "[yMdHhmsSaEXxZ'| -]{0,20}", text in "[-0-9: ]{0,20}") {
        for format in [format, letters] {
            if let Ok(reader) = DateReader::new(Some(&format), None) {
                reader.read(&text);
            }
        }
    }
}
