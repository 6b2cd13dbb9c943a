//! CREATE TABLE: columns, primary key, default character set; or another table to be like.

use super::Name;
use super::column::{self, ColumnSpec};
use super::lexer::Token;
use super::parser::{Parsed, Parser, Unclear};
use crate::mysql::schema::same_column;

/// No server has tables of more columns. Names are compared with each other: a statement of many more would take minutes.
pub const MAX_COLUMNS: usize = 4096;

/// A CREATE TABLE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    pub name: Name,
    pub if_not_exists: bool,
    /// MariaDB: drops the table that is there.
    pub or_replace: bool,
    pub body: Body,
    /// MySQL: the rows of CREATE TABLE .. SELECT follow in the same transaction.
    pub begins_transaction: bool,
}

/// What the table is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Columns { columns: Vec<ColumnSpec>, primary_key: Vec<String>, charset: Option<String> },
    Like(Name),
}

/// Behind `CREATE .. TABLE`.
pub fn read(p: &mut Parser, or_replace: bool) -> Parsed<Create> {
    let if_not_exists = p.take_all(&["IF", "NOT", "EXISTS"]);
    let name = p.name()?;
    let begins_transaction = p.ends_with(&["START", "TRANSACTION"]);
    let done = |body| Ok(Create { name: name.clone(), if_not_exists, or_replace, body, begins_transaction });
    if p.take("LIKE") {
        return done(Body::Like(p.name()?));
    }
    p.expect_sign('(')?;
    if p.take("LIKE") {
        return done(Body::Like(p.name()?));
    }
    let (columns, mut primary_key) = definitions(p)?;
    if columns.is_empty() {
        return Err(Unclear);
    }
    if primary_key.is_empty() {
        primary_key = columns.iter().filter(|c| c.primary).map(|c| c.name.clone()).collect();
    }
    let charset = options(p)?;
    done(Body::Columns { columns, primary_key, charset })
}

/// Columns and keys, up to the closing parenthesis.
pub fn definitions(p: &mut Parser) -> Parsed<(Vec<ColumnSpec>, Vec<String>)> {
    let (mut columns, mut primary_key, mut json) = (Vec::<ColumnSpec>::new(), Vec::new(), Vec::new());
    loop {
        match key_or_check(p)? {
            Definition::PrimaryKey(names) => primary_key = names,
            Definition::Json(name) => json.push(name),
            Definition::Other => {}
            Definition::Column => columns.push(column::read(p)?),
        }
        if columns.len().max(json.len()) > MAX_COLUMNS {
            return Err(Unclear);
        }
        if !p.take_sign(',') {
            p.expect_sign(')')?;
            break;
        }
    }
    for column in columns.iter_mut().filter(|c| json.iter().any(|j| same_column(j, &c.name))) {
        column.kind.set_checked(true);
    }
    Ok((columns, primary_key))
}

/// What a definition is that stands where a column could.
pub enum Definition {
    Column,
    PrimaryKey(Vec<String>),
    /// A check by which MariaDB takes a column of text for JSON.
    Json(String),
    Other,
}

/// Reads an index, a constraint or a period; leaves a column where it is.
pub fn key_or_check(p: &mut Parser) -> Parsed<Definition> {
    if p.take("CONSTRAINT") {
        let named = !["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"].iter().any(|k| p.is(k));
        if named {
            p.ident()?;
        }
        if !["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"].iter().any(|k| p.is(k)) {
            return Err(Unclear);
        }
    }
    if p.take_all(&["PRIMARY", "KEY"]) {
        return primary_key(p).map(Definition::PrimaryKey);
    }
    if p.is("CHECK") && p.peek_at(1) == Some(&Token::Sign('(')) {
        p.next();
        let json = column::check(p)?;
        p.skip_item()?;
        return Ok(json.map_or(Definition::Other, Definition::Json));
    }
    let index = p.is("UNIQUE")
        || p.is("INDEX")
        || p.is("KEY")
        || p.is("FULLTEXT")
        || p.is("SPATIAL")
        || p.is("FOREIGN")
        || p.are(&["VECTOR", "INDEX"])
        || p.are(&["VECTOR", "KEY"])
        || p.are(&["PERIOD", "FOR"]);
    if !index {
        return Ok(Definition::Column);
    }
    p.skip_item()?;
    Ok(Definition::Other)
}

/// Behind PRIMARY KEY: an index name or type may come first, options may follow.
pub fn primary_key(p: &mut Parser) -> Parsed<Vec<String>> {
    while !p.is_sign('(') {
        p.ident()?;
    }
    p.expect_sign('(')?;
    let mut names = Vec::new();
    loop {
        names.push(p.ident()?);
        if p.is_sign('(') {
            p.skip_parens()?;
        }
        p.take_one(&["ASC", "DESC"]);
        if p.take_sign(',') {
            if p.take_all(&["PERIOD", "WITHOUT"]) {
                return Err(Unclear);
            }
            continue;
        }
        // MariaDB: `period WITHOUT OVERLAPS`.
        if p.take_all(&["WITHOUT", "OVERLAPS"]) {
            names.pop();
        }
        p.expect_sign(')')?;
        p.skip_item()?;
        return Ok(names);
    }
}

/// Table options: the default character set counts, everything else is passed over.
fn options(p: &mut Parser) -> Parsed<Option<String>> {
    let mut charset = None;
    while !p.at_end() {
        if let Some(found) = default_charset(p)? {
            charset = found.or(charset);
        } else if p.take("PARTITION") || p.take("SELECT") || p.take("AS") {
            p.skip_all();
        } else if p.is_sign('(') {
            p.skip_parens()?;
        } else {
            p.next();
        }
    }
    Ok(charset)
}

/// `[DEFAULT] CHARACTER SET [=] x` or `[DEFAULT] COLLATE [=] x`, if that is what comes next. The inner `None` stands for
/// a collation that goes with several character sets.
pub fn default_charset(p: &mut Parser) -> Parsed<Option<Option<String>>> {
    let ahead = usize::from(p.is("DEFAULT"));
    let words = if p.is_at(ahead, "CHARSET") || p.is_at(ahead, "COLLATE") {
        1
    } else if (p.is_at(ahead, "CHARACTER") || p.is_at(ahead, "CHAR")) && p.is_at(ahead + 1, "SET") {
        2
    } else {
        return Ok(None);
    };
    let collate = p.is_at(ahead, "COLLATE");
    for _ in 0..ahead + words {
        p.next();
    }
    p.take_sign('=');
    let name = p.text_or_ident()?;
    if collate {
        return Ok(Some(column::charset_of(&name).map(str::to_owned)));
    }
    Ok(Some(Some(name).filter(|n| !n.eq_ignore_ascii_case("default"))))
}
