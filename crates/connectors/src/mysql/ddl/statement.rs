//! Tells what a statement is, by its first words, and reads those that matter.

use super::Name;
use super::alter::{self, Alter};
use super::create::{self, Create};
use super::lexer::{Dialect, Lexer, Token};
use super::parser::{Parsed, Parser, Unclear};

/// DML in text can be long; the tables it names stand near its beginning.
const DML_TOKENS: usize = 20_000;

/// A statement in the binlog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    Begin,
    Commit,
    Rollback,
    /// SAVEPOINT and RELEASE SAVEPOINT.
    Savepoint,
    RollbackTo,
    Xa(Xa),
    Create(Create),
    Alter(Alter),
    Drop(Vec<Name>),
    DropDatabase(String),
    Rename(Vec<(Name, Name)>),
    Truncate(Name),
    /// `DROP INDEX PRIMARY ON t`.
    DropPrimaryKey(Name),
    /// A database is made or changed; `None`: the session's database, and the server's default character set.
    Database {
        name: Option<String>,
        charset: Option<String>,
    },
    /// Rows changed by a statement; every name that stands in it.
    Dml {
        word: &'static str,
        names: Vec<Name>,
    },
    /// It changes a table, but how is not understood; the names that stand in it.
    Unclear {
        names: Vec<Name>,
    },
    /// Nothing to a reader of rows.
    Other,
}

/// XA statements, with the xid as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Xa {
    Start,
    End,
    Prepare,
    Commit { xid: String, one_phase: bool },
    Rollback { xid: String },
}

const DML: [&str; 7] = ["INSERT", "REPLACE", "UPDATE", "DELETE", "LOAD", "WITH", "IMPORT"];

/// Reads a statement.
pub fn read(sql: &str, dialect: Dialect) -> Statement {
    let sql = without_settings(sql, dialect);
    let mut lexer = Lexer::new(sql, dialect);
    let first = match lexer.next_token() {
        None => return Statement::Other,
        Some(Ok(Token::Word(word))) => word,
        Some(Ok(Token::Sign('('))) => return unclear_dml(sql, dialect),
        Some(_) => return Statement::Other,
    };
    if let Some(word) = DML.iter().find(|d| first.eq_ignore_ascii_case(d)) {
        let Ok(mut parser) = Parser::new(sql, dialect, DML_TOKENS) else {
            return Statement::Dml { word, names: Vec::new() };
        };
        parser.next();
        return Statement::Dml { word, names: parser.all_names() };
    }
    let is = |word: &str| first.eq_ignore_ascii_case(word);
    let known = [
        "BEGIN",
        "START",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT",
        "RELEASE",
        "XA",
        "CREATE",
        "ALTER",
        "DROP",
        "RENAME",
        "TRUNCATE",
        "SET",
    ];
    if !known.iter().any(|k| is(k)) {
        return Statement::Other;
    }
    let Ok(mut p) = Parser::new(sql, dialect, usize::MAX) else {
        return Statement::Unclear { names: Vec::new() };
    };
    match statement(&mut p) {
        Ok(statement) => statement,
        Err(Unclear) => {
            let mut again = match Parser::new(sql, dialect, DML_TOKENS) {
                Ok(parser) => parser,
                Err(Unclear) => return Statement::Unclear { names: Vec::new() },
            };
            Statement::Unclear { names: again.all_names() }
        }
    }
}

/// `(SELECT ..)` and the like never stand in a binlog; whatever does, its names count.
fn unclear_dml(sql: &str, dialect: Dialect) -> Statement {
    let names = Parser::new(sql, dialect, DML_TOKENS).map(|mut p| p.all_names()).unwrap_or_default();
    Statement::Dml { word: "statement", names }
}

fn statement(p: &mut Parser) -> Parsed<Statement> {
    if p.take("BEGIN") || p.take_all(&["START", "TRANSACTION"]) {
        return Ok(Statement::Begin);
    }
    if p.take("COMMIT") {
        return Ok(Statement::Commit);
    }
    if p.take("ROLLBACK") {
        p.take("WORK");
        return Ok(if p.take("TO") { Statement::RollbackTo } else { Statement::Rollback });
    }
    if p.take("SAVEPOINT") || p.take("RELEASE") {
        return Ok(Statement::Savepoint);
    }
    if p.take("XA") {
        return xa(p).map(Statement::Xa);
    }
    if p.take("SET") {
        // A SET STATEMENT that is still here runs nothing.
        return if p.is("STATEMENT") { Err(Unclear) } else { Ok(Statement::Other) };
    }
    if p.take("CREATE") {
        return create_any(p);
    }
    if p.take("ALTER") {
        return alter_any(p);
    }
    if p.take("DROP") {
        return drop_any(p);
    }
    if p.take("RENAME") {
        return rename(p);
    }
    if p.take("TRUNCATE") {
        p.take("TABLE");
        return Ok(Statement::Truncate(p.name()?));
    }
    Ok(Statement::Other)
}

