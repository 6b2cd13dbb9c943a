//! What `check` finds on real servers, with the exact fix.

use mysql_async::prelude::Queryable;
use syncline_engine::error::{Code, Error};

use crate::support::{ALL, Shop, connect, host};

fn codes(findings: &[Error]) -> Vec<Code> {
    let mut codes: Vec<Code> = findings.iter().map(Error::code).collect();
    codes.sort_by_key(|c| c.number());
    codes
}

#[tokio::test]
async fn a_good_server_has_no_findings() {
    for flavour in ALL {
        let mut shop = Shop::open(flavour).await;
        shop.run(&["CREATE TABLE a (id INT PRIMARY KEY)"]).await;
        let findings = shop.source().check().await.unwrap();
        assert!(findings.is_empty(), "{flavour}: {findings:?}");
        shop.close().await;
    }
}

#[tokio::test]
async fn keyless_tables_cascades_and_empty_patterns_are_found_at_once() {
    for flavour in ALL {
        let mut shop = Shop::open(flavour).await;
        shop.run(&[
            "CREATE TABLE a (id INT PRIMARY KEY) ENGINE=InnoDB",
            "CREATE TABLE b (id INT PRIMARY KEY, a INT, FOREIGN KEY (a) REFERENCES a (id) ON DELETE CASCADE) ENGINE=InnoDB",
            "CREATE TABLE c (n INT)",
            "CREATE TABLE d (n INT)",
        ])
        .await;
        shop.spec.source.tables.push("nowhere.*".into());
        let findings = shop.source().check().await.unwrap();
        let mut wanted = vec![Code::MysqlNoKey, Code::MysqlNoKey, Code::MysqlCascade, Code::MysqlNoMatch];
        if flavour.starts_with("MYSQL") && flavour != "MYSQL56" {
            wanted.retain(|c| *c != Code::MysqlCascade);
        }
        assert_eq!(codes(&findings), wanted, "{flavour}: {findings:?}");
        assert!(findings.iter().any(|f| f.message().contains(&format!("{}.d", shop.database))));
        shop.spec.routes[0].accept_cascade = true;
        shop.spec.routes[0].key = Some(vec!["n".into()]);
        let findings = shop.source().check().await.unwrap();
        assert_eq!(codes(&findings), [Code::MysqlNoMatch], "{flavour}: {findings:?}");
        // A run refuses keyless tables too, all of them by name.
        shop.spec.routes[0].key = None;
        let error = shop.source().stream(None).await.err().unwrap();
        assert_eq!(error.code(), Code::MysqlNoKey);
        assert!(error.message().contains(".c") && error.message().contains(".d"), "{flavour}: {error}");
        shop.close().await;
    }
}

#[tokio::test]
async fn missing_grants_are_named_exactly_and_suffice() {
    for flavour in ALL {
        let mut shop = Shop::open(flavour).await;
        shop.run(&["CREATE TABLE a (id INT PRIMARY KEY)"]).await;
        let user = format!("g{}", &shop.database[4..]).replace('_', "");
        let mut root = connect(&shop.url).await;
        let host = host(flavour);
        root.query_drop(format!("CREATE USER '{user}'@'{host}' IDENTIFIED BY 'pw'")).await.unwrap();
        shop.url = shop.url.replace("root@", &format!("{user}:pw@"));
        let findings = shop.source().check().await.unwrap();
        let grants: Vec<String> = findings
            .iter()
            .filter(|f| f.code() == Code::MysqlGrant)
            .map(|f| f.fix_text().to_owned())
            .collect();
        assert_eq!(grants.len(), 3, "{flavour}: {findings:?}");
        assert!(
            grants.iter().all(|g| g.starts_with("GRANT ") && g.ends_with(&format!("TO '{user}'@'{host}';"))),
            "{grants:?}"
        );
        for grant in &grants {
            root.query_drop(grant.trim_end_matches(';'))
                .await
                .unwrap_or_else(|e| panic!("{flavour}: {grant}: {e}"));
        }
        let findings = shop.source().check().await.unwrap();
        assert!(findings.is_empty(), "{flavour}: {findings:?}");
        let mut tape = shop.stream(None).await;
        shop.run(&["INSERT INTO a VALUES (1)"]).await;
        tape.catch_up().await;
        assert_eq!(tape.lines(), ["insert a id=1"], "{flavour}");
        let schema = tape.source.tables().await.unwrap().remove(0);
        let extent = tape.source.reader().extent(&schema, &[0]).await.unwrap().unwrap();
        let read =
            tape.source.reader().read_range(&schema, &[0], None, &extent.last, &tape.resume).await.unwrap();
        assert_eq!(read.rows.len(), 1, "{flavour}");
        root.query_drop(format!("DROP USER '{user}'@'{host}'")).await.unwrap();
        shop.close().await;
    }
}
