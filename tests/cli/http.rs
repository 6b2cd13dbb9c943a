//! The HTTP interface: probes, metrics, tokens and scopes, and what a browser or a careless client must not get.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::{Value, json};

use super::stage::{PATIENCE, Running, Stage, TO_STDOUT};

/// A stage whose process serves HTTP, with tokens or without.
fn serving(tokens: bool) -> (Stage, Running, SocketAddr) {
    serving_file(TO_STDOUT, tokens)
}

fn serving_file(file: &str, tokens: bool) -> (Stage, Running, SocketAddr) {
    let pipelines = file;
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let file = if tokens { ", tokens_file: ./tokens" } else { "" };
    let http = format!("version: 1\nhttp: {{ listen: \"{address}\"{file} }}");
    let stage = Stage::new(&pipelines.replace("version: 1", &http));
    std::fs::write(stage.path("tokens"), token_file()).unwrap();
    let running = stage.streaming();
    (stage, running, address)
}

fn token_file() -> String {
    let line = |name: &str, scope: &str, secret: &str| format!("{name} {scope} {}\n", sha256(secret));
    line("viewer", "read", "look") + &line("operator", "operate", "act")
}

fn sha256(text: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

/// Sends a request as it is and answers status, headers and body.
fn raw(address: SocketAddr, request: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    (status, head.to_ascii_lowercase(), body.to_owned())
}

pub fn get(address: SocketAddr, path: &str, headers: &str) -> (u16, String, String) {
    raw(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n"))
}

pub fn post(address: SocketAddr, path: &str, headers: &str, body: &str) -> (u16, String, String) {
    let length = body.len();
    raw(
        address,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        ),
    )
}

const JSON: &str = "Content-Type: application/json\r\n";

#[test]
fn probes_status_metrics_and_the_document() {
    let (_stage, _running, address) = serving(false);
    assert_eq!(get(address, "/livez", "").0, 200);
    let (status, _, body) = get(address, "/readyz", "");
    let ready: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &ready["ready"]), (200, &json!(true)));
    let (_, _, body) = get(address, "/v1/pipelines/shop", "");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["state"], "streaming");
    let (_, _, body) = get(address, "/openapi.json", "");
    assert!(serde_json::from_str::<Value>(&body).unwrap()["paths"]["/v1/pipelines"].is_object());
    let (_, head, body) = get(address, "/metrics", "");
    assert!(head.contains("content-type: application/openmetrics-text"), "{head}");
    for line in [
        "syncline_pipeline_up{pipeline=\"shop\"} 1.0",
        "syncline_source_caught_up{pipeline=\"shop\"} 1.0",
        "syncline_accepted_total{pipeline=\"shop\",table=\"main.things\",sink=\"stdout\"} 3",
        "syncline_applied_total{pipeline=\"shop\",table=\"main.things\",sink=\"stdout\"} 3",
        "syncline_dead_letters_pending{pipeline=\"shop\"} 0.0",
        "# EOF",
    ] {
        assert!(body.contains(line), "{line} is not in\n{body}");
    }
}

#[test]
fn problems_carry_the_numbered_code() {
    let (_stage, _running, address) = serving(false);
    let cases = [
        (get(address, "/v1/nothing", ""), 404, "SYN-2203"),
        (get(address, "/v1/pipelines/shp", ""), 404, "SYN-2103"),
        (post(address, "/v1/pipelines", JSON, "{}"), 405, "SYN-2203"),
        (post(address, "/v1/pipelines/shop/backfill", JSON, "{\"tabels\":[]}"), 400, "SYN-2203"),
        (post(address, "/v1/pipelines/shop/backfill", JSON, "{"), 400, "SYN-2203"),
        (post(address, "/v1/pipelines/shop/pause", "Content-Type: text/plain\r\n", "{}"), 415, "SYN-2203"),
        (get(address, "/v1/dead-letters?limit=-1", ""), 400, "SYN-2203"),
    ];
    for ((status, head, body), expected, code) in cases {
        assert_eq!(status, expected, "{body}");
        assert!(head.contains("application/problem+json"), "{head}");
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&problem["code"], &problem["status"]), (&json!(code), &json!(expected)));
        assert!(problem["detail"].is_string() && problem["fix"].is_string());
    }
}

#[test]
fn without_tokens_no_web_page_speaks_for_anybody() {
    let (stage, _running, address) = serving(false);
    let request = |host: &str, more: &str| {
        raw(
            address,
            &format!(
                "POST /v1/pipelines/shop/pause HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n"
            ),
        )
        .0
    };
    assert_eq!(request("evil.example", ""), 403, "another name for this machine");
    assert_eq!(request(&address.to_string(), "Origin: http://evil.example\r\n"), 403);
    assert_eq!(stage.state(), "streaming");
    assert_eq!(request("localhost", ""), 200);
    stage.wait("paused", || stage.state() == "paused");
}

