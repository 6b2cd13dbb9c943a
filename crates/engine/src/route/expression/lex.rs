//! Words, numbers, texts and signs of a `when` expression, each with its place.

use super::error;
use crate::error::Result;
use crate::route::decimal;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A keyword or a column name.
    Word(String),
    /// A column name in backticks.
    Quoted(String),
    Number(String),
    Text(String),
    Sign(&'static str),
}

const SIGNS: [&str; 11] = ["==", "!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ","];

/// Tokens with their byte offsets.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (length, token) = token(text, at, c, follows_value(&tokens))?;
        tokens.push((at, token));
        at += length;
    }
    Ok(tokens)
}

/// Behind a value a `-` cannot begin a number.
fn follows_value(tokens: &[(usize, Token)]) -> bool {
    !matches!(tokens.last(), None | Some((_, Token::Sign(_) | Token::Word(_))))
}

fn token(text: &str, at: usize, first: char, follows_value: bool) -> Result<(usize, Token)> {
    let rest = &text[at..];
    if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        return Ok((sign.len(), Token::Sign(sign)));
    }
    match first {
        '\'' | '"' => quoted(text, at, first).map(|(length, inner)| (length, Token::Text(inner))),
        '`' => quoted(text, at, first).map(|(length, inner)| (length, Token::Quoted(inner))),
        '0'..='9' | '.' => number(text, at),
        '-' | '+' if !follows_value => number(text, at),
        c if c.is_alphabetic() || c == '_' || c == '$' => {
            let inside = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
            let length = rest.find(|c| !inside(c)).unwrap_or(rest.len());
            Ok((length, Token::Word(rest[..length].to_owned())))
        }
        c => Err(error(text, at, format_args!("{c:?} is not expected"))),
    }
}

/// A doubled quote stands for itself.
fn quoted(text: &str, at: usize, quote: char) -> Result<(usize, String)> {
    let mut inner = String::new();
    let mut chars = text[at + 1..].char_indices().peekable();
    while let Some((n, c)) = chars.next() {
        if c != quote {
            inner.push(c);
        } else if chars.peek().is_some_and(|(_, next)| *next == quote) {
            chars.next();
            inner.push(quote);
        } else {
            return Ok((n + 2, inner));
        }
    }
    Err(error(text, at, "a quote is not closed"))
}

fn number(text: &str, at: usize) -> Result<(usize, Token)> {
    let rest = &text[at..];
    let mut previous = ' ';
    let part = |c: char| {
        let sign = matches!(c, '-' | '+') && matches!(previous, ' ' | 'e' | 'E');
        previous = c;
        !(sign || c.is_alphanumeric() || c == '.' || c == '_')
    };
    let length = rest.find(part).unwrap_or(rest.len());
    let number = &rest[..length];
    if !decimal::is_number(number) {
        return Err(error(text, at, format_args!("{number:?} is no number")));
    }
    Ok((length, Token::Number(number.to_owned())))
}
