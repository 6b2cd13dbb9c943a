//! ALTER TABLE: its clauses, as far as they touch columns, keys, names or rows.

use super::Name;
use super::column::{self, ColumnSpec};
use super::create::{self, Definition};
use super::lexer::Token;
use super::parser::{Parsed, Parser, Unclear};

/// An ALTER TABLE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alter {
    pub name: Name,
    pub clauses: Vec<Clause>,
}

/// Where a column goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where it was; a new one at the end.
    Same,
    First,
    After(String),
}

/// One clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clause {
    Add {
        spec: ColumnSpec,
        place: Place,
        if_not_exists: bool,
    },
    Drop {
        name: String,
        if_exists: bool,
    },
    /// MODIFY, and CHANGE with another name.
    Change {
        name: String,
        spec: ColumnSpec,
        place: Place,
        if_exists: bool,
    },
    RenameColumn {
        name: String,
        to: String,
        if_exists: bool,
    },
    Visible {
        name: String,
        visible: bool,
    },
    AddPrimaryKey(Vec<String>),
    DropPrimaryKey,
    RenameTo(Name),
    /// `CONVERT TO CHARACTER SET`; `None` for the database's default.
    Convert(Option<String>),
    /// The default for new columns.
    Charset(String),
    /// Rows go or come without row events; the words say which clause.
    Rows(&'static str),
    /// Rows change places with those of another table, without row events.
    Exchange(Name),
    /// Columns with no clause of their own appear or vanish (system versioning).
    HiddenColumns,
    /// A check by which MariaDB takes a column of text for JSON.
    Json(String),
    /// A constraint is dropped; which kind it is, its name does not say.
    DropCheck,
    /// Nothing that shows.
    Nothing,
}

/// Behind `ALTER .. TABLE`. `ignore`: ALTER IGNORE TABLE, which drops rows that a new unique key forbids.
pub fn read(p: &mut Parser, ignore: bool) -> Parsed<Alter> {
    p.take_all(&["IF", "EXISTS"]);
    let name = p.name()?;
    if p.take("WAIT") {
        p.number()?;
    } else {
        p.take("NOWAIT");
    }
    let mut clauses = Vec::new();
    if ignore {
        clauses.push(Clause::Rows("IGNORE"));
    }
    while !p.at_end() {
        clause(p, &mut clauses)?;
        // All columns dropped, as many added, and a key on each.
        if clauses.len() > 3 * create::MAX_COLUMNS {
            return Err(Unclear);
        }
        p.take_sign(',');
    }
    Ok(Alter { name, clauses })
}

fn clause(p: &mut Parser, out: &mut Vec<Clause>) -> Parsed<()> {
    let before = p.peek().is_some();
    if let Some(one) = partitions(p)? {
        out.push(one);
        return Ok(());
    }
    match p.take_one(&[
        "ADD", "DROP", "MODIFY", "CHANGE", "ALTER", "RENAME", "CONVERT", "ORDER", "DISCARD", "IMPORT",
    ]) {
        Some("ADD") => add(p, out),
        Some("DROP") => drop_(p).map(|c| out.push(c)),
        Some("MODIFY") => {
            p.take("COLUMN");
            let if_exists = p.take_all(&["IF", "EXISTS"]);
            let (spec, place) = placed(p)?;
            out.push(Clause::Change { name: spec.name.clone(), spec, place, if_exists });
            Ok(())
        }
        Some("CHANGE") => {
            p.take("COLUMN");
            let if_exists = p.take_all(&["IF", "EXISTS"]);
            let name = p.ident()?;
            let (spec, place) = placed(p)?;
            out.push(Clause::Change { name, spec, place, if_exists });
            Ok(())
        }
        Some("ALTER") => alter_column(p).map(|c| out.push(c)),
        Some("RENAME") => rename(p).map(|c| out.push(c)),
        Some("CONVERT") => convert(p).map(|c| out.push(c)),
        Some("ORDER") => {
            p.skip_all();
            Ok(())
        }
        Some("DISCARD" | "IMPORT") => {
            p.skip_item()?;
            out.push(Clause::Rows("TABLESPACE"));
            Ok(())
        }
        _ => option(p, out, before),
    }
}

