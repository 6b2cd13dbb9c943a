//! Column definitions: name, type, and those attributes that change values or documents. The others are passed over,
//! an attribute that is not known makes the statement unclear.

use super::lexer::Token;
use super::parser::{Parsed, Parser, Unclear};
use super::types::{self, TypeSpec};
use crate::mysql::schema::same_column;

/// What a column gets where nothing is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// NULL if it may be, else the type's empty value.
    None,
    Null,
    /// Anything else.
    Value,
}

/// A column as defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    pub name: String,
    pub kind: TypeSpec,
    /// As written; `None` if it does not say.
    pub nullable: Option<bool>,
    pub default: DefaultValue,
    pub auto_increment: bool,
    pub generated: bool,
    pub primary: bool,
    pub invisible: bool,
    /// The type is TIMESTAMP, whose nullability depends on a setting.
    pub timestamp: bool,
}

impl ColumnSpec {
    /// Whether NULL is allowed.
    pub fn may_be_null(&self, explicit_timestamp: bool) -> bool {
        self.nullable.unwrap_or(
            !self.primary && self.kind != TypeSpec::Serial && (!self.timestamp || explicit_timestamp),
        )
    }
}

/// A definition, from the name to what is not an attribute any more: a comma, the end, FIRST, AFTER.
pub fn read(p: &mut Parser) -> Parsed<ColumnSpec> {
    let name = p.ident()?;
    let timestamp = p.is("TIMESTAMP");
    let kind = types::read(p)?;
    let serial = kind == TypeSpec::Serial;
    let mut spec = ColumnSpec {
        name,
        kind,
        nullable: serial.then_some(false),
        default: DefaultValue::None,
        auto_increment: serial,
        generated: false,
        primary: false,
        invisible: false,
        timestamp,
    };
    while attribute(p, &mut spec)? {}
    Ok(spec)
}

/// Reads one attribute; whether there was one.
fn attribute(p: &mut Parser, spec: &mut ColumnSpec) -> Parsed<bool> {
    match p.peek() {
        Some(Token::Word(_)) => {}
        _ => return Ok(false),
    }
    if p.is("FIRST") || p.is("AFTER") {
        return Ok(false);
    }
    if charset(p, spec)? || value(p, spec)? || flag(p, spec)? || constraint(p, spec)? {
        return Ok(true);
    }
    ignored(p)?;
    Ok(true)
}

/// Character set and collation.
fn charset(p: &mut Parser, spec: &mut ColumnSpec) -> Parsed<bool> {
    if p.take_all(&["CHARACTER", "SET"]) || p.take_all(&["CHAR", "SET"]) || p.take("CHARSET") {
        p.take_sign('=');
        let name = p.text_or_ident()?;
        if !name.eq_ignore_ascii_case("default") {
            spec.kind.set_charset(name);
        }
        return Ok(true);
    }
    if p.take("COLLATE") {
        p.take_sign('=');
        let collation = p.text_or_ident()?;
        if let Some(name) = charset_of(&collation) {
            spec.kind.set_charset(name.to_owned());
        }
        return Ok(true);
    }
    if p.take("ASCII") {
        spec.kind.set_charset("latin1".into());
        return Ok(true);
    }
    if p.take("UNICODE") {
        spec.kind.set_charset("ucs2".into());
        return Ok(true);
    }
    // `CHAR(5) BINARY` is the character set's binary collation.
    Ok(p.take("BINARY"))
}

/// The character set of a collation; `None` for MariaDB's collations that go with several.
pub fn charset_of(collation: &str) -> Option<&str> {
    if collation.to_ascii_lowercase().starts_with("uca1400") || collation.eq_ignore_ascii_case("default") {
        return None;
    }
    collation.split('_').next()
}

/// What the column holds where nothing is given.
fn value(p: &mut Parser, spec: &mut ColumnSpec) -> Parsed<bool> {
    if p.take("DEFAULT") {
        spec.default = default_value(p)?;
        return Ok(true);
    }
    if p.take_all(&["ON", "UPDATE"]) {
        expression(p)?;
        return Ok(true);
    }
    if p.take_all(&["SERIAL", "DEFAULT", "VALUE"]) || p.take("AUTO_INCREMENT") {
        spec.auto_increment = true;
        spec.nullable = Some(false);
        return Ok(true);
    }
    if p.take_all(&["GENERATED", "ALWAYS"]) || p.is("AS") {
        p.expect("AS")?;
        spec.generated = true;
        if p.take("ROW") {
            p.take_one(&["START", "END"]).ok_or(Unclear)?;
        } else {
            p.skip_parens()?;
            p.take_one(&["VIRTUAL", "STORED", "PERSISTENT"]);
        }
        return Ok(true);
    }
    Ok(false)
}

fn default_value(p: &mut Parser) -> Parsed<DefaultValue> {
    if p.take("NULL") {
        return Ok(DefaultValue::Null);
    }
    expression(p)?;
    Ok(DefaultValue::Value)
}

