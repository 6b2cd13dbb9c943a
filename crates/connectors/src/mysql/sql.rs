//! Names and texts as they stand in statements. Every name from a catalog or an event goes through here.

/// A quoted identifier.
pub fn ident(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A quoted `database`.`table`.
pub fn table_ident(database: &str, table: &str) -> String {
    format!("{}.{}", ident(database), ident(table))
}

/// A text literal, for sessions of ours (backslash escapes on).
pub fn text_literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\'' => out.push_str("''"),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push_str("\\0"),
            _ => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// `0x…`, never empty: bytes that no quoting can change.
pub fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "''".into();
    }
    let mut out = String::with_capacity(2 + bytes.len() * 2);
    out.push_str("0x");
    for byte in bytes {
        out.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        out.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_escapes_its_quotes() {
        assert_eq!(table_ident("a`b", "c d"), "`a``b`.`c d`");
        assert_eq!(text_literal("O'Neil\\ \u{0}\""), "'O''Neil\\\\ \\0\"'");
        assert_eq!((hex(b"\x0f\xa0"), hex(b"")), ("0x0fa0".into(), "''".into()));
    }
}
