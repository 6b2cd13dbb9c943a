//! Connections as they may be written, and what `check` says of them.

use syncline_engine::error::{Code, Error};
use syncline_engine::sink::{Feeding, Sink};

use super::receiver::{Receiver, say};
use super::{connection, sink, sink_to};
use crate::connection::{ConnectionSpec, TlsOptions};
use crate::testing;
use crate::webhook::config::Config;

fn refused(connection: &ConnectionSpec) -> Error {
    Config::new(connection).err().unwrap_or_else(|| panic!("{connection:?} is taken"))
}

#[test]
fn urls_are_read() {
    for (url, expected) in [
        ("https://hooks.example.com", "https://hooks.example.com/"),
        ("https://hooks.example.com/base", "https://hooks.example.com/base"),
        ("http://me:p%40ss@127.0.0.1:81/a/", "http://127.0.0.1:81/a/"),
        ("https://me:p@ss:word@[::1]:444/a", "https://[::1]:444/a"),
    ] {
        let config = Config::new(&connection(url)).unwrap();
        assert_eq!(config.url.as_str(), expected);
        assert_eq!(config.tls.is_some(), url.starts_with("https"));
    }
}

#[test]
fn urls_that_say_too_much_or_too_little_are_refused_without_their_secrets() {
    for (url, part) in [
        ("https:hunter22", "has no ://"),
        ("https://", "cannot be read"),
        ("https://me:hunter22@host:port/a", "cannot be read"),
        ("https://host/a?token=hunter22", "has a query"),
        ("https://host/a#hunter22", "has a query"),
        ("https://me:hunter22/more@host", "has an @ behind a slash"),
        ("https://host/a/../b", "dots or characters"),
        ("https://host/a b", "dots or characters"),
        ("https://:hunter22@host/", "a password but no user"),
    ] {
        let error = refused(&connection(url));
        assert_eq!(error.code(), Code::ConfigBadValue, "{url}");
        let text = format!("{error} {}", error.fix_text());
        assert!(text.contains(part) && !text.contains("hunter22"), "{url}: {text}");
    }
}

#[test]
fn options_that_cannot_stand_together_are_refused() {
    let with = |change: &dyn Fn(&mut ConnectionSpec)| {
        let mut connection = connection("http://me:hunter22@127.0.0.1");
        change(&mut connection);
        refused(&connection)
    };
    let header = |name: &'static str, value: &'static str| {
        with(&move |c| c.options.headers = vec![(name.into(), value.into())])
    };
    let cases = [
        (with(&|c| c.options.tls = Some(TlsOptions::default())), Code::ConfigConflict, "`tls:` beside"),
        (with(&|c| c.options.secret = Some("hunter22".into())), Code::ConfigBadValue, "begin with whsec_"),
        (header("Webhook-Id", "1"), Code::ConfigConflict, "is set by Syncline itself"),
        (header("content-type", "a/b"), Code::ConfigConflict, "is set by Syncline itself"),
        (header("authorization", "Bearer hunter22"), Code::ConfigConflict, "a user in the URL"),
        (header("a b", "1"), Code::ConfigBadValue, "has no name that can be sent"),
        (header("x-key", "hunter22\n"), Code::ConfigBadValue, "has a value that cannot be sent"),
        (
            with(&|c| c.options.headers = vec![("X-A".into(), "1".into()), ("x-a".into(), "2".into())]),
            Code::ConfigConflict,
            "is there twice",
        ),
    ];
    for (error, code, part) in cases {
        let text = format!("{error} {}", error.fix_text());
        assert_eq!(error.code(), code, "{text}");
        assert!(text.contains(part) && !text.contains("hunter22"), "{text}");
    }
}

#[test]
fn it_is_fed_in_capture_order_with_the_limits_of_the_file() {
    let mut connection = connection("https://host");
    let expected = Feeding::CaptureOrder { max_items: 128, max_bytes: 4 << 20 };
    assert_eq!(sink(&connection).feeding(), expected);
    connection.options.batch_items = Some(5);
    connection.options.batch_bytes = Some(6);
    assert_eq!(sink(&connection).feeding(), Feeding::CaptureOrder { max_items: 5, max_bytes: 6 });
}

#[tokio::test]
async fn check_warns_of_what_others_could_read_or_forge() {
    let receiver = Receiver::start(|_| say(200));
    assert!(sink_to(&receiver).check().await.unwrap().is_empty(), "this machine's own, and signed");
    let unsigned = sink(&testing::connection("hook", &receiver.url()));
    let found = unsigned.check().await.unwrap();
    assert_eq!(found.iter().map(Error::code).collect::<Vec<_>>(), [Code::WebhookUnsigned]);
    for (url, openly) in [
        ("http://hooks.example.com", true),
        ("http://10.0.0.1:81", true),
        ("http://localhost:81", false),
        ("http://127.0.0.2", false),
        ("http://[::1]", false),
        ("http://127.example.com", true),
        ("https://hooks.example.com", false),
    ] {
        assert_eq!(Config::new(&connection(url)).unwrap().travels_openly(), openly, "{url}");
    }
}
