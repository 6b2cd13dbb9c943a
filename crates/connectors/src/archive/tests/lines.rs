//! Files as bytes, and looking a document up in an archive.

use bytes::Bytes;
use syncline_engine::error::Code;
use syncline_engine::route::TargetPlan;
use syncline_engine::sink::Address;

use super::super::segment::{self, Lines};
use super::*;
use crate::testing::stored;

fn lines(texts: &[&str], from: u64) -> Lines {
    let mut lines = Lines::default();
    for (n, text) in texts.iter().enumerate() {
        lines.push(Bytes::copy_from_slice(text.as_bytes()), version(from + n as u64));
    }
    lines
}

fn texts(file: &segment::Segment) -> Vec<String> {
    let mut found = Vec::new();
    let each = |line: &[u8]| found.push(String::from_utf8(line.to_vec()).unwrap());
    segment::read_lines(&file.file, &file.bytes, each).unwrap();
    found
}

#[test]
fn joined_files_hold_the_lines_of_both() {
    let (small, large) = ("small ".repeat(10), "x".repeat(100));
    let noise: String =
        (0..200_000u32).map(|n| format!("{:x}", n.wrapping_mul(2_654_435_761) >> 7)).collect();
    for text in [&small, &large, &noise] {
        let one = segment::compress("a/1".into(), &lines(&[text, "b"], 5)).unwrap();
        let two = segment::compress("a/2".into(), &lines(&["c"], 3)).unwrap();
        let parts = [one, two].map(|segment| (segment.file, segment.bytes));
        let joined = segment::join("a/3".into(), &parts).unwrap();
        assert_eq!(texts(&joined), [text, "b", "c"]);
        let file = &joined.file;
        assert_eq!((file.lines, file.first_version, file.last_version), (3, version(3), version(6)));
        segment::verify(file, &joined.bytes).unwrap();
        let error = segment::verify(file, &joined.bytes[1..]).unwrap_err();
        assert_eq!(error.code(), Code::ArchiveManifest);
    }
}

#[test]
fn a_damaged_file_is_an_error() {
    let whole = segment::compress("a/1".into(), &lines(&["a line", "another"], 1)).unwrap();
    for cut in 1..whole.bytes.len() {
        let mut read = 0;
        let result = segment::read_lines(&whole.file, &whole.bytes[..cut], |_| read += 1);
        assert_eq!(result.unwrap_err().code(), Code::ArchiveManifest, "{cut}");
    }
}

async fn read(sink: &ArchiveSink, plan: &TargetPlan, path: &str, id: &str) -> Option<String> {
    let address = Address { target: path.into(), id: id.into() };
    stored(sink, plan, &address).await.map(|json| String::from_utf8(json.to_vec()).unwrap())
}

#[tokio::test]
async fn a_document_is_that_of_the_highest_version() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, reader) = (sink(folder.path()), sink(folder.path()));
    let (path, plan) = ("orders/2026-01", path_plan(TEMPLATE));
    let read = async |id: &str| read(&reader, &plan, path, id).await;
    assert_eq!(read("1").await, None);
    let change = |operation, id, n| line(path, operation, id, n);
    let calls = [
        vec![
            change(Operation::Insert, 1, 1),
            change(Operation::Insert, 2, 2),
            change(Operation::Update, 1, 5),
        ],
        vec![change(Operation::Read, 1, 4), change(Operation::Delete, 2, 6), change(Operation::Insert, 3, 7)],
        vec![change(Operation::Read, 2, 3), line("orders/2026-02", Operation::Insert, 1, 9)],
    ];
    for call in calls {
        apply(&writer, &call).await;
    }
    assert_eq!(read("1").await.unwrap(), r#"{"id":1,"title":"title 5"}"#);
    assert_eq!(read("2").await, None);
    assert_eq!(read("3").await.unwrap(), r#"{"id":3,"title":"title 7"}"#);
    assert_eq!(read("4").await, None);
    // The later line wins a tie.
    let mut again = change(Operation::Read, 3, 7);
    again.body = Body::Line(
        format!(
            r#"{{"table":"shop.orders","op":"read","key":{{"id":3}},"after":{{"id":"x"}},"version":"{}"}}"#,
            version(7)
        )
        .into_bytes()
        .into(),
    );
    apply(&writer, &[again]).await;
    assert_eq!(read("3").await.unwrap(), r#"{"id":"x"}"#);
}

#[tokio::test]
async fn keys_of_several_parts_are_found_by_their_text() {
    let folder = tempfile::tempdir().unwrap();
    let (sink, plan) = (sink(folder.path()), path_plan("pairs"));
    let keys = [
        (r#"{"a":"x:y","b":"50%"}"#, "x%3Ay:50%25"),
        (r#"{"a":"","b":7}"#, "%:7"),
        (r#"{"a":12345678901234567890}"#, "12345678901234567890"),
        (r#"{"a":""}"#, "%"),
        (r#"{"a":"a:b%"}"#, "a:b%"),
    ];
    let long = format!(r#"{{"a":"{}"}}"#, "k".repeat(513));
    let digest: String = Sha256::digest("k".repeat(513)).iter().map(|byte| format!("{byte:02x}")).collect();
    let long = (&*long, &*format!("sha256:{digest}"));
    for (n, (key, id)) in keys.iter().copied().chain([long]).enumerate() {
        let version = version(n as u64 + 1);
        let json = format!(
            r#"{{"table":"shop.orders","op":"insert","key":{key},"after":{{"n":{n}}},"version":"{version}"}}"#
        );
        let body = Body::Line(json.into_bytes().into());
        apply(&sink, &[delivery(&plan, ("pairs", id), body, "shop.orders", Operation::Insert, version)])
            .await;
    }
    for (n, (_, id)) in keys.iter().copied().chain([long]).enumerate() {
        assert_eq!(read(&sink, &plan, "pairs", id).await.unwrap(), format!("{{\"n\":{n}}}"), "{id}");
    }
}
