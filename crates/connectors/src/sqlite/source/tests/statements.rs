//! Random statements out of random bytes, over tables that know every way in which a row can vanish.

/// Tables, indexes and triggers of a user who uses all of SQLite.
pub const TABLES: &str = "
CREATE TABLE plain (id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INTEGER, r REAL, b BLOB,
    twice AS (n * 2), kept AS (coalesce(u, '') || 'x') STORED);
CREATE TABLE strictly (k TEXT COLLATE NOCASE, n INT, m ANY UNIQUE, PRIMARY KEY (k, n)) STRICT, WITHOUT ROWID;
CREATE TABLE texts (name TEXT PRIMARY KEY COLLATE NOCASE NOT NULL, email TEXT, active INT,
    code TEXT NOT NULL DEFAULT 'none' UNIQUE ON CONFLICT REPLACE, free);
CREATE UNIQUE INDEX texts_email ON texts (lower(email) DESC);
CREATE UNIQUE INDEX texts_active ON texts (free) WHERE active > 0 AND free IS NOT NULL;
CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES plain (id) ON DELETE CASCADE ON UPDATE CASCADE,
    note TEXT, UNIQUE (parent, note) ON CONFLICT IGNORE);
CREATE TABLE \"odd \"\"name\" (\"rowid\" TEXT, \"a b\" INT, \"select\", PRIMARY KEY (\"a b\", \"select\"));
";

/// Triggers of the user's own; some write the table they stand on.
pub const TRIGGERS: [&str; 6] = [
    "CREATE TRIGGER t_touch AFTER INSERT ON plain WHEN NEW.n > 6 BEGIN UPDATE plain SET n = 0 WHERE id = NEW.id; END",
    "CREATE TRIGGER t_back AFTER DELETE ON plain WHEN OLD.n = 5
       BEGIN INSERT OR IGNORE INTO plain (id, u, n) VALUES (OLD.id, 'back', 1); END",
    "CREATE TRIGGER t_copy AFTER UPDATE OF u ON plain
       BEGIN INSERT OR REPLACE INTO texts (name, email, code) VALUES (coalesce(NEW.u, '?'), NEW.u, OLD.u); END",
    "CREATE TRIGGER t_gone BEFORE DELETE ON texts
       BEGIN DELETE FROM strictly WHERE k = OLD.name; UPDATE child SET note = OLD.name WHERE id = 1; END",
    "CREATE TRIGGER t_away AFTER INSERT ON strictly WHEN NEW.n = 7
       BEGIN DELETE FROM strictly WHERE k = NEW.k AND n = NEW.n; END",
    "CREATE TRIGGER t_left AFTER UPDATE OF id ON plain WHEN NEW.id > OLD.id
       BEGIN INSERT OR IGNORE INTO plain (id, n) VALUES (OLD.id, 2); END",
];

/// Bytes that are used up one after the other.
pub struct Choices<'a>(pub std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn below(&mut self, n: u8) -> u8 {
        self.0.next().copied().unwrap_or(0) % n
    }

    fn of<'s>(&mut self, choices: &[&'s str]) -> &'s str {
        choices[usize::from(self.below(choices.len() as u8))]
    }

    fn int(&mut self) -> String {
        self.of(&["0", "1", "2", "3", "4", "5", "6", "7", "-1", "NULL"]).into()
    }

    fn text(&mut self) -> String {
        self.of(&["'a'", "'A'", "'b'", "'B'", "'none'", "''", "'ä'", "NULL", "'a b'"]).into()
    }

    fn any(&mut self) -> String {
        let numbers = ["1.0", "1", "0.1", "9223372036854775807", "-9e999", "3"];
        let others =
            ["'1'", "x'00ff'", "x''", "NULL", "'\u{1F980}'", "char(97, 0, 98)", "CAST(x'ff61' AS TEXT)"];
        if self.below(2) == 0 { self.of(&numbers).into() } else { self.of(&others).into() }
    }

    fn policy(&mut self) -> &'static str {
        self.of(&[
            "",
            "OR REPLACE",
            "OR REPLACE",
            "OR REPLACE",
            "OR IGNORE",
            "OR FAIL",
            "OR ABORT",
            "OR ROLLBACK",
        ])
    }
}

struct Shape {
    table: &'static str,
    columns: &'static [(&'static str, char)],
    /// Columns an upsert may name as its target.
    targets: &'static [&'static str],
}

