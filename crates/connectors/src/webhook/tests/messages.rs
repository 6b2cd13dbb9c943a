//! What is sent: signatures against vectors made elsewhere, ids, bodies, headers and URLs.

use serde_json::json;
use syncline_engine::change::{CaptureBatch, Change, Operation};
use syncline_engine::error::Code;
use syncline_engine::position::Position;

use super::receiver::{Receiver, SECRET, say};
use super::*;
use crate::testing::stored;
use crate::webhook::message::Message;
use crate::webhook::sign::Signer;

/// The secret of the reference implementations' own tests.
const PUBLISHED: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn signatures_are_those_of_other_implementations() {
    let signer = Signer::read(PUBLISHED).unwrap();
    let signed = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
    assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    // Python: base64.b64encode(hmac.new(secret, b"msg_….1767225600." + body, hashlib.sha256).digest())
    let body = r#"{"type":"row.insert","timestamp":"2026-01-31T12:00:00.123Z","data":{"a":"é"}}"#;
    let signer = Signer::read(&format!("{SECRET}\n {PUBLISHED}\n")).unwrap();
    let signed = signer.sign("msg_0000000000000000042_00ff00ff00ff00ff", 1_767_225_600, body.as_bytes());
    let expected = "v1,L5xXNlWwSlXGNtRzJ4XjBrzggpEV+kl67GGcH8rLwpY= \
                    v1,XuuQJCCNG+uIVsCespyqITh3ykWb9ANUSqtr5JrfK0I=";
    assert_eq!(signed, expected);
}

#[test]
fn secrets_that_cannot_sign_are_refused_without_being_shown() {
    for (text, why) in [
        ("", "the secret is empty"),
        (" \n", "the secret is empty"),
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", "secret 1 does not begin with whsec_"),
        ("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX whsec_c2hvcnQ=", "secret 2 is 5 bytes long, not 24 to 64"),
        ("whsec_not*base64", "secret 1 is not base64 behind whsec_"),
    ] {
        assert_eq!(Signer::read(text).err().as_deref(), Some(why));
    }
}

#[test]
fn an_id_is_one_change_at_one_address() {
    let id = |delivery: &Delivery| Message::new("shop", delivery).unwrap().id;
    let one = change("/orders/1", "1", 42);
    assert_eq!(id(&one), id(&change("/orders/1", "1", 42)), "the same change, the same id");
    let (head, hash) = id(&one).rsplit_once('_').map(|(h, x)| (h.to_owned(), x.to_owned())).unwrap();
    assert_eq!(head, "msg_0000000000000000042");
    assert!(hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
    let mut other_table = one.clone();
    other_table.batch =
        testing::delivery(&plan(), ("", ""), Body::Absent, "shop.customers", Operation::Update, one.version)
            .batch;
    // Rows of one XA transaction.
    let mut other_ordinal = one.clone();
    let next = Change { ordinal: 2, ..one.change().clone() };
    other_ordinal.batch = Arc::new(CaptureBatch::at(Position::nowhere(one.version), vec![next]));
    let others = [
        other_ordinal,
        change("/orders/1", "1", 43),
        change("/orders/1", "2", 42),
        change("/orders", "1", 42),
        change("/orders/11", "", 42),
        other_table,
        written("/orders/1", "1", 42, Operation::Read, "{}"),
        written("/orders/1", "1", 42, Operation::Read, "{\"a\":null}"),
    ];
    let mut ids: Vec<String> = others.iter().chain([&one]).map(id).collect();
    ids.push(Message::new("another pipeline", &one).unwrap().id);
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "{ids:?}");
}

#[test]
fn a_document_is_not_taken_for_a_line() {
    let document = testing::document(&plan(), "/orders/1", "1", Version::ZERO, "{}");
    assert_eq!(Message::new("shop", &document).err().map(|e| e.code()), Some(Code::Internal));
}

#[tokio::test]
async fn a_change_is_a_standard_webhook_around_its_line() {
    let receiver = Receiver::start(|_| say(204));
    let mut connection = connection(&receiver.url().replace("://", "://us%40er:pass@"));
    connection.url.push_str("/base/");
    connection.options.headers = vec![("X-Tenant".into(), "seven".into())];
    let sink = sink(&connection);
    let operations = [Operation::Insert, Operation::Update, Operation::Delete, Operation::Read];
    let deliveries: Vec<Delivery> = operations
        .iter()
        .zip(1..)
        .map(|(op, n)| written("/orders/a%2Fb?x=%3F", "a/b", n, *op, "{\"price\":\"1.50\"}"))
        .collect();
    assert_eq!(words(&apply(&sink, &deliveries).await), ["applied"; 4]);
    let got = receiver.got();
    for (got, delivery) in got.iter().zip(&deliveries) {
        let Body::Line(line) = &delivery.body else { panic!("no line") };
        let line = std::str::from_utf8(line).unwrap();
        let body = std::str::from_utf8(&got.body).unwrap();
        assert!(body.ends_with(&format!(",\"data\":{line}}}")), "the line is sent as it is: {body}");
        let json = got.json();
        assert_eq!(json["type"], format!("row.{}", json["data"]["op"].as_str().unwrap()));
        assert_eq!(json["timestamp"], json["data"]["committed_at"]);
        assert_eq!(got.path, "/base/orders/a%2Fb?x=%3F");
    }
    let header = |name: &str| got[0].headers[name].to_str().unwrap();
    assert_eq!(header("x-tenant"), "seven");
    assert_eq!(header("authorization"), "Basic dXNAZXI6cGFzcw==");
    assert!(header("user-agent").starts_with("syncline/"));
    assert_eq!(got[0].json()["data"]["key"], json!({"id": "a/b"}));
}

#[tokio::test]
async fn without_a_secret_nothing_is_signed() {
    let receiver = Receiver::with(None, |_| say(200));
    let sink = sink(&testing::connection("hook", &receiver.url()));
    apply(&sink, &[change("", "1", 1)]).await;
    let got = receiver.got();
    assert!(!got[0].headers.contains_key("webhook-signature"));
    assert!(got[0].headers.contains_key("webhook-id") && got[0].timestamp > 0);
}

#[tokio::test]
async fn an_empty_template_is_exactly_the_connections_url() {
    let receiver = Receiver::start(|_| say(200));
    for (base, added, expected) in
        [("", "", "/"), ("/in", "", "/in"), ("/in/", "", "/in/"), ("/in/", "/a", "/in/a"), ("", "/a/", "/a/")]
    {
        let sink = sink(&connection(&format!("{}{base}", receiver.url())));
        apply(&sink, &[change(added, "1", 1)]).await;
        assert_eq!(receiver.got().last().unwrap().path, expected, "{base} {added}");
    }
}

#[tokio::test]
async fn a_row_cannot_choose_another_address() {
    let receiver = Receiver::start(|_| say(200));
    let sink = sink(&connection(&format!("{}/in", receiver.url())));
    let long = format!("/{}", "a".repeat(5000));
    for bad in ["/../admin", "/a/%2e%2e/b", "/a\\..\\b", "/a#b", "/a b", &long] {
        let outcomes = apply(&sink, &[change(bad, "1", 1)]).await;
        assert_eq!((words(&outcomes)[0], code(&outcomes[0])), ("refused", Code::RouteAddress), "{bad}");
    }
    assert_eq!(receiver.got().len(), 0);
    assert_eq!(stored(&sink, &plan(), &change("/a", "1", 1).address).await, None);
}
