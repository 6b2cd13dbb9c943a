//! Any text through the reader of statements, in both dialects: what is a CREATE or an ALTER is applied to a table, which
//! the next statement of the same input finds changed. The first byte is the session's settings; a zero byte ends a
//! statement. Each text is also read as a column's type, as the catalog writes it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use syncline_connectors::mysql::codec::{CatalogColumn, Charset, ColumnDetail};
use syncline_connectors::mysql::reach::{
    Body, Create, Dialect, Statement, TableDetail, TableName, altered, created, read,
};
use syncline_fuzz::bounded;

const MOST_STATEMENTS: usize = 16;

/// What statements find that come before any CREATE.
const TABLE: &str =
    "CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(5), c TEXT, d ENUM('x','y'), e TIMESTAMP)";

/// Both servers, with the settings of a session.
fn dialects(settings: u8) -> [Dialect; 2] {
    [(false, 90_704), (true, 101_119)].map(|(mariadb, version)| Dialect {
        mariadb,
        version: if settings & 16 == 0 { version } else { 50_624 },
        ansi_quotes: settings & 1 != 0,
        no_backslash_escapes: settings & 2 != 0,
        real_as_float: settings & 4 != 0,
        explicit_timestamp: settings & 8 != 0,
    })
}

/// The table after the statement; `None` if it is none on a table's columns, or an unclear one.
fn applied(sql: &str, before: Option<&TableDetail>, dialect: &Dialect) -> Option<TableDetail> {
    match read(sql, *dialect) {
        Statement::Create(Create { body: Body::Columns { columns, primary_key, charset }, .. }) => {
            created(&columns, &primary_key, charset.as_deref(), "latin1", dialect).ok()
        }
        Statement::Alter(alter) => Some(altered(before?, &alter, "latin1", dialect).ok()?.detail),
        _ => None,
    }
}

/// What the rest of the program does with a table.
fn holds_together(detail: &TableDetail) {
    assert!(!detail.columns.is_empty(), "a table without columns");
    assert!(detail.primary_key.iter().all(|key| detail.position(key).is_some()), "{:?}", detail.primary_key);
    assert!(Charset::named(&detail.charset).is_some(), "{}", detail.charset);
    let schema = detail.schema(&TableName::new("d", "t"));
    assert_eq!(schema.columns.len(), detail.columns.len());
    let kept = serde_json::to_string(detail).expect("the schema history is JSON");
    let back: TableDetail = serde_json::from_str(&kept).expect("the schema history's own JSON");
    assert_eq!(&back, detail, "{kept}");
}

fn catalog(text: &str) {
    for charset in [None, Some("utf8mb4"), Some("koi8r")] {
        let column = CatalogColumn {
            name: text,
            column_type: text,
            charset,
            json_valid: true,
            extra: text,
            nullable: true,
        };
        if let Ok(detail) = ColumnDetail::from_catalog(&column) {
            let _ = detail.column();
        }
    }
}

fn run(data: &[u8]) {
    let Some((settings, texts)) = data.split_first() else { return };
    for dialect in dialects(*settings) {
        let mut table = applied(TABLE, None, &dialect);
        assert!(table.is_some(), "the first table is read");
        for text in texts.split(|b| *b == 0).take(MOST_STATEMENTS) {
            let sql = String::from_utf8_lossy(text);
            if let Some(after) = applied(&sql, table.as_ref(), &dialect) {
                holds_together(&after);
                table = Some(after);
            }
            catalog(&sql);
        }
    }
}

fuzz_target!(|data: &[u8]| bounded(data, || run(data)));