const SHAPES: [Shape; 5] = [
    Shape {
        table: "plain",
        columns: &[("id", 'i'), ("u", 't'), ("n", 'i'), ("r", 'r'), ("b", '*')],
        targets: &["(id)", "(u)", ""],
    },
    Shape {
        table: "strictly",
        columns: &[("k", 't'), ("n", 'i'), ("m", '*')],
        targets: &["(k, n)", "(m)", ""],
    },
    Shape {
        table: "texts",
        columns: &[("name", 't'), ("email", 't'), ("active", 'i'), ("code", 't'), ("free", '*')],
        targets: &["(name)", "(code)", "(lower(email))", ""],
    },
    Shape { table: "child", columns: &[("id", 'i'), ("parent", 'i'), ("note", 't')], targets: &["(id)", ""] },
    Shape {
        table: "\"odd \"\"name\"",
        columns: &[("\"rowid\"", 't'), ("\"a b\"", 'i'), ("\"select\"", '*')],
        targets: &["(\"a b\", \"select\")", ""],
    },
];

/// The tables' plain names.
pub const NAMES: [&str; 5] = ["plain", "strictly", "texts", "child", "odd \"name"];

fn value(c: &mut Choices<'_>, kind: char) -> String {
    match kind {
        'i' => c.int(),
        't' => c.text(),
        'r' => c.of(&["1", "2.5", "NULL", "1e300"]).into(),
        _ => c.any(),
    }
}

/// One statement.
pub fn statement(c: &mut Choices<'_>) -> String {
    let shape = &SHAPES[usize::from(c.below(SHAPES.len() as u8))];
    match c.below(12) {
        0..=4 => insert(c, shape),
        5..=7 => update(c, shape),
        8 => format!("DELETE FROM {} WHERE {}", shape.table, condition(c, shape)),
        9 => c.of(&["SAVEPOINT s", "RELEASE s", "ROLLBACK TO s", "BEGIN", "COMMIT", "ROLLBACK"]).into(),
        10 => c
            .of(&[
                "PRAGMA recursive_triggers = 1",
                "PRAGMA recursive_triggers = 0",
                "PRAGMA foreign_keys = 0",
                "PRAGMA foreign_keys = 1",
                "VACUUM",
                "DELETE FROM plain",
            ])
            .into(),
        _ => {
            let (a, b) = (c.below(8), c.below(8));
            format!(
                "UPDATE {} plain SET id = CASE id WHEN {a} THEN {b} ELSE id + 10 END WHERE id < 9",
                c.policy()
            )
        }
    }
}

fn insert(c: &mut Choices<'_>, shape: &Shape) -> String {
    let columns: Vec<_> = shape.columns.iter().filter(|_| c.below(8) > 0).collect();
    if columns.is_empty() {
        return format!("INSERT {} INTO {} DEFAULT VALUES", c.policy(), shape.table);
    }
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let rows: Vec<String> = (0..1 + c.below(3))
        .map(|_| {
            let values: Vec<String> = columns.iter().map(|(_, kind)| value(c, *kind)).collect();
            format!("({})", values.join(", "))
        })
        .collect();
    let upsert = match c.below(4) {
        0 => {
            let target = c.of(shape.targets);
            let (column, kind) = columns[usize::from(c.below(columns.len() as u8))];
            match c.below(3) {
                0 => format!(" ON CONFLICT {target} DO NOTHING"),
                1 if !target.is_empty() => {
                    format!(" ON CONFLICT {target} DO UPDATE SET {column} = {}", value(c, *kind))
                }
                _ => format!(" ON CONFLICT {target} DO UPDATE SET {column} = excluded.{column}"),
            }
        }
        _ => String::new(),
    };
    let policy = c.policy();
    format!("INSERT {policy} INTO {} ({}) VALUES {}{upsert}", shape.table, names.join(", "), rows.join(", "))
}

fn update(c: &mut Choices<'_>, shape: &Shape) -> String {
    let sets: Vec<String> = (0..1 + c.below(2))
        .map(|_| {
            let (column, kind) = shape.columns[usize::from(c.below(shape.columns.len() as u8))];
            match (kind, c.below(3)) {
                ('i', 0) => format!("{column} = {column} + 1"),
                ('i', 1) => format!("{column} = {column} - 1"),
                _ => format!("{column} = {}", value(c, kind)),
            }
        })
        .collect();
    format!("UPDATE {} {} SET {} WHERE {}", c.policy(), shape.table, sets.join(", "), condition(c, shape))
}

fn condition(c: &mut Choices<'_>, shape: &Shape) -> String {
    let (column, kind) = shape.columns[usize::from(c.below(shape.columns.len() as u8))];
    match c.below(4) {
        0 => "true".into(),
        1 => format!("{column} >= {}", value(c, kind)),
        _ => format!("{column} IS {}", value(c, kind)),
    }
}
