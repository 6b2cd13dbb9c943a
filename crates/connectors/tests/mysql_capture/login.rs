//! Logins and TLS, over both of the source's clients.

use std::sync::Arc;

use mysql_async::prelude::Queryable;
use syncline_connectors::connection::{ConnectionOptions, ConnectionSpec, TlsOptions};
use syncline_connectors::registry;
use syncline_engine::error::Code;
use syncline_engine::source::Source;

use crate::support::{MODERN, MYSQL9, Shop, Tape};

const PASSWORD: &str = "p@ss:w/rd %41 ä";
const ESCAPED: &str = "p%40ss%3Aw%2Frd%20%2541%20%C3%A4";

async fn account(shop: &mut Shop, plugin: &str) -> String {
    let user = format!("u_{}", shop.database);
    let password = if plugin.is_empty() {
        format!("IDENTIFIED BY '{PASSWORD}'")
    } else {
        format!("IDENTIFIED WITH {plugin} BY '{PASSWORD}'")
    };
    shop.run(&[
        &format!("CREATE USER '{user}'@'%' {password}"),
        &format!("GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '{user}'@'%'"),
    ])
    .await;
    shop.url.replace("root@", &format!("{user}:{ESCAPED}@"))
}

fn source(shop: &Shop, url: &str, tls: Option<TlsOptions>) -> Arc<dyn Source> {
    let options = ConnectionOptions { tls, ..ConnectionOptions::default() };
    let connection = ConnectionSpec { name: "shop".into(), url: url.to_owned(), options };
    registry::source(&connection, &shop.spec, Arc::clone(&shop.ledger)).unwrap()
}

async fn works(shop: &Shop, url: &str, tls: Option<TlsOptions>) {
    let source = source(shop, url, tls);
    let stream = source.stream(None).await.unwrap_or_else(|e| panic!("{}: {e}", shop.flavour));
    let mut tape = Tape::of(source, stream);
    tape.catch_up().await;
}

async fn leave(mut shop: Shop) {
    let user = format!("u_{}", shop.database);
    shop.run(&[&format!("DROP USER '{user}'@'%'")]).await;
    shop.close().await;
}

#[tokio::test]
async fn passwords_of_the_default_plugin_log_in() {
    for flavour in MODERN {
        let mut shop = Shop::open(flavour).await;
        let url = account(&mut shop, "").await;
        // First with the full exchange, then with what the server remembers.
        works(&shop, &url, None).await;
        works(&shop, &url, None).await;
        let wrong = url.replace(ESCAPED, "wrong");
        let error = source(&shop, &wrong, None).stream(None).await.err().unwrap();
        assert_eq!(error.code(), Code::Denied, "{flavour}: {error}");
        assert!(!format!("{error:?}").contains("wrong@"), "{error:?}");
        leave(shop).await;
    }
}

#[tokio::test]
async fn tls_is_used_and_certificates_are_checked() {
    for flavour in MYSQL9 {
        let mut shop = Shop::open(flavour).await;
        let url = account(&mut shop, "caching_sha2_password").await;
        shop.run(&[&format!("ALTER USER 'u_{}'@'%' REQUIRE SSL", shop.database)]).await;
        let any = TlsOptions { insecure: true, ..TlsOptions::default() };
        works(&shop, &url, Some(any)).await;
        let error = source(&shop, &url, Some(TlsOptions::default())).stream(None).await.err().unwrap();
        assert_eq!(error.code(), Code::Tls, "{flavour}: {error}");
        let error = source(&shop, &url, None).stream(None).await.err().unwrap();
        assert_eq!(error.code(), Code::Denied, "{flavour}: {error}");
        leave(shop).await;
    }
}

#[tokio::test]
async fn a_server_without_tls_says_so() {
    let shop = Shop::open("MARIADB").await;
    let error = source(&shop, &shop.url, Some(TlsOptions::default())).stream(None).await.err().unwrap();
    assert_eq!(error.code(), Code::Tls, "{error}");
    shop.close().await;
}

#[tokio::test]
async fn the_next_endpoint_answers_when_the_first_does_not() {
    let mut shop = Shop::open("MARIADB").await;
    let _: Option<u8> = shop.writer.query_first("SELECT 1").await.unwrap();
    let url = shop.url.replace("127.0.0.1:", "127.0.0.1:1,127.0.0.1:");
    works(&shop, &url, None).await;
    let error = source(&shop, "mysql://root@127.0.0.1:1", None).stream(None).await.err().unwrap();
    assert_eq!(error.code(), Code::Unreachable, "{error}");
    shop.close().await;
}