/// A table option, a lock or algorithm, or a word on validation.
fn option(p: &mut Parser, out: &mut Vec<Clause>, any: bool) -> Parsed<()> {
    if let Some(charset) = create::default_charset(p)? {
        out.extend(charset.map(Clause::Charset));
        return Ok(());
    }
    if any && matches!(p.peek(), Some(Token::Word(_))) {
        // `UNION = (a, b)` and the like: up to the next comma. Options may also follow without one, so that a character
        // set behind another option must not be passed over.
        while !matches!(p.peek(), None | Some(Token::Sign(',' | ')'))) {
            if let Some(charset) = create::default_charset(p)? {
                out.extend(charset.map(Clause::Charset));
            } else if p.is_sign('(') {
                p.skip_parens()?;
            } else {
                p.next();
            }
        }
        return Ok(());
    }
    Err(Unclear)
}

/// A definition with FIRST or AFTER.
fn placed(p: &mut Parser) -> Parsed<(ColumnSpec, Place)> {
    let spec = column::read(p)?;
    let place = if p.take("FIRST") {
        Place::First
    } else if p.take("AFTER") {
        Place::After(p.ident()?)
    } else {
        Place::Same
    };
    Ok((spec, place))
}

fn add(p: &mut Parser, out: &mut Vec<Clause>) -> Parsed<()> {
    if p.take_all(&["SYSTEM", "VERSIONING"]) || p.are(&["PERIOD", "FOR", "SYSTEM_TIME"]) {
        p.skip_item()?;
        out.push(Clause::HiddenColumns);
        return Ok(());
    }
    let column = p.take("COLUMN");
    let if_not_exists = p.take_all(&["IF", "NOT", "EXISTS"]);
    if p.take_sign('(') {
        let (columns, key) = create::definitions(p)?;
        let adds = columns.into_iter().map(|spec| Clause::Add { spec, place: Place::Same, if_not_exists });
        out.extend(adds);
        out.extend((!key.is_empty()).then_some(Clause::AddPrimaryKey(key)));
        return Ok(());
    }
    match if column { Definition::Column } else { create::key_or_check(p)? } {
        Definition::PrimaryKey(names) => out.push(Clause::AddPrimaryKey(names)),
        Definition::Json(name) => out.push(Clause::Json(name)),
        Definition::Other => out.push(Clause::Nothing),
        Definition::Column => {
            let (spec, place) = placed(p)?;
            out.push(Clause::Add { spec, place, if_not_exists });
        }
    }
    Ok(())
}

fn drop_(p: &mut Parser) -> Parsed<Clause> {
    if p.take_all(&["PRIMARY", "KEY"]) {
        return Ok(Clause::DropPrimaryKey);
    }
    if p.take_all(&["SYSTEM", "VERSIONING"]) {
        return Ok(Clause::HiddenColumns);
    }
    let other = p.is("INDEX")
        || p.is("KEY")
        || p.is("CONSTRAINT")
        || p.are(&["FOREIGN", "KEY"])
        || p.are(&["PERIOD", "FOR"])
        || p.is("CHECK") && p.peek_at(1).is_some_and(|t| matches!(t, Token::Word(_) | Token::Quoted(_)));
    if other {
        // A primary key can be dropped as the index or constraint that it is.
        let check = p.is("CONSTRAINT") || p.is("CHECK");
        let primary =
            matches!(p.peek_at(1), Some(Token::Quoted(name)) if name.eq_ignore_ascii_case("PRIMARY"));
        p.skip_item()?;
        return Ok(match (primary, check) {
            (true, _) => Clause::DropPrimaryKey,
            (false, true) => Clause::DropCheck,
            (false, false) => Clause::Nothing,
        });
    }
    p.take("COLUMN");
    let if_exists = p.take_all(&["IF", "EXISTS"]);
    let name = p.ident()?;
    p.take_one(&["RESTRICT", "CASCADE"]);
    Ok(Clause::Drop { name, if_exists })
}

