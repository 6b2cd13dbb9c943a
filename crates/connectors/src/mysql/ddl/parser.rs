//! A place in a statement's tokens, and the small readings that all statements share.

use super::Name;
use super::lexer::{Dialect, Lexer, Token};

/// A statement of more pieces is not DDL that a person wrote.
const MAX_TOKENS: usize = 500_000;

/// The statement is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unclear;

pub type Parsed<T> = Result<T, Unclear>;

/// Tokens and a place in them.
pub struct Parser {
    tokens: Vec<Token>,
    at: usize,
    pub dialect: Dialect,
}

impl Parser {
    /// Reads at most `limit` tokens; a statement that is longer is cut there.
    pub fn new(sql: &str, dialect: Dialect, limit: usize) -> Parsed<Parser> {
        let mut lexer = Lexer::new(sql, dialect);
        let mut tokens = Vec::new();
        while let Some(token) = lexer.next_token() {
            tokens.push(token.map_err(|()| Unclear)?);
            if tokens.len() == limit.min(MAX_TOKENS) {
                break;
            }
        }
        Ok(Parser { tokens, at: 0, dialect })
    }

    pub fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    pub fn peek_at(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead)
    }

    pub fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    pub fn at_end(&self) -> bool {
        match self.peek() {
            None => true,
            Some(Token::Sign(';')) => self.at + 1 == self.tokens.len(),
            _ => false,
        }
    }

    /// Whether the token `ahead` is this keyword.
    pub fn is_at(&self, ahead: usize, keyword: &str) -> bool {
        matches!(self.peek_at(ahead), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword))
    }

    /// Whether this keyword comes next.
    pub fn is(&self, keyword: &str) -> bool {
        self.is_at(0, keyword)
    }

    /// Whether these keywords come next.
    pub fn are(&self, keywords: &[&str]) -> bool {
        keywords.iter().enumerate().all(|(n, keyword)| self.is_at(n, keyword))
    }

    /// Passes over the keyword if it comes next.
    pub fn take(&mut self, keyword: &str) -> bool {
        let found = self.is(keyword);
        self.at += usize::from(found);
        found
    }

    /// Passes over the keywords if they come next.
    pub fn take_all(&mut self, keywords: &[&str]) -> bool {
        let found = self.are(keywords);
        self.at += if found { keywords.len() } else { 0 };
        found
    }

    /// Passes over one of the keywords and says which.
    pub fn take_one<'k>(&mut self, keywords: &[&'k str]) -> Option<&'k str> {
        let found = keywords.iter().find(|k| self.is(k)).copied()?;
        self.at += 1;
        Some(found)
    }

    pub fn expect(&mut self, keyword: &str) -> Parsed<()> {
        if self.take(keyword) { Ok(()) } else { Err(Unclear) }
    }

    pub fn is_sign(&self, sign: char) -> bool {
        self.peek() == Some(&Token::Sign(sign))
    }

    pub fn take_sign(&mut self, sign: char) -> bool {
        let found = self.is_sign(sign);
        self.at += usize::from(found);
        found
    }

    pub fn expect_sign(&mut self, sign: char) -> Parsed<()> {
        if self.take_sign(sign) { Ok(()) } else { Err(Unclear) }
    }

    /// A name, quoted or not.
    pub fn ident(&mut self) -> Parsed<String> {
        match self.next() {
            Some(Token::Word(name) | Token::Quoted(name)) => Ok(name),
            _ => Err(Unclear),
        }
    }

    /// `table` or `database.table` (`.table` means the session's database).
    pub fn name(&mut self) -> Parsed<Name> {
        if self.take_sign('.') {
            return Ok(Name { database: None, table: self.ident()? });
        }
        let first = self.ident()?;
        if !self.take_sign('.') {
            return Ok(Name { database: None, table: first });
        }
        Ok(Name { database: Some(first), table: self.ident()? })
    }

    /// Names separated by commas.
    pub fn names(&mut self) -> Parsed<Vec<Name>> {
        let mut names = vec![self.name()?];
        while self.take_sign(',') {
            names.push(self.name()?);
        }
        Ok(names)
    }

    pub fn number(&mut self) -> Parsed<u32> {
        match self.next() {
            Some(Token::Number(digits)) => digits.parse().map_err(|_| Unclear),
            _ => Err(Unclear),
        }
    }

    /// A text, or a name where the server takes either (character sets, options).
    pub fn text_or_ident(&mut self) -> Parsed<String> {
        match self.next() {
            Some(Token::Word(text) | Token::Quoted(text) | Token::Text(text)) => Ok(text),
            _ => Err(Unclear),
        }
    }

    /// At `(`: passes over everything to its `)`.
    pub fn skip_parens(&mut self) -> Parsed<()> {
        self.expect_sign('(')?;
        let mut depth = 1;
        while depth > 0 {
            match self.next() {
                Some(Token::Sign('(')) => depth += 1,
                Some(Token::Sign(')')) => depth -= 1,
                Some(_) => {}
                None => return Err(Unclear),
            }
        }
        Ok(())
    }

    /// Passes over everything up to the next comma or closing parenthesis outside of parentheses, or to the end.
    pub fn skip_item(&mut self) -> Parsed<()> {
        loop {
            match self.peek() {
                None | Some(Token::Sign(',' | ')')) => return Ok(()),
                Some(Token::Sign('(')) => self.skip_parens()?,
                Some(_) => self.at += 1,
            }
        }
    }

    /// Passes over everything.
    pub fn skip_all(&mut self) {
        self.at = self.tokens.len();
    }

    /// Whether the statement's last tokens are these keywords.
    pub fn ends_with(&self, keywords: &[&str]) -> bool {
        let is_end = |token: &&Token| **token != Token::Sign(';');
        let last: Vec<&Token> =
            self.tokens.iter().rev().skip_while(|t| !is_end(t)).take(keywords.len()).collect();
        let same = |(token, keyword): (&&Token, &&str)| matches!(token, Token::Word(w) if w.eq_ignore_ascii_case(keyword));
        last.len() == keywords.len() && last.iter().rev().zip(keywords).all(same)
    }

    /// Every name that stands anywhere from here on, with the database where one is written.
    pub fn all_names(&mut self) -> Vec<Name> {
        let mut names = Vec::new();
        while let Some(token) = self.next() {
            if let Token::Word(first) | Token::Quoted(first) = token {
                let dotted =
                    self.is_sign('.') && matches!(self.peek_at(1), Some(Token::Word(_) | Token::Quoted(_)));
                names.push(Name { database: None, table: first.clone() });
                if dotted {
                    self.at += 1;
                    if let Ok(table) = self.ident() {
                        names.push(Name { database: Some(first), table });
                    }
                }
            }
        }
        names
    }
}
