//! An archive in a real S3 store.

use std::io::{Read, Write};

use syncline_engine::error::{Code, Kind};
use syncline_engine::sink::Address;

use super::*;
use crate::testing::{server, stored, unique};

/// The endpoint's host and port.
fn host() -> String {
    server("S3").trim_start_matches("http://").trim_end_matches('/').to_owned()
}

/// One plain request; the test server takes any signature.
fn request(method: &str, path: &str) -> String {
    let mut link = std::net::TcpStream::connect(host()).unwrap();
    let auth =
        "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    let head = format!("{method} /{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: {auth}\r\n", host());
    write!(link, "{head}Content-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    link.read_to_string(&mut answer).unwrap();
    answer
}

/// A bucket of a test's own, and the URL of an archive in it.
fn bucket(prefix: &str) -> (String, String) {
    let bucket = unique("lake-");
    assert!(request("PUT", &bucket).contains(" 200 "));
    let url = format!("s3://key:secret@{bucket}{prefix}?region=us-east-1&endpoint=http://{}", host());
    (bucket, url)
}

fn sink_at(url: &str, name: &str) -> ArchiveSink {
    super::super::sink(&connection("lake", url), &pipeline(name, vec![])).unwrap()
}

fn objects(bucket: &str) -> Vec<String> {
    let listing = request("GET", &format!("{bucket}?list-type=2"));
    listing.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap().to_owned()).collect()
}

async fn document(sink: &ArchiveSink, path: &str, id: u64) -> Option<String> {
    let address = Address { target: path.into(), id: id.to_string().as_str().into() };
    let found = stored(sink, &path_plan(TEMPLATE), &address).await;
    found.map(|json| String::from_utf8(json.to_vec()).unwrap())
}

#[tokio::test]
async fn lines_are_stored_joined_and_found() {
    for prefix in ["", "/deep/lake"] {
        let (bucket, url) = bucket(prefix);
        let path = "orders/caf%C3%A9";
        let first = sink_at(&url, "shop");
        first.probe().await.unwrap();
        assert!(first.check().await.unwrap().is_empty() && objects(&bucket).is_empty());
        for n in 0..20 {
            apply(&first, &[line(path, Operation::Insert, n, n)]).await;
        }
        first.close().await.unwrap();
        let again = sink_at(&url, "shop");
        let replay: Vec<Delivery> = (10..25).map(|n| line(path, Operation::Insert, n, n)).collect();
        apply(&again, &replay).await;
        for n in [0, 19, 24] {
            assert_eq!(
                document(&again, path, n).await.unwrap(),
                format!(r#"{{"id":{n},"title":"title {n}"}}"#)
            );
        }
        assert_eq!(document(&again, path, 25).await, None);
        let stored = objects(&bucket);
        let start = prefix.trim_start_matches('/');
        assert!(stored.iter().all(|object| object.starts_with(start)), "{stored:?}");
        assert!(stored.len() <= 9 && stored.iter().any(|o| o.ends_with("manifest.json")), "{stored:?}");
    }
}

#[tokio::test]
async fn of_two_writers_the_first_halts() {
    let (_, url) = bucket("/lake");
    let (first, second) = (sink_at(&url, "shop"), sink_at(&url, "shop"));
    apply(&first, &inserts(0..3)).await;
    apply(&second, &inserts(0..5)).await;
    let error = first.apply(&inserts(3..9)).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::ArchiveManifest, Kind::HaltPipeline), "{error}");
    apply(&second, &inserts(3..9)).await;
    assert_eq!(document(&second, "orders/2026-01", 8).await.unwrap(), r#"{"id":8,"title":"title 8"}"#);
    let other = sink_at(&url, "other").apply(&inserts(0..1)).await.unwrap_err();
    assert_eq!(other.code(), Code::ArchiveManifest, "{other}");
}

#[tokio::test]
async fn what_is_not_named_goes_and_a_lost_manifest_halts() {
    let (bucket, url) = bucket("/lake");
    apply(&sink_at(&url, "shop"), &inserts(0..3)).await;
    request("PUT", &format!("{bucket}/lake/orders/2026-01/0000000009-x.jsonl.zst"));
    request("PUT", &format!("{bucket}/other.jsonl.zst"));
    apply(&sink_at(&url, "shop"), &inserts(0..3)).await;
    let stored = objects(&bucket);
    assert!(stored.len() == 3 && stored.contains(&"other.jsonl.zst".to_owned()), "{stored:?}");
    request("DELETE", &format!("{bucket}/lake/manifest.json"));
    let error = sink_at(&url, "shop").apply(&inserts(0..3)).await.unwrap_err();
    assert_eq!(error.code(), Code::ArchiveManifest, "{error}");
}

#[tokio::test]
async fn a_store_that_is_missing_is_waited_for() {
    let (bucket, url) = bucket("");
    let no_bucket = sink_at(&url.replace(&bucket, "no-such-bucket"), "shop");
    let nobody = sink_at(&url.replace(&host(), "127.0.0.1:1"), "shop");
    for sink in [no_bucket, nobody] {
        for error in [sink.probe().await.unwrap_err(), sink.apply(&inserts(0..1)).await.unwrap_err()] {
            assert_eq!((error.code(), error.kind()), (Code::ArchiveWrite, Kind::Retry), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}

#[tokio::test]
async fn lines_and_documents_are_read_back() {
    let (_, url) = bucket("/lake");
    super::looks::require_read_back(&sink_at(&url, "shop")).await;
}
