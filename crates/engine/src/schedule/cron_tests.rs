//! What is read and what is refused, with the words that say why; and any text.

use proptest::prelude::*;

use super::*;

#[test]
fn both_dialects_are_read() {
    let cases = [
        "* * * * *",
        "  0\t0   1 1 0 ",
        "*/15 0-6,20-23 1,15 JAN-mar,12 mon-FRI",
        "5/15 * * * *",
        "10-40/10 */2 */2 */3 1-5/2",
        "0 0 * * FRI-SUN",
        "0 0 * * 5-7",
        "0 0 * * 0-7",
        "*/60 */24 * */12 *",
        "0 0 30 2 *",
        "@hourly",
        "@Daily",
        "@midnight",
        "@weekly",
        "@monthly",
        "@yearly",
        "@annually",
        "0 0 12 * * ?",
        "0 0 12 ? * *",
        "0 0 12 * * *",
        "0/30 0/5 22-2 ? DEC-FEB FRI-MON",
        "/10 * * * * ?",
        "0 15 10 L * ?",
        "0 15 10 L-3 * ?",
        "0 15 10 lw * ?",
        "0 15 10 L-2W * ?",
        "0 15 10 1W,15W,L * ?",
        "0 15 10 ? * 6L",
        "0 15 10 ? * friL",
        "0 15 10 ? * 6#3",
        "0 15 10 ? * MON#1,FRI#5,L",
        "0 15 10 ? * 6L 2026-2028,2030/2",
        "0 0 0 1 1 ? *",
    ];
    for text in cases {
        let cron = Cron::parse(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(cron.to_string(), text.trim());
    }
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        ("", "it has 0 fields, not five, six or seven"),
        ("* * * *", "it has 4 fields, not five, six or seven"),
        ("* * * * * * * *", "it has 8 fields, not five, six or seven"),
        ("@reboot", "there is no such name"),
        ("@", "there is no such name"),
        ("60 * * * *", "minute: 60 is not between 0 and 59"),
        ("99999999999999999999 * * * *", "minute: 99999999999999999999 is not between 0 and 59"),
        ("* 24 * * *", "hour: 24 is not between 0 and 23"),
        ("* * 0 * *", "day of month: 0 is not between 1 and 31"),
        ("* * 32 * *", "day of month: 32 is not between 1 and 31"),
        ("* * * 13 *", "month: 13 is not between 1 and 12"),
        ("* * * * 8", "day of week: 8 is not between 0 and 7"),
        ("* * * MAI *", "month: \"MAI\" is neither a number nor a name from JAN to DEC"),
        ("* * * * MONDAY", "day of week: \"MONDAY\" is neither a number nor a name from SUN to SAT"),
        ("JAN * * * *", "minute: \"JAN\" is no number"),
        ("-5 * * * *", "minute: a number is missing"),
        ("5- * * * *", "minute: a number is missing"),
        ("1,,2 * * * *", "minute: a number is missing"),
        ("/5 * * * *", "minute: a number is missing"),
        ("1-2-3 * * * *", "minute: \"2-3\" is no number"),
        ("+5 * * * *", "minute: \"+5\" is no number"),
        ("** * * * *", "minute: \"**\" is no number"),
        ("*/0 * * * *", "minute: steps of 0 lead nowhere"),
        ("*/ * * * *", "minute: \"\" is no number of steps"),
        ("*/x * * * *", "minute: \"x\" is no number of steps"),
        ("*/2/3 * * * *", "minute: \"2/3\" is no number of steps"),
        ("*/90 * * * *", "minute: steps of 90 are longer than the field, which has 60 values"),
        ("40-20 * * * *", "minute: the range 40-20 ends before it begins"),
        ("* * * * FRI-MON", "day of week: the range FRI-MON ends before it begins"),
        (
            "0 0 L * *",
            "day of month: \"L\" is no number (?, L, W and # belong to Quartz's six or seven fields)",
        ),
        (
            "0 0 ? * 1",
            "day of month: \"?\" is no number (?, L, W and # belong to Quartz's six or seven fields)",
        ),
        (
            "0 0 * * 6#3",
            "day of week: \"6#3\" is neither a number nor a name from SUN to SAT (?, L, W and # belong to Quartz's \
             six or seven fields)",
        ),
    ];
    refused(&cases);
}

#[test]
fn what_is_wrong_in_quartzs_fields_is_named() {
    let cases = [
        ("60 * * * * ?", "second: 60 is not between 0 and 59"),
        ("? * * * * ?", "second: \"?\" is no number"),
        ("0 0 0 ? * 0", "day of week: 0 is not between 1 and 7 (with six or seven fields, 1 is Sunday)"),
        ("0 0 0 1 * 1", "day of week: one of day of month and day of week must be ?, and only one"),
        ("0 0 0 ? * ?", "day of week: one of day of month and day of week must be ?, and only one"),
        ("0 0 0 ?,1 * ?", "day of month: \"?\" is no number"),
        (
            "0 0 0 L2 * ?",
            "day of month: \"L2\": after L comes nothing, W or a number to count back, like L-3",
        ),
        ("0 0 0 L-31 * ?", "day of month: \"L-31\": from the last day one can count back 1 to 30 days"),
        ("0 0 0 L- * ?", "day of month: \"L-\": from the last day one can count back 1 to 30 days"),
        ("0 0 0 32W * ?", "day of month: 32 is not between 1 and 31"),
        ("0 0 0 W * ?", "day of month: a number is missing"),
        (
            "0 0 0 ? * 6#6",
            "day of week: \"6#6\": after # comes 1 to 5, for the first to the fifth of the month",
        ),
        ("0 0 0 ? * #1", "day of week: a number is missing"),
        ("0 0 0 ? * 9L", "day of week: 9 is not between 1 and 7 (with six or seven fields, 1 is Sunday)"),
        ("0 0 0 1 1 ? 2030-2026", "year: the range 2030-2026 ends before it begins"),
        ("0 0 0 1 1 ? 1969", "year: 1969 is not between 1970 and 2099"),
    ];
    refused(&cases);
}

fn refused(cases: &[(&str, &str)]) {
    for (text, wanted) in cases {
        let error = Cron::parse(text).expect_err(text);
        assert_eq!(error.code(), Code::ConfigBadValue);
        assert_eq!(error.message(), format!("the schedule {text:?} cannot be read: {wanted}"));
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
        let _ = Cron::parse(&text);
    }

    /// Text of the right letters gets further. What is read can be asked for its next time.
    #[test]
    fn any_fields_are_read_or_refused(text in "([0-9*?LW#/,A-F-]{1,4} ){4,6}[0-9*?LW#/,MONSU-]{1,4}", second: i32) {
        if let Ok(cron) = Cron::parse(&text) {
            let after = jiff::Timestamp::from_second(second.into()).unwrap();
            let next = cron.next_after(after, &crate::schedule::zone("Europe/Berlin").unwrap());
            prop_assert!(next.is_none_or(|next| next > after));
        }
    }
}
