//! What the tests of the archive share: lines, sinks on a folder, and a reader that shares no code with the archive's own.

mod bucket;
mod faults;
mod folder;
mod lines;
mod looks;
mod manifest;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};
use syncline_engine::change::Operation;
use syncline_engine::route::{TargetKind, TargetPlan};
use syncline_engine::sink::{Body, Delivery, Outcome, Sink};
use syncline_engine::version::Version;

use super::ArchiveSink;
use crate::testing::{connection, delivery, pipeline, plan, target};

const TEMPLATE: &str = "orders/{YYYY-MM}";

fn sink(folder: &Path) -> ArchiveSink {
    let url = format!("file:{}", folder.display());
    super::sink(&connection("lake", &url), &pipeline("shop", vec![])).unwrap().with_pace(Duration::ZERO)
}

fn path_plan(template: &str) -> Arc<TargetPlan> {
    plan(target(TargetKind::Archive, "lake", template))
}

fn version(number: u64) -> Version {
    Version::from_number(0, number)
}

/// The line of a change of `shop.orders` with the key `id`.
fn line(path: &str, operation: Operation, id: u64, number: u64) -> Delivery {
    line_of("shop.orders", TEMPLATE, path, operation, id, number)
}

fn line_of(table: &str, template: &str, path: &str, operation: Operation, id: u64, number: u64) -> Delivery {
    let (op, version) = (operation.name(), version(number));
    let after = match operation {
        Operation::Delete => "null".to_owned(),
        _ => format!("{{\"id\":{id},\"title\":\"title {number}\"}}"),
    };
    let json = format!(
        r#"{{"table":"{table}","op":"{op}","key":{{"id":{id}}},"before":null,"after":{after},"version":"{version}"}}"#
    );
    let address = (path, &*id.to_string());
    delivery(&path_plan(template), address, Body::Line(json.into_bytes().into()), table, operation, version)
}

/// Inserts into `orders/2026-01`, one for each number.
fn inserts(numbers: std::ops::Range<u64>) -> Vec<Delivery> {
    numbers.map(|n| line("orders/2026-01", Operation::Insert, n, n)).collect()
}

async fn apply(sink: &dyn Sink, deliveries: &[Delivery]) {
    let outcomes = sink.apply(deliveries).await.unwrap();
    assert_eq!(outcomes.len(), deliveries.len());
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Applied)), "{outcomes:?}");
}

/// What somebody finds who knows only the documentation: every line in order, with the path of its file. Checks hashes,
/// lengths and counts on the way.
fn read_as_documented(folder: &Path) -> Vec<(String, String)> {
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    let mut all = Vec::new();
    for file in manifest["files"].as_array().unwrap() {
        let path = file["path"].as_str().unwrap();
        let bytes = std::fs::read(folder.join(path)).unwrap();
        let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (file["bytes"].as_u64(), file["sha256"].as_str()),
            (Some(bytes.len() as u64), Some(&*sha256))
        );
        let text = String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap();
        assert!(text.ends_with('\n'));
        assert_eq!(file["lines"].as_u64(), Some(text.lines().count() as u64));
        let path = path.rsplit_once('/').unwrap().0;
        let versions = text.lines().map(version_of);
        assert_eq!(file["first_version"].as_str().map(str::to_owned), versions.clone().min());
        assert_eq!(file["last_version"].as_str().map(str::to_owned), versions.max());
        all.extend(text.lines().map(|line| (path.to_owned(), line.to_owned())));
    }
    all
}

fn version_of(line: &str) -> String {
    let line: Value = serde_json::from_str(line).unwrap();
    line["version"].as_str().unwrap().to_owned()
}

/// The versions of all lines, in order.
fn versions(folder: &Path) -> Vec<u64> {
    let lines = read_as_documented(folder);
    lines.iter().map(|(_, line)| Version::parse(&version_of(line)).unwrap().get()).collect()
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => found.push(entry.path().strip_prefix(folder).unwrap().display().to_string()),
            }
        }
    }
    found.sort();
    found
}
