//! Positions that a person names: a stream that begins there brings what follows, and what no stream may begin at is refused.

use syncline_engine::error::Code;
use syncline_engine::position::StoredPosition;

use crate::support::{ALL, Shop, connect, url};

#[tokio::test]
async fn a_stream_begins_where_a_person_says() {
    for flavour in ALL {
        let mut shop = Shop::open(flavour).await;
        shop.run(&["CREATE TABLE t (id INT PRIMARY KEY, n INT)"]).await;
        let mut tape = shop.stream(None).await;
        let mut at = Vec::new();
        for n in 1..=3 {
            shop.run(&[&format!("INSERT INTO t VALUES ({n}, 0)")]).await;
            tape.catch_up().await;
            at.push(StoredPosition::from(&tape.resume));
        }
        let known = at.last().unwrap();
        let source = shop.source();
        for (place, expected) in at.iter().zip([2, 1, 0]) {
            let named = source.position(&place.text, known).await.unwrap();
            assert_eq!((&named.text, named.version), (&place.text, place.version), "{flavour}");
            // Its GTIDs, too, or another server could not go on.
            let gtids = |token: &str| {
                let token: serde_json::Value = serde_json::from_str(token).unwrap();
                token["gtids"].as_str().unwrap_or_default().replace(['\n', ' '], "")
            };
            assert_eq!(gtids(&named.token), gtids(&place.token), "{flavour}");
            let mut again = shop.stream(Some(&named)).await;
            again.catch_up().await;
            assert_eq!(again.changes().count(), expected, "{flavour} from {}", place.text);
        }
        shop.close().await;
    }
}

#[tokio::test]
async fn no_stream_begins_elsewhere() {
    for flavour in ALL {
        let mut shop = Shop::open(flavour).await;
        shop.run(&["CREATE TABLE t (id INT PRIMARY KEY, n INT)"]).await;
        let mut tape = shop.stream(None).await;
        let before = StoredPosition::from(&tape.resume);
        shop.run(&["INSERT INTO t VALUES (1, 0)"]).await;
        tape.catch_up().await;
        let known = StoredPosition::from(&tape.resume);
        let source = shop.source();
        let (file, offset) = before.text.rsplit_once(':').unwrap();
        let offset: u64 = offset.parse().unwrap();
        let base = file.rsplit_once('.').unwrap().0;
        for text in [
            format!("{file}:{}", offset + 1),
            format!("{file}:99999999999"),
            format!("{base}.999999:4"),
            format!("other.000001:4"),
            format!("{file}:3"),
            "change 5".to_owned(),
            String::new(),
        ] {
            let error = source.position(&text, &known).await.unwrap_err();
            assert_eq!(error.code(), Code::CheckpointPosition, "{flavour} {text}: {error}");
        }
        // Inside of a transaction: where its rows stand.
        let mut conn = connect(&url(flavour)).await;
        let inside = row_event(&mut conn, file, offset).await;
        let error = source.position(&format!("{file}:{inside}"), &known).await.unwrap_err();
        assert_eq!(error.code(), Code::CheckpointPosition, "{flavour} inside: {error}");
        // A checkpoint of another server.
        let mut token: serde_json::Value = serde_json::from_str(&known.token).unwrap();
        token["server"]["uid"] = "another".into();
        token["server"]["server_id"] = 4_000_000_000_u32.into();
        let stranger = StoredPosition { token: token.to_string(), ..known.clone() };
        assert!(source.position(&known.text, &stranger).await.is_err(), "{flavour}");
        shop.close().await;
    }
}

/// Where the first event of rows behind an offset stands.
async fn row_event(conn: &mut mysql_async::Conn, file: &str, offset: u64) -> u64 {
    use mysql_async::prelude::Queryable;

    let sql = format!("SHOW BINLOG EVENTS IN '{file}' FROM {offset} LIMIT 20");
    let rows: Vec<mysql_async::Row> = conn.query(sql).await.unwrap();
    let kind = |row: &mysql_async::Row| row.get::<String, _>(2).unwrap();
    let rows = rows.iter().find(|row| kind(row).to_lowercase().contains("rows") || kind(row) == "Table_map");
    rows.unwrap().get(1).unwrap()
}