/// A literal, a function call or something in parentheses.
fn expression(p: &mut Parser) -> Parsed<()> {
    while p.take_sign('-') || p.take_sign('+') {}
    match p.peek() {
        Some(Token::Sign('(')) => return p.skip_parens(),
        Some(Token::Text(_) | Token::Number(_) | Token::Word(_) | Token::Quoted(_)) => {}
        _ => return Err(Unclear),
    }
    let word = matches!(p.next(), Some(Token::Word(_)));
    // `b'101'`, `_utf8mb4 'x'`, `'a' 'b'`, `NEXT VALUE FOR s`, `NOW(6)`.
    while matches!(p.peek(), Some(Token::Text(_))) {
        p.next();
    }
    if word && p.take_all(&["VALUE", "FOR"]) {
        p.name()?;
    }
    while word && p.take_sign('.') {
        p.ident()?;
    }
    if word && p.is_sign('(') { p.skip_parens() } else { Ok(()) }
}

fn flag(p: &mut Parser, spec: &mut ColumnSpec) -> Parsed<bool> {
    if p.take_all(&["NOT", "NULL"]) {
        spec.nullable = Some(false);
    } else if p.take("NULL") {
        spec.nullable = Some(true);
    } else if p.take("INVISIBLE") {
        spec.invisible = true;
    } else if p.take("VISIBLE") {
        spec.invisible = false;
    } else if p.take_all(&["PRIMARY", "KEY"]) || p.take("KEY") {
        spec.primary = true;
    } else if p.take("UNIQUE") {
        p.take("KEY");
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn constraint(p: &mut Parser, spec: &mut ColumnSpec) -> Parsed<bool> {
    if p.take("CONSTRAINT") {
        if !p.is("CHECK") {
            p.ident()?;
        }
        if !p.is("CHECK") && !p.is("REFERENCES") && !p.is("PRIMARY") && !p.is("UNIQUE") {
            return Err(Unclear);
        }
        return Ok(true);
    }
    if p.take("CHECK") {
        let json = check(p)?;
        spec.kind.set_checked(json.is_some_and(|column| same_column(&column, &spec.name)));
        return Ok(true);
    }
    if p.take("REFERENCES") {
        references(p)?;
        return Ok(true);
    }
    if p.take_all(&["NOT", "ENFORCED"]) || p.take("ENFORCED") {
        return Ok(true);
    }
    Ok(false)
}

/// Behind CHECK: the column, if the check is exactly `json_valid(column)`, by which MariaDB knows JSON from text.
pub fn check(p: &mut Parser) -> Parsed<Option<String>> {
    let sign = |n: usize, c: char| p.peek_at(n) == Some(&Token::Sign(c));
    let json = p.dialect.mariadb
        && sign(0, '(')
        && p.is_at(1, "json_valid")
        && sign(2, '(')
        && sign(4, ')')
        && sign(5, ')');
    let column = match p.peek_at(3) {
        Some(Token::Word(name) | Token::Quoted(name)) if json => Some(name.clone()),
        _ => None,
    };
    p.skip_parens()?;
    Ok(column)
}

/// Behind REFERENCES.
pub fn references(p: &mut Parser) -> Parsed<()> {
    p.name()?;
    if p.is_sign('(') {
        p.skip_parens()?;
    }
    loop {
        if p.take("MATCH") {
            p.ident()?;
        } else if p.are(&["ON", "DELETE"]) || p.are(&["ON", "UPDATE"]) {
            p.next();
            p.next();
            match p.take_one(&["RESTRICT", "CASCADE", "SET", "NO"]).ok_or(Unclear)? {
                "SET" => drop(p.take_one(&["NULL", "DEFAULT"]).ok_or(Unclear)?),
                "NO" => p.expect("ACTION")?,
                _ => {}
            }
        } else {
            return Ok(());
        }
    }
}

/// Attributes without meaning to documents, each with how it is passed over.
fn ignored(p: &mut Parser) -> Parsed<()> {
    const WITH_VALUE: [&str; 8] = [
        "COMMENT",
        "COLUMN_FORMAT",
        "STORAGE",
        "SRID",
        "REF_SYSTEM_ID",
        "ENGINE_ATTRIBUTE",
        "SECONDARY_ENGINE_ATTRIBUTE",
        "CLUSTERING",
    ];
    if p.take_one(&WITH_VALUE).is_some() {
        p.take_sign('=');
        p.next().ok_or(Unclear)?;
        return Ok(());
    }
    if p.take("COMPRESSED") {
        if p.take_sign('=') {
            p.ident()?;
        }
        return Ok(());
    }
    if p.take_all(&["WITH", "SYSTEM", "VERSIONING"]) || p.take_all(&["WITHOUT", "SYSTEM", "VERSIONING"]) {
        return Ok(());
    }
    if p.take_all(&["NOT", "SECONDARY"]) {
        return Ok(());
    }
    Err(Unclear)
}