/// What MariaDB's `SET STATEMENT a = 1 FOR statement` runs, however often such a beginning stands there.
fn without_settings(mut sql: &str, dialect: Dialect) -> &str {
    loop {
        let mut lexer = Lexer::new(sql, dialect);
        let mut is_next = |wanted: &str| match lexer.next_token() {
            Some(Ok(Token::Word(word))) => Some(word.eq_ignore_ascii_case(wanted)),
            Some(Ok(_)) => Some(false),
            _ => None,
        };
        if is_next("SET") != Some(true) || is_next("STATEMENT") != Some(true) {
            return sql;
        }
        loop {
            match is_next("FOR") {
                Some(true) => break,
                Some(false) => {}
                None => return sql,
            }
        }
        sql = lexer.rest();
    }
}

fn create_any(p: &mut Parser) -> Parsed<Statement> {
    let or_replace = p.take_all(&["OR", "REPLACE"]);
    if p.take("TEMPORARY") {
        return Ok(Statement::Other);
    }
    if p.take("TABLE") {
        return create::read(p, or_replace).map(Statement::Create);
    }
    if p.take_one(&["DATABASE", "SCHEMA"]).is_some() {
        p.take_all(&["IF", "NOT", "EXISTS"]);
        let name = Some(p.ident()?);
        return Ok(Statement::Database { name, charset: database_charset(p)? });
    }
    Ok(Statement::Other)
}

fn database_charset(p: &mut Parser) -> Parsed<Option<String>> {
    let mut charset = None;
    while !p.at_end() {
        match create::default_charset(p)? {
            Some(found) => charset = found.or(charset),
            None => drop(p.next()),
        }
    }
    Ok(charset)
}

fn alter_any(p: &mut Parser) -> Parsed<Statement> {
    p.take("ONLINE");
    let ignore = p.take("IGNORE");
    if p.take("TABLE") {
        return alter::read(p, ignore).map(Statement::Alter);
    }
    if p.take_one(&["DATABASE", "SCHEMA"]).is_some() {
        let options =
            ["DEFAULT", "CHARACTER", "CHARSET", "COLLATE", "ENCRYPTION", "COMMENT", "READ", "UPGRADE"];
        let name = if options.iter().any(|o| p.is(o)) { None } else { Some(p.ident()?) };
        return Ok(Statement::Database { name, charset: database_charset(p)? });
    }
    Ok(Statement::Other)
}

fn drop_any(p: &mut Parser) -> Parsed<Statement> {
    if p.take("TEMPORARY") {
        return Ok(Statement::Other);
    }
    if p.take_one(&["TABLE", "TABLES"]).is_some() {
        p.take_all(&["IF", "EXISTS"]);
        return Ok(Statement::Drop(p.names()?));
    }
    if p.take_one(&["DATABASE", "SCHEMA"]).is_some() {
        p.take_all(&["IF", "EXISTS"]);
        return Ok(Statement::DropDatabase(p.ident()?));
    }
    p.take("ONLINE");
    if p.take("INDEX") {
        p.take_all(&["IF", "EXISTS"]);
        let index = p.ident()?;
        p.expect("ON")?;
        let table = p.name()?;
        if index.eq_ignore_ascii_case("PRIMARY") {
            return Ok(Statement::DropPrimaryKey(table));
        }
    }
    Ok(Statement::Other)
}

fn rename(p: &mut Parser) -> Parsed<Statement> {
    if p.take_one(&["TABLE", "TABLES"]).is_none() {
        return Ok(Statement::Other);
    }
    p.take_all(&["IF", "EXISTS"]);
    let mut pairs = Vec::new();
    loop {
        let from = p.name()?;
        if p.take("WAIT") {
            p.number()?;
        } else {
            p.take("NOWAIT");
        }
        p.expect("TO")?;
        pairs.push((from, p.name()?));
        if !p.take_sign(',') {
            return Ok(Statement::Rename(pairs));
        }
    }
}

fn xa(p: &mut Parser) -> Parsed<Xa> {
    let verb = p.take_one(&["START", "BEGIN", "END", "PREPARE", "COMMIT", "ROLLBACK"]).ok_or(Unclear)?;
    let xid = xid(p);
    Ok(match verb {
        "START" | "BEGIN" => Xa::Start,
        "END" => Xa::End,
        "PREPARE" => Xa::Prepare,
        "COMMIT" => Xa::Commit { xid, one_phase: p.ends_with(&["ONE", "PHASE"]) },
        _ => Xa::Rollback { xid },
    })
}

/// `X'6162',X'',1` as the server writes it.
fn xid(p: &mut Parser) -> String {
    let mut out = String::new();
    loop {
        match p.peek() {
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("X") => out.push('X'),
            Some(Token::Text(hex)) => out.push_str(&format!("'{}'", hex.to_ascii_lowercase())),
            Some(Token::Number(number)) => out.push_str(number),
            Some(Token::Sign(',')) => out.push(','),
            _ => return out,
        }
        p.next();
    }
}