fn alter_column(p: &mut Parser) -> Parsed<Clause> {
    if p.is("INDEX") || p.is("KEY") || p.is("CONSTRAINT") || p.is("CHECK") {
        p.skip_item()?;
        return Ok(Clause::Nothing);
    }
    p.take("COLUMN");
    p.take_all(&["IF", "EXISTS"]);
    let name = p.ident()?;
    if p.take_all(&["SET", "INVISIBLE"]) {
        return Ok(Clause::Visible { name, visible: false });
    }
    if p.take_all(&["SET", "VISIBLE"]) {
        return Ok(Clause::Visible { name, visible: true });
    }
    p.skip_item()?;
    Ok(Clause::Nothing)
}

fn rename(p: &mut Parser) -> Parsed<Clause> {
    if p.take("COLUMN") {
        let if_exists = p.take_all(&["IF", "EXISTS"]);
        let name = p.ident()?;
        p.expect("TO")?;
        return Ok(Clause::RenameColumn { name, to: p.ident()?, if_exists });
    }
    if p.is("INDEX") || p.is("KEY") {
        p.skip_item()?;
        return Ok(Clause::Nothing);
    }
    if p.take_one(&["TO", "AS"]).is_none() {
        p.take_sign('=');
    }
    Ok(Clause::RenameTo(p.name()?))
}

fn convert(p: &mut Parser) -> Parsed<Clause> {
    if !p.take("TO") {
        // MariaDB: CONVERT PARTITION x TO TABLE y, CONVERT TABLE x TO PARTITION y.
        p.skip_all();
        return Ok(Clause::Rows("CONVERT"));
    }
    if !(p.take_all(&["CHARACTER", "SET"]) || p.take_all(&["CHAR", "SET"]) || p.take("CHARSET")) {
        return Err(Unclear);
    }
    p.take_sign('=');
    let mut charset = Some(p.text_or_ident()?).filter(|n| !n.eq_ignore_ascii_case("default"));
    if p.take("COLLATE") {
        p.take_sign('=');
        let collation = p.text_or_ident()?;
        if charset.is_none() {
            charset = column::charset_of(&collation).map(str::to_owned);
        }
    }
    Ok(Clause::Convert(charset))
}

/// Clauses on partitions, which end the statement.
fn partitions(p: &mut Parser) -> Parsed<Option<Clause>> {
    if p.are(&["REMOVE", "PARTITIONING"]) || p.is("PARTITION") || p.are(&["UPGRADE", "PARTITIONING"]) {
        p.skip_all();
        return Ok(Some(Clause::Nothing));
    }
    if p.take_all(&["EXCHANGE", "PARTITION"]) {
        p.name()?;
        if !p.take_all(&["WITH", "TABLE"]) {
            return Err(Unclear);
        }
        let other = p.name()?;
        p.skip_all();
        return Ok(Some(Clause::Exchange(other)));
    }
    const OPERATIONS: [(&str, Option<&str>); 11] = [
        ("ADD", None),
        ("DROP", Some("DROP PARTITION")),
        ("TRUNCATE", Some("TRUNCATE PARTITION")),
        ("DISCARD", Some("DISCARD PARTITION")),
        ("IMPORT", Some("IMPORT PARTITION")),
        ("COALESCE", None),
        ("REORGANIZE", None),
        ("ANALYZE", None),
        ("CHECK", None),
        ("OPTIMIZE", None),
        ("REBUILD", None),
    ];
    for (word, rows) in OPERATIONS {
        if p.are(&[word, "PARTITION"]) {
            p.skip_all();
            return Ok(Some(rows.map_or(Clause::Nothing, Clause::Rows)));
        }
    }
    if p.are(&["REPAIR", "PARTITION"]) {
        p.skip_all();
        return Ok(Some(Clause::Nothing));
    }
    Ok(None)
}
