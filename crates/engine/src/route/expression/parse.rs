//! The grammar of `when`: `or` below `and` below `not` below comparisons. Nesting is bounded.

use super::lex::Token;
use super::{Comparison, Node, Operand, error};
use crate::error::Result;
use crate::route::glob::Part;

/// Deeper nesting is refused, so that reading and testing take bounded stack.
const DEPTH: usize = 64;

pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: std::iter::Peekable<std::vec::IntoIter<(usize, Token)>>,
    column: &'a mut dyn FnMut(&str) -> Result<usize>,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub fn new(
        text: &'a str,
        tokens: Vec<(usize, Token)>,
        column: &'a mut dyn FnMut(&str) -> Result<usize>,
    ) -> Parser<'a> {
        Parser { text, tokens: tokens.into_iter().peekable(), column, depth: 0 }
    }

    pub fn whole(mut self) -> Result<Node> {
        let node = self.or()?;
        match self.tokens.next() {
            None => Ok(node),
            Some((at, token)) => Err(error(self.text, at, format_args!("{} is not expected", show(&token)))),
        }
    }

    fn or(&mut self) -> Result<Node> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(error(self.text, self.at(), "the expression is nested too deeply"));
        }
        let mut any = vec![self.and()?];
        while self.word("or") {
            any.push(self.and()?);
        }
        self.depth -= 1;
        Ok(one_or(any, Node::Or))
    }

    fn and(&mut self) -> Result<Node> {
        let mut all = vec![self.not()?];
        while self.word("and") {
            all.push(self.not()?);
        }
        Ok(one_or(all, Node::And))
    }

    fn not(&mut self) -> Result<Node> {
        let mut inverted = false;
        while self.word("not") {
            inverted = !inverted;
        }
        let node = self.predicate()?;
        Ok(if inverted { Node::Not(Box::new(node)) } else { node })
    }

    fn predicate(&mut self) -> Result<Node> {
        let at = self.at();
        let left = self.primary()?;
        if self.word("is") {
            let not = self.word("not");
            let left = self.operand_of(left, at)?;
            self.expect_null()?;
            return Ok(invert(not, Node::IsNull(left)));
        }
        let not = self.word("not");
        if self.word("in") {
            let left = self.operand_of(left, at)?;
            return Ok(invert(not, Node::In(left, self.list()?)));
        }
        if self.word("like") {
            let left = self.operand_of(left, at)?;
            return Ok(invert(not, Node::Like(left, self.like()?)));
        }
        if not {
            return Err(error(self.text, self.at(), "`in` or `like` is expected behind `not`"));
        }
        let Some(comparison) = self.comparison() else { return Ok(left) };
        let left = self.operand_of(left, at)?;
        let right = self.operand()?;
        Ok(Node::Compare(comparison, left, right))
    }

    fn primary(&mut self) -> Result<Node> {
        if !self.sign("(") {
            return self.operand().map(Node::Value);
        }
        let node = self.or()?;
        self.close()?;
        Ok(node)
    }

    fn operand(&mut self) -> Result<Operand> {
        let at = self.at();
        let Some((at, token)) = self.tokens.next() else {
            return Err(error(self.text, at, "the expression ends where a value is expected"));
        };
        let reserved = ["and", "or", "not", "in", "is", "like"];
        match token {
            Token::Number(number) => Ok(Operand::Number(number.into())),
            Token::Text(text) => Ok(Operand::Text(text.into())),
            Token::Word(word) if word.eq_ignore_ascii_case("true") => Ok(Operand::Bool(true)),
            Token::Word(word) if word.eq_ignore_ascii_case("false") => Ok(Operand::Bool(false)),
            Token::Word(word) if word.eq_ignore_ascii_case("null") => Ok(Operand::Null),
            Token::Word(word) if !reserved.contains(&&*word.to_lowercase()) => self.column(&word, at),
            Token::Quoted(name) => self.column(&name, at),
            token => {
                let what = format_args!("{} stands where a value is expected", show(&token)).to_string();
                Err(error(self.text, at, what))
            }
        }
    }

    fn column(&mut self, name: &str, at: usize) -> Result<Operand> {
        (self.column)(name).map(Operand::Column).map_err(|e| {
            let located = error(self.text, at, e.message());
            crate::error::Error::new(e.code(), located.message()).fix(e.fix_text())
        })
    }

    fn operand_of(&self, node: Node, at: usize) -> Result<Operand> {
        match node {
            Node::Value(operand) => Ok(operand),
            _ => Err(error(self.text, at, "a condition cannot be compared")),
        }
    }

    fn list(&mut self) -> Result<Vec<Operand>> {
        if !self.sign("(") {
            return Err(error(self.text, self.at(), "`(` is expected behind `in`"));
        }
        let mut list = vec![self.operand()?];
        while self.sign(",") {
            list.push(self.operand()?);
        }
        self.close()?;
        Ok(list)
    }

    /// `%` any characters, `_` one, `\` takes the next one literally.
    fn like(&mut self) -> Result<Vec<Part>> {
        let at = self.at();
        let Operand::Text(pattern) = self.operand()? else {
            return Err(error(self.text, at, "a text is expected behind `like`"));
        };
        let mut parts = Vec::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            parts.push(match c {
                '%' => Part::Any,
                '_' => Part::One,
                '\\' => Part::Char(chars.next().unwrap_or('\\')),
                c => Part::Char(c),
            });
        }
        Ok(parts)
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let Some((_, Token::Sign(sign))) = self.tokens.peek() else { return None };
        let comparison = match *sign {
            "=" | "==" => Comparison::Equal,
            "!=" | "<>" => Comparison::Unequal,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return None,
        };
        self.tokens.next();
        Some(comparison)
    }

    fn expect_null(&mut self) -> Result<()> {
        if self.word("null") { Ok(()) } else { Err(error(self.text, self.at(), "`null` is expected")) }
    }

    fn close(&mut self) -> Result<()> {
        if self.sign(")") { Ok(()) } else { Err(error(self.text, self.at(), "`)` is expected")) }
    }

    fn word(&mut self, wanted: &str) -> bool {
        self.tokens
            .next_if(|(_, t)| matches!(t, Token::Word(word) if word.eq_ignore_ascii_case(wanted)))
            .is_some()
    }

    fn sign(&mut self, wanted: &str) -> bool {
        self.tokens.next_if(|(_, t)| matches!(t, Token::Sign(sign) if *sign == wanted)).is_some()
    }

    fn at(&mut self) -> usize {
        self.tokens.peek().map_or(self.text.len(), |(at, _)| *at)
    }
}

fn one_or(mut nodes: Vec<Node>, many: fn(Vec<Node>) -> Node) -> Node {
    if nodes.len() == 1 { nodes.remove(0) } else { many(nodes) }
}

fn invert(not: bool, node: Node) -> Node {
    if not { Node::Not(Box::new(node)) } else { node }
}

fn show(token: &Token) -> String {
    match token {
        Token::Word(word) => format!("`{word}`"),
        Token::Quoted(name) => format!("`{name}`"),
        Token::Number(number) => format!("`{number}`"),
        Token::Text(text) => format!("'{text}'"),
        Token::Sign(sign) => format!("`{sign}`"),
    }
}