#[test]
fn tokens_and_scopes() {
    let (stage, _running, address) = serving(true);
    assert_eq!(get(address, "/livez", "").0, 200);
    let with = |token: &str| format!("Authorization: Bearer {token}\r\n");
    for path in ["/v1/pipelines", "/metrics", "/v1/dead-letters"] {
        assert_eq!(get(address, path, "").0, 401, "{path}");
        assert_eq!(get(address, path, &with("loo")).0, 401);
        assert_eq!(get(address, path, &with("look")).0, 200);
        assert_eq!(get(address, &format!("{path}?token=look"), "").0, 401, "not in the address");
    }
    assert!(get(address, "/v1/pipelines", "").1.contains("www-authenticate: bearer"));
    assert_eq!(post(address, "/v1/pipelines/shop/pause", &with("look"), "").0, 403);
    assert_eq!(stage.state(), "streaming");
    assert_eq!(post(address, "/v1/pipelines/shop/pause", &with("act"), "").0, 200);
    assert_eq!(
        stage.run(&["resume", "shop.yaml"]).ends(0).stdout,
        "shop: resumed\n",
        "the control socket needs none"
    );
    let audit = stage.run(&["audit", "list", "shop.yaml", "--json"]).ends(0).lines();
    let who: Vec<_> = audit.iter().map(|e| (e["actor"].as_str(), e["action"].as_str())).collect();
    let expected = [("local", "config"), ("operator", "pause"), ("local", "resume")];
    assert_eq!(
        who,
        expected.map(|(actor, action)| (Some(actor), Some(action))),
        "who was refused did nothing"
    );
    std::fs::write(stage.path("tokens"), "").unwrap();
    assert_eq!(get(address, "/v1/pipelines", &with("look")).0, 401, "a token that was taken out is refused");
}

#[test]
fn a_repeated_request_has_one_effect() {
    let (stage, _running, address) = serving(false);
    let send = |key: &str, body: &str| {
        post(address, "/v1/pipelines/shop/backfill", &format!("{JSON}Idempotency-Key: {key}\r\n"), body)
    };
    let first = send("a", "{}");
    let again = send("a", "{}");
    assert_eq!((first.0, &first.2), (200, &again.2));
    assert_eq!(send("a", "{\"tables\":[\"main.things\"]}").0, 422);
    stage.wait("read once more", || stage.status()["pipelines"][0]["tables"][0]["applied"] == json!(6));
    assert_ne!(send("b", "{}").2, first.2);
    stage.wait("read twice more", || stage.status()["pipelines"][0]["tables"][0]["applied"] == json!(9));
}

#[test]
fn large_and_slow_requests_get_nowhere() {
    let (_stage, _running, address) = serving(false);
    let large = "x".repeat(70 * 1024);
    assert_eq!(post(address, "/v1/pipelines/shop/backfill", JSON, &large).0, 413);
    let headers = format!("X-Large: {}\r\n", "y".repeat(1024 * 1024));
    assert!(matches!(get(address, "/livez", &headers).0, 0 | 431));
    let mut slow: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(address).unwrap()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: local").unwrap();
    }
    assert_eq!(get(address, "/livez", "").0, 200, "the others are answered meanwhile");
    let mut end = [0; 1];
    slow[0].set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    let ended = slow[0].read(&mut end);
    assert!(ended.is_ok() || ended.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset));
}

#[test]
fn the_control_socket_is_for_one_user() {
    let stage = Stage::new(TO_STDOUT);
    let _running = stage.streaming();
    let mode = stage.path(".syncline/control.sock").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn an_address_that_cannot_be_used_is_bad_configuration() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let file = TO_STDOUT.replace("version: 1", &format!("version: 1\nhttp: {{ listen: \"{address}\" }}"));
    let done = Stage::new(&file).run(&["run", "shop.yaml"]).ends(78);
    assert!(done.stderr.contains("SYN-2201"), "{}", done.stderr);
}

