//! MySQL's binary JSON against the server's own text of the same documents.

use syncline_connectors::mysql::binlog::RowOperation;
use syncline_engine::value::OwnedValue;

use super::catalog::details;
use super::rows::{Row, json, logged, selected};
use super::servers::{Server, Session};

/// A small generator of numbers, the same at every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn document(&mut self, depth: u64) -> String {
        let kinds = if depth > 5 { 6 } else { 8 };
        match self.below(kinds) {
            0 => ["null", "true", "false"][self.below(3) as usize].to_owned(),
            1 => (self.next() as i64 >> self.below(64)).to_string(),
            2 => (self.next() >> self.below(64)).to_string(),
            3 => self.double(),
            4 | 5 => self.string(),
            6 => {
                let items: Vec<String> = (0..self.below(6)).map(|_| self.document(depth + 1)).collect();
                format!("[{}]", items.join(", "))
            }
            _ => {
                let members: Vec<String> = (0..self.below(6))
                    .map(|_| format!("{}: {}", self.string(), self.document(depth + 1)))
                    .collect();
                format!("{{{}}}", members.join(","))
            }
        }
    }

    fn double(&mut self) -> String {
        let len = 1 + self.below(17) as u32;
        let digits = self.below(10_u64.pow(len));
        let exponent = self.below(40) as i64 - 20;
        format!("{}{digits}.{}e{exponent}", ["", "-"][self.below(2) as usize], self.below(1000))
    }

    fn string(&mut self) -> String {
        const PARTS: [&str; 8] = ["a", "é", "€", "😀", "\\\"", "\\\\", "\\u0007", "\\n"];
        let text: String = (0..self.below(12)).map(|_| PARTS[self.below(8) as usize]).collect();
        format!("\"{text}\"")
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

async fn compare(session: &mut Session, table: &str, values: &[String]) -> Vec<Row> {
    session.run(format!("CREATE TABLE {table} (id int PRIMARY KEY, v json)")).await;
    let from = session.position().await;
    for (n, chunk) in values.chunks(50).enumerate() {
        let rows: Vec<String> =
            chunk.iter().enumerate().map(|(k, v)| format!("({}, {v})", n * 50 + k)).collect();
        session.run(format!("INSERT INTO {table} VALUES {}", rows.join(","))).await;
    }
    let details = details(session, table).await;
    let read = selected(session, table, &details).await;
    let rows = logged(session, &from, table, &details);
    assert_eq!(read.len(), values.len());
    for (n, (read, row)) in read.iter().zip(&rows).enumerate() {
        let streamed = row.after.as_ref().unwrap();
        assert_eq!(json(&read[1]), json(&streamed[1]), "{}", values[n].chars().take(200).collect::<String>());
        assert_eq!(read, streamed);
    }
    read
}

#[tokio::test]
async fn random_documents_and_numbers() {
    let mut session = Session::new(Server::MySql).await;
    let mut random = Random(0x5eed_1234_5678_9abc);
    let documents: Vec<String> = (0..1500).map(|_| quoted(&random.document(0))).collect();
    compare(&mut session, "documents", &documents).await;
    let doubles: Vec<String> = (0..2000).map(|_| quoted(&random.double())).collect();
    compare(&mut session, "doubles", &doubles).await;
    let mut powers = Vec::new();
    for exponent in -330..=308 {
        for mantissa in ["1", "1.5", "-9.87654321", "1.2345678901234567", "99999999999999999"] {
            let text = format!("{mantissa}e{exponent}");
            if text.parse::<f64>().unwrap().is_finite() {
                powers.push(quoted(&text));
            }
        }
    }
    for text in ["0.0", "-0.0", "-0", "0e0", "1.7976931348623157e308", "2.2250738585072014e-308", "5e-324"] {
        powers.push(quoted(text));
    }
    compare(&mut session, "powers", &powers).await;
    session.drop_database().await;
}

/// Expressions of every type that a document can hold.
const SCALARS: [&str; 34] = [
    "CAST(1.50 AS DECIMAL(10,2))",
    "CAST(-0.000000000000000000000000000001 AS DECIMAL(65,30))",
    "CAST(99999999999999999999999999999999999.123456789 AS DECIMAL(65,30))",
    "18446744073709551616",
    "CAST('2026-01-31' AS DATE)",
    "CAST('0000-00-00' AS DATE)",
    "CAST('2026-01-31 12:34:56' AS DATETIME)",
    "CAST('2026-01-31 12:34:56.123456' AS DATETIME(6))",
    "TIMESTAMP('2026-01-31 12:34:56.5')",
    "CAST('-838:59:59' AS TIME)",
    "CAST('-00:00:01.5' AS TIME(1))",
    "CAST('12:34:56.789' AS TIME(3))",
    "CAST(2026 AS YEAR)",
    "x'00ff80'",
    "repeat(x'01', 57)",
    "repeat(x'01', 58)",
    "repeat(x'01', 114)",
    "repeat(x'01', 1000)",
    "x''",
    "b'1010'",
    "CAST('x' AS BINARY(4))",
    "true",
    "NULL",
    "1e0",
    "CAST(1 AS FLOAT)",
    "CAST(0.1 AS FLOAT)",
    "-128",
    "32767",
    "32768",
    "-32769",
    "65536",
    "2147483648",
    "-2147483649",
    "9223372036854775808",
];

#[tokio::test]
async fn values_that_only_sql_can_put_into_a_document() {
    let mut session = Session::new(Server::MySql).await;
    let mut values: Vec<String> = SCALARS.iter().map(|v| format!("JSON_ARRAY({v})")).collect();
    values.extend(SCALARS.iter().map(|v| format!("JSON_OBJECT('k', {v}, 'z', JSON_OBJECT('n', {v}))")));
    values.extend(
        SCALARS
            .iter()
            .map(|v| format!("JSON_OBJECT('big', repeat('x', 70000), 'k', {v}, 'z', JSON_ARRAY({v}, {v}))")),
    );
    for len in [0, 1, 127, 128, 16383, 16384, 65535, 65536, 200_000] {
        values.push(format!("JSON_QUOTE(repeat('é', {len}))"));
        values.push(format!("JSON_OBJECT(repeat('k', {}), {len})", len.min(65_000)));
    }
    values.push(format!("'{}1{}'", "[".repeat(99), "]".repeat(99)));
    values.push(format!("'{}1{}'", "{\"a\":".repeat(99), "}".repeat(99)));
    values.push(format!("concat('[', repeat('{{\"a\":[1,2.5,\"x\"]}},', {}), '0]')", 20_000));
    values.push("ST_AsGeoJSON(ST_GeomFromText('POINT(1 2)'))".to_owned());
    values.push("CAST(ST_GeomFromText('POINT(1 2)') AS JSON)".to_owned());
    let read = compare(&mut session, "scalars", &values).await;
    assert_eq!(json(&read[0][1]), "[1.50]");
    assert_eq!(json(&read[4][1]), "[\"2026-01-31\"]");
    assert_eq!(json(&read[6][1]), "[\"2026-01-31 12:34:56.000000\"]");
    assert_eq!(json(&read[23][1]), "[1.0]");
    session.drop_database().await;
}

/// A partial update brings the key and every column but the document, which must be read again.
#[tokio::test]
async fn a_partial_update_lacks_the_document_alone() {
    for server in [Server::MySql, Server::MySqlFull] {
        let mut session = Session::new(server).await;
        session.run("CREATE TABLE p (id int PRIMARY KEY, a json, n int, b json, c varchar(10))").await;
        let document = "'{\"x\": 1, \"long\": \"0123456789012345678901234567890123456789\"}'";
        session.run(format!("INSERT INTO p VALUES (1, {document}, 5, {document}, 'c')")).await;
        session.run("SET binlog_row_value_options = PARTIAL_JSON").await;
        let from = session.position().await;
        session.run("UPDATE p SET b = JSON_SET(b, '$.x', 2), n = 6").await;
        session.run("UPDATE p SET n = 7, a = '[]'").await;
        let details = details(&mut session, "p").await;
        let rows = logged(&session, &from, "p", &details);
        assert_eq!(rows.len(), 2, "{server:?}");
        assert_eq!(rows[0].operation, RowOperation::Update);
        let shown: Vec<String> = rows[0].after.as_ref().unwrap().iter().map(json).collect();
        // A document that did not change comes as an empty diff.
        assert_eq!(shown, ["1", "absent", "6", "absent", "\"c\""], "{server:?}");
        assert!(rows[0].before.as_ref().unwrap().iter().all(Option::is_some), "{server:?}");
        assert_eq!(rows[1].after.as_ref().unwrap()[1], Some(OwnedValue::Json("[]".into())), "{server:?}");
        assert_eq!(rows[1].after.as_ref().unwrap()[2], Some(OwnedValue::Int(7)), "{server:?}");
        session.drop_database().await;
    }
}
