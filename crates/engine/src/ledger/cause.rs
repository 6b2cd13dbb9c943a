//! The cause of a refusal without what differs from row to row, so that refusals of one kind can be counted together.
//! Pure text: what the targets say, and how they quote, is theirs.

/// A cause is cut behind so many characters.
const LONGEST: usize = 200;

/// The message with every quoted text as `"…"` and every word that holds a digit as `#`, on one line. Quotes are `"`, `'`
/// and a backtick; one inside a word (`can't`) is none. A quote that is not closed reaches to the end.
pub fn cause(message: &str) -> String {
    let mut out = String::new();
    let mut rest = message;
    let mut before = ' ';
    let mut length = 0;
    while let Some(c) = rest.chars().next() {
        if length >= LONGEST {
            out.push('…');
            break;
        }
        let taken = match c {
            '"' | '\'' | '`' if !before.is_alphanumeric() => {
                out.push_str("\"…\"");
                quoted(rest, c)
            }
            c if c.is_alphanumeric() => word(rest, &mut out),
            c if c.is_whitespace() || c.is_control() => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
                c.len_utf8()
            }
            c => {
                out.push(c);
                c.len_utf8()
            }
        };
        length += rest[..taken].chars().count().min(LONGEST);
        before = rest[..taken].chars().next_back().unwrap_or(' ');
        rest = &rest[taken..];
    }
    out.trim().to_owned()
}

/// The bytes of a quoted text, both quotes included.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Appends a word, or what stands for it; its bytes. Marks between digits and letters belong to it, so that numbers,
/// dates and identifiers are one.
fn word(text: &str, out: &mut String) -> usize {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '+' | '/' | '\'');
    let end = text.find(|c| !inside(c)).unwrap_or(text.len());
    let word = text[..end].trim_end_matches(|c: char| !c.is_alphanumeric());
    match word.contains(|c: char| c.is_numeric()) {
        true => out.push('#'),
        false => out.push_str(word),
    }
    word.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_row_to_row_is_taken_out() {
        for (message, expected) in [
            ("the receiver answers 422: no twos today", "the receiver answers #: no twos today"),
            ("field [price] of 'long' in document \"a\\\"b 7\"", "field [price] of \"…\" in document \"…\""),
            ("can't parse 2026-01-31T12:00:00Z, row 7f3a-91", "can't parse #, row #"),
            ("two\n  lines\tof it", "two lines of it"),
            ("never 'closed 1", "never \"…\""),
            ("", ""),
        ] {
            assert_eq!(cause(message), expected, "{message}");
        }
        assert_eq!(cause("value '1' at 2"), cause("value 'x y' at 9.5"));
        assert_ne!(cause("no such field"), cause("no such index"));
    }

    #[test]
    fn it_is_short_and_survives_any_text() {
        let long = cause(&"wörd ".repeat(1000));
        assert!(long.chars().count() <= LONGEST + 10, "{long}");
        for text in ["'", "'\\", "\u{0}\u{1f}é'é\"", "…'…`", "١٢٣ 'ß"] {
            cause(text);
        }
        assert_eq!(cause("١٢٣ things"), "# things", "digits of any script");
    }
}