#[test]
fn dead_letters_are_grouped_taken_and_given_back_behind_their_scopes() {
    let file = TO_STDOUT.replace("to: [", "transform: [{ field: name, type: integer }]\n        to: [");
    let (stage, _running, address) = serving_file(&file, true);
    stage.wait("three letters", || stage.status()["pipelines"][0]["dead_letters"] == 3);
    let look = "Authorization: Bearer look\r\n";
    let act = format!("Authorization: Bearer act\r\n{JSON}");
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let (status, _, body) = get(address, "/v1/dead-letters/groups?table=main.things", look);
    assert_eq!((status, &json(&body)["groups"][0]["count"]), (200, &json!(3)), "{body}");
    assert_eq!(get(address, "/v1/dead-letters/groups", "").0, 401);
    let id = json(&body)["groups"][0]["example"].to_string();
    let manual = format!("/v1/dead-letters/{id}/manual");
    let note = r#"{"note":"waiting for the schema team"}"#;
    assert_eq!(post(address, &manual, &format!("{look}{JSON}"), note).0, 403);
    for (path, body, expected) in [
        (&*manual, r#"{"note":"  "}"#, 400),
        (&*manual, r#"{"nota":"x"}"#, 400),
        ("/v1/dead-letters/999/manual", note, 404),
        ("/v1/dead-letters/x/manual", note, 400),
        ("/v1/dead-letters/reprocess", r#"{"pipeline":"none"}"#, 404),
    ] {
        assert_eq!(post(address, path, &act, body).0, expected, "{path} {body}");
    }
    let (status, _, body) = post(address, &manual, &act, note);
    assert_eq!((status, &json(&body)["state"]), (200, &json!("manual")), "{body}");
    let again = format!("{act}Idempotency-Key: once\r\n");
    let pass = |headers: &str| {
        post(address, "/v1/dead-letters/reprocess", headers, r#"{"first_delay_ms":0,"longest_delay_ms":0}"#)
    };
    let first = pass(&again);
    assert_eq!((first.0, &json(&first.2)["tried"]), (200, &json!(2)), "{}", first.2);
    assert_eq!(pass(&again).2, first.2, "the same answer, without a second pass");
    let attempts = stage.run(&["dlq", "list", "shop.yaml", "--json"]).ends(0).lines();
    assert_eq!(attempts.iter().map(|l| l["attempts"].as_i64().unwrap()).sum::<i64>(), 5);
    let (status, _, body) = post(address, &format!("/v1/dead-letters/{id}/release"), &act, "");
    assert_eq!((status, &json(&body)["state"], &json(&body)["note"]), (200, &json!("waiting"), &Value::Null));
    let metrics = get(address, "/metrics", look).2;
    let series =
        r#"syncline_dead_letters{pipeline="shop",table="main.things",target="stdout",error="SYN-1507"} 3"#;
    assert!(metrics.contains(series), "{metrics}");
    let audit = stage.run(&["audit", "list", "shop.yaml", "--json"]).ends(0).lines();
    for action in ["dead letter manual", "dead letter released", "reprocess"] {
        let of = audit.iter().filter(|entry| entry["action"] == action && entry["actor"] == "operator");
        assert_eq!(of.count(), 1, "{action}");
    }
}

const SHELF: &str = r#"version: 1
connections:
  shop: sqlite:shop.db
  shelf: sqlite:search.db
pipelines:
  shop:
    source: { connection: shop, tables: ["main.*"] }
    routes:
      - table: main.things
        to: [{ connection: shelf, index: things }]
"#;

#[test]
fn a_resync_of_a_part_and_what_cannot_go_back() {
    let (stage, _running, address) = serving_file(SHELF, true);
    let (look, act) = ("Authorization: Bearer look\r\n", "Authorization: Bearer act\r\n");
    let ask = |headers: &str, path: &str, body: &str| {
        let (status, _, body) = post(address, path, &format!("{JSON}{headers}"), body);
        (status, serde_json::from_str::<Value>(&body).unwrap())
    };
    let path = "/v1/pipelines/shop/resync";
    let part = r#"{"table":"main.things","part":{"where":"id < 3"}}"#;
    assert_eq!(ask(look, path, part).0, 403);
    assert_eq!(ask(look, "/tasks/1/rollback", "").0, 403);
    let once = format!("{act}Idempotency-Key: one\r\n");
    let (status, task) = ask(&once, path, part);
    assert_eq!((status, &task["id"], &task["part"]), (202, &json!(1), &json!({ "where": "id < 3" })));
    assert_eq!(ask(&once, path, part), (202, task));
    let task = || serde_json::from_str::<Value>(&get(address, "/tasks/1", look).2).unwrap();
    stage.wait("completed", || task()["state"] == "completed");
    for (path, body, code) in [
        (path, r#"{"table":"main.things","part":{"where":"id < 3","tenant":"x"}}"#, "SYN-2705"),
        (path, r#"{"table":"main.things","part":{}}"#, "SYN-2705"),
        ("/tasks/1/rollback", "", "SYN-2704"),
        ("/tasks/5/rollback", "", "SYN-2103"),
    ] {
        let (status, problem) = ask(act, path, body);
        assert!((400..500).contains(&status) && problem["code"] == code, "{path} {body}: {status} {problem}");
    }
    let audit = stage.run(&["audit", "list", "shop.yaml", "--json"]).ends(0).lines();
    let resyncs: Vec<&Value> = audit.iter().filter(|entry| entry["action"] == "resync").collect();
    assert!(resyncs.len() == 1 && resyncs[0]["actor"] == "operator", "{resyncs:?}");
}
