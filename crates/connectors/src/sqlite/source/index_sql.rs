//! Reads the terms and the `WHERE` of a `CREATE INDEX` text, which no pragma tells for expressions and partial indexes.
//! It splits text; what the pieces mean stays SQLite's.

/// The pieces of a `CREATE INDEX … ON t (…) WHERE …`.
#[derive(Debug, PartialEq, Eq)]
pub struct IndexSql {
    /// The expression of each term, without its `COLLATE` and order.
    pub terms: Vec<String>,
    /// The condition of a partial index.
    pub filter: Option<String>,
}

/// Splits the text; `None` if it does not look like an index.
pub fn parse(sql: &str) -> Option<IndexSql> {
    let tokens = tokens(sql)?;
    let on = tokens.iter().position(|t| t.is_word(sql, "ON"))?;
    let open = on + tokens[on..].iter().position(|t| t.text(sql) == "(")?;
    let mut depth = 0;
    let mut terms = Vec::new();
    let mut start = open + 1;
    let mut close = None;
    for (n, token) in tokens.iter().enumerate().skip(open) {
        match token.text(sql) {
            "(" => depth += 1,
            ")" => depth -= 1,
            "," if depth == 1 => {
                terms.push(term(sql, &tokens[start..n])?);
                start = n + 1;
            }
            _ => {}
        }
        if depth == 0 {
            terms.push(term(sql, &tokens[start..n])?);
            close = Some(n);
            break;
        }
    }
    let filter = match tokens.get(close? + 1) {
        None => None,
        Some(word) if word.is_word(sql, "WHERE") => Some(span(sql, &tokens[close? + 2..])?),
        Some(_) => return None,
    };
    Some(IndexSql { terms, filter })
}

/// A term without `ASC`, `DESC` and a `COLLATE name` at its end.
fn term(sql: &str, mut tokens: &[Token]) -> Option<String> {
    if let [rest @ .., order] = tokens
        && (order.is_word(sql, "ASC") || order.is_word(sql, "DESC"))
    {
        tokens = rest;
    }
    if let [rest @ .., collate, _name] = tokens
        && collate.is_word(sql, "COLLATE")
    {
        tokens = rest;
    }
    span(sql, tokens)
}

/// The tokens' text, one blank between: a comment that stood there is gone.
fn span(sql: &str, tokens: &[Token]) -> Option<String> {
    let words: Vec<&str> = tokens.iter().map(|t| t.text(sql)).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[derive(Clone, Copy)]
struct Token {
    start: usize,
    end: usize,
}

impl Token {
    fn text(self, sql: &str) -> &str {
        &sql[self.start..self.end]
    }

    fn is_word(self, sql: &str, word: &str) -> bool {
        self.text(sql).eq_ignore_ascii_case(word)
    }
}

/// Quoted names and texts, words and numbers, and operators; comments and blanks are left out.
fn tokens(sql: &str) -> Option<Vec<Token>> {
    let bytes = sql.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        at = match bytes[at] {
            b if b.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at = sql[at..].find('\n').map_or(bytes.len(), |n| at + n);
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = sql[at + 2..].find("*/").map_or(bytes.len(), |n| at + n + 4);
                continue;
            }
            quote @ (b'"' | b'\'' | b'`') => quoted(bytes, at, quote)?,
            b'[' => at + sql[at..].find(']')? + 1,
            b if is_word(b) => at + bytes[at..].iter().take_while(|b| is_word(**b)).count(),
            b'|' | b'<' | b'>' | b'=' | b'!' | b'-' => operator(bytes, at),
            _ => at + 1,
        };
        // `x'00'` is one token: the quoted part begins where the word ended.
        match tokens.last_mut() {
            Some(Token { end, .. }) if *end == start && is_blob(&sql[..start], bytes[start]) => *end = at,
            _ => tokens.push(Token { start, end: at }),
        }
    }
    Some(tokens)
}

fn is_blob(before: &str, quote: u8) -> bool {
    let mut back = before.bytes().rev();
    quote == b'\'' && matches!(back.next(), Some(b'x' | b'X')) && !back.next().is_some_and(is_word)
}

fn quoted(bytes: &[u8], mut at: usize, quote: u8) -> Option<usize> {
    loop {
        at += 1;
        if *bytes.get(at)? == quote {
            if bytes.get(at + 1) != Some(&quote) {
                return Some(at + 1);
            }
            at += 1;
        }
    }
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'$' || b == b'.' || b >= 0x80
}

/// Operators of several characters stay whole (`->>` is the longest).
fn operator(bytes: &[u8], at: usize) -> usize {
    for known in [&b"->>"[..], b"->", b"||", b"<<", b">>", b"<=", b">=", b"<>", b"==", b"!="] {
        if bytes[at..].starts_with(known) {
            return at + known.len();
        }
    }
    at + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(sql: &str) -> (Vec<String>, Option<String>) {
        let IndexSql { terms, filter } = parse(sql).unwrap();
        (terms, filter)
    }

    #[test]
    fn terms_and_filters_are_split_where_sqlite_would() {
        let (terms, filter) = split("CREATE UNIQUE INDEX i ON t (a, \"b,(\" DESC, [c)] COLLATE nocase ASC)");
        assert_eq!(terms, ["a", "\"b,(\"", "[c)]"]);
        assert_eq!(filter, None);
        let (terms, filter) = split(
            "create unique index if not exists \"on (\" on \"t\"(lower(a || ',') /* , */ collate \"x\", -- )\n b)\n\
             where a is not null and b<>'''x)'",
        );
        assert_eq!(terms, ["lower ( a || ',' )", "b"]);
        assert_eq!(filter.as_deref(), Some("a is not null and b <> '''x)'"));
        let (terms, _) = split("CREATE UNIQUE INDEX i ON t (d ->> '$.a', x'00ff' || e, 1.5e3 * f)");
        assert_eq!(terms, ["d ->> '$.a'", "x'00ff' || e", "1.5e3 * f"]);
    }

    #[test]
    fn what_is_no_index_is_nothing() {
        for sql in [
            "",
            "CREATE TABLE t (a)",
            "CREATE INDEX i ON t",
            "CREATE INDEX i ON t (a",
            "CREATE INDEX i ON t ('a",
        ] {
            assert_eq!(parse(sql), None, "{sql}");
        }
    }
}
