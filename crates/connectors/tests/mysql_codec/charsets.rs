//! Every character of every character set: what we make of the bytes in the binlog is what the server's own CONVERT
//! makes of them.

use mysql_async::prelude::*;
use syncline_connectors::mysql::codec::Charset;
use syncline_engine::value::OwnedValue;

use super::catalog::details;
use super::rows::logged;
use super::servers::{Server, Session};

/// Byte sequences that may be characters, by how many bytes there are; UTF-16 for the Unicode sets.
fn candidates(kind: &str) -> Vec<Vec<u8>> {
    match kind {
        "one" => (1..=255u8).map(|b| vec![b]).collect(),
        "two" => (0x80..=0xffu8).flat_map(|a| (0x21..=0xffu8).map(move |b| vec![a, b])).collect(),
        "three" => (0xa1..=0xfeu8).flat_map(|a| (0xa1..=0xfeu8).map(move |b| vec![0x8f, a, b])).collect(),
        "four" => {
            let digits = || 0x30..=0x39u8;
            let lead = [0x81u8, 0x82, 0x83, 0x84, 0x90, 0xa5, 0xe3];
            lead.into_iter()
                .flat_map(|a| digits().map(move |b| (a, b)))
                .flat_map(|(a, b)| (0x81..=0xfeu8).step_by(3).map(move |c| (a, b, c)))
                .flat_map(|(a, b, c)| digits().map(move |d| vec![a, b, c, d]))
                .collect()
        }
        _ => {
            let bmp = (1..0xd800u32).chain(0xe000..0x1_0000).step_by(7);
            let rest = (0x1_0000..0x11_0000u32).step_by(4099);
            bmp.chain(rest)
                .filter_map(char::from_u32)
                .map(|c| c.encode_utf16(&mut [0; 2]).iter().flat_map(|u| u.to_be_bytes()).collect())
                .collect()
        }
    }
}

async fn fill(session: &mut Session, kind: &str) {
    session.run(format!("CREATE TABLE raw_{kind} (id int PRIMARY KEY, b varbinary(4))")).await;
    let all = candidates(kind);
    for (n, chunk) in all.chunks(2000).enumerate() {
        let rows: Vec<String> = chunk
            .iter()
            .enumerate()
            .map(|(k, bytes)| {
                let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
                format!("({}, x'{hex}')", n * 2000 + k)
            })
            .collect();
        session.run(format!("INSERT INTO raw_{kind} VALUES {}", rows.join(","))).await;
    }
}

fn kinds(charset: &str) -> &'static [&'static str] {
    match charset {
        "ujis" | "eucjpms" => &["one", "two", "three"],
        "gb18030" => &["one", "two", "four"],
        "big5" | "cp932" | "euckr" | "gb2312" | "gbk" | "sjis" => &["one", "two"],
        "ucs2" | "utf16" | "utf16le" | "utf32" | "utf8mb3" | "utf8mb4" => &["unicode"],
        _ => &["one"],
    }
}

async fn compare(session: &mut Session, charset: &str, kind: &str) {
    let server = session.server;
    let name = if charset == "utf8mb3" { "utf8" } else { charset };
    let table = format!("{charset}_{kind}");
    session
        .run(format!("CREATE TABLE {table} (id int PRIMARY KEY, v varchar(8) CHARACTER SET {name})"))
        .await;
    let from = session.position().await;
    let source = if kind == "unicode" { "CONVERT(b USING utf16)" } else { "b" };
    session
        .run(format!(
            "INSERT IGNORE INTO {table} SELECT id, CONVERT({source} USING {name}) FROM raw_{kind} ORDER BY id"
        ))
        .await;
    let details = details(session, &table).await;
    let rows = logged(session, &from, &table, &details);
    let sql = format!("SELECT CONVERT(v USING utf8mb4), HEX(v) FROM {table} ORDER BY id");
    let converted: Vec<(Option<String>, Option<String>)> = session.conn.exec(sql, ()).await.unwrap();
    assert_eq!(rows.len(), converted.len());
    assert!(rows.len() > 200, "{server:?} {charset}");
    let mut texts = 0;
    for (row, (text, hex)) in rows.iter().zip(converted) {
        let ours = match row.after.as_ref().unwrap()[1].as_ref().unwrap() {
            OwnedValue::Null => None,
            OwnedValue::Text(text) => Some(text.to_string()),
            other => panic!("{other:?}"),
        };
        // MySQL 9 converts what ASCII and EUC-JP lack to nothing where the others write a question mark.
        let skipped = text.as_deref() == Some("") && ours.as_deref() == Some("?");
        assert!(ours == text || skipped, "{server:?} {charset} {hex:?}: we {ours:?}, the server {text:?}");
        texts += usize::from(text.is_some());
    }
    assert!(texts > 100, "{server:?} {charset}: only {texts} texts were compared");
}

async fn all_charsets(server: Server) {
    let mut session = Session::new(server).await;
    let sql = "SELECT character_set_name FROM information_schema.character_sets WHERE character_set_name <> 'binary'";
    let names: Vec<String> = session.conn.query(sql).await.unwrap();
    assert!(names.len() >= 39, "{server:?} {names:?}");
    for kind in ["one", "two", "three", "four", "unicode"] {
        fill(&mut session, kind).await;
    }
    for name in names {
        let charset = Charset::named(&name).unwrap_or_else(|| panic!("{server:?} has {name}"));
        for kind in kinds(charset.name) {
            compare(&mut session, charset.name, kind).await;
        }
    }
    session.drop_database().await;
}

#[tokio::test]
async fn mariadb_converts_as_we_do() {
    all_charsets(Server::MariaDb).await;
}

#[tokio::test]
async fn mysql_converts_as_we_do() {
    all_charsets(Server::MySqlFull).await;
}

#[tokio::test]
async fn mysql_5_6_converts_as_we_do() {
    all_charsets(Server::MySql56).await;
}

/// Every collation id that a server may put into a table map has the character set that the server says.
#[tokio::test]
async fn collation_ids_are_known() {
    for server in [Server::MariaDb, Server::MySql, Server::MySql56] {
        let mut session = Session::new(server).await;
        let table = if server.is_mariadb() { "collation_character_set_applicability" } else { "collations" };
        let sql =
            format!("SELECT id, character_set_name FROM information_schema.{table} WHERE id IS NOT NULL");
        let ids: Vec<(u32, String)> = session.conn.query(sql).await.unwrap();
        assert!(ids.len() > 200, "{server:?}");
        for (id, name) in ids {
            let known = syncline_connectors::mysql::codec::charset_of_collation(id);
            assert_eq!(known, Charset::named(&name), "{server:?} {id} {name}");
            assert!(known.is_some(), "{server:?} {id} {name}");
        }
        session.drop_database().await;
    }
}
