//! Splits a statement into words, names, texts and signs. Comments vanish, versioned ones as the server would read them.

/// What changes the meaning of a statement's letters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dialect {
    pub mariadb: bool,
    /// As versioned comments write it: 50624, 90704, 101119.
    pub version: u32,
    /// `"` quotes names, not texts.
    pub ansi_quotes: bool,
    /// A backslash in a text is a backslash.
    pub no_backslash_escapes: bool,
    /// REAL is FLOAT, not DOUBLE.
    pub real_as_float: bool,
    /// TIMESTAMP columns may be NULL unless they say otherwise.
    pub explicit_timestamp: bool,
}

/// A piece of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// Not quoted: a keyword or a name.
    Word(String),
    /// A quoted name.
    Quoted(String),
    Text(String),
    Number(String),
    Sign(char),
}

/// Reads tokens one by one.
pub struct Lexer<'a> {
    rest: &'a str,
    dialect: Dialect,
    /// Versioned comments that are open.
    depth: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(sql: &'a str, dialect: Dialect) -> Lexer<'a> {
        Lexer { rest: sql, dialect, depth: 0 }
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a str {
        self.rest
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// Passes over spaces and comments.
    fn blank(&mut self) {
        loop {
            let before = self.rest.len();
            self.rest =
                self.rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\0' || c == '\u{b}');
            if self.rest.starts_with('#') || is_dash_comment(self.rest) {
                let end = self.rest.find('\n').map_or(self.rest.len(), |n| n + 1);
                self.skip(end);
            } else if self.rest.starts_with("/*") {
                self.comment();
            } else if self.depth > 0 && self.rest.starts_with("*/") {
                self.depth -= 1;
                self.skip(2);
            }
            if self.rest.len() == before {
                return;
            }
        }
    }

    /// At `/*`: enters what the server would execute, passes over everything else.
    fn comment(&mut self) {
        let body = &self.rest[2..];
        let executable = match body.strip_prefix("M!") {
            Some(after) if self.dialect.mariadb => Some(after),
            Some(_) => None,
            None => body.strip_prefix('!'),
        };
        if let Some(after) = executable {
            let digits = after.bytes().take(6).take_while(u8::is_ascii_digit).count();
            let digits = if digits >= 5 { digits } else { 0 };
            let wanted: u32 = after[..digits].parse().unwrap_or(0);
            if self.executes(wanted) {
                self.depth += 1;
                self.rest = &after[digits..];
                return;
            }
        }
        let end = body.find("*/").map_or(self.rest.len(), |n| n + 4);
        self.skip(end);
    }

    /// MariaDB passes over what is meant for MySQL 5.7 and later.
    fn executes(&self, wanted: u32) -> bool {
        wanted <= self.dialect.version && !(self.dialect.mariadb && (50_700..=99_999).contains(&wanted))
    }

    /// A quoted piece that begins with `quote`, doubled inside.
    fn quoted(&mut self, quote: char, backslash: bool) -> Option<String> {
        let mut out = String::new();
        let mut chars = self.rest.char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                if chars.peek().is_some_and(|(_, next)| *next == quote) {
                    chars.next();
                    out.push(quote);
                    continue;
                }
                self.skip(at + quote.len_utf8());
                return Some(out);
            }
            if c == '\\' && backslash {
                out.push(unescape(chars.next()?.1));
            } else {
                out.push(c);
            }
        }
        None
    }

    /// The next token; `Err` for a quote that has no end.
    pub fn next_token(&mut self) -> Option<Result<Token, ()>> {
        self.blank();
        let first = self.rest.chars().next()?;
        let backslash = !self.dialect.no_backslash_escapes;
        let token = match first {
            '`' => self.quoted('`', false).map(Token::Quoted),
            '"' if self.dialect.ansi_quotes => self.quoted('"', false).map(Token::Quoted),
            '\'' | '"' => self.quoted(first, backslash).map(Token::Text),
            c if c.is_ascii_digit() => Some(self.number_or_word()),
            c if is_word(c) => Some(Token::Word(self.word())),
            c => {
                self.skip(c.len_utf8());
                Some(Token::Sign(c))
            }
        };
        Some(token.ok_or(()))
    }

    fn word(&mut self) -> String {
        let end = self.rest.find(|c: char| !is_word(c)).unwrap_or(self.rest.len());
        let word = self.rest[..end].to_owned();
        self.skip(end);
        word
    }

    /// A name may begin with a digit but not consist of digits.
    fn number_or_word(&mut self) -> Token {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let next = self.rest[end..].chars().next();
        let exponent = matches!(next, Some('e' | 'E'))
            && self.rest[end + 1..].starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+');
        if next.is_some_and(is_word) && !exponent {
            return Token::Word(self.word());
        }
        let mut len = end;
        let bytes = self.rest.as_bytes();
        while let Some(b) = bytes.get(len) {
            let signed = matches!(b, b'+' | b'-') && matches!(bytes.get(len - 1), Some(b'e' | b'E'));
            if !(b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E') || signed) {
                break;
            }
            len += 1;
        }
        let number = self.rest[..len].to_owned();
        self.skip(len);
        Token::Number(number)
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii()
}

/// `--` begins a comment only before a space or the end.
fn is_dash_comment(text: &str) -> bool {
    text.strip_prefix("--").is_some_and(|rest| {
        rest.chars().next().is_none_or(|c| c.is_ascii_whitespace() || c.is_ascii_control())
    })
}

fn unescape(c: char) -> char {
    match c {
        '0' => '\0',
        'b' => '\u{8}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'Z' => '\u{1a}',
        other => other,
    }
}
