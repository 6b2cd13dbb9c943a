//! Reading an archive back for a comparison: every line in order, and the documents of many keys in one pass, while its writer
//! joins files under the reader.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::route::Scope;
use syncline_engine::sink::{Address, Held, Look};
use tokio::sync::mpsc;

use super::super::folder::Folder;
use super::super::store::{Found, Stamp, Store};
use super::*;

/// A folder whose writer commits once more each time a file of it is asked for, so many times: no real writer can be made to
/// come just then.
struct FakeBusyFolder {
    inner: Folder,
    writer: ArchiveSink,
    commits: AtomicUsize,
}

/// Commits that come between the reader's steps.
const COMMITS: usize = 40;

#[async_trait]
impl Store for FakeBusyFolder {
    async fn lock(&self) -> Result<()> {
        self.inner.lock().await
    }
    async fn unlock(&self) {
        self.inner.unlock().await;
    }
    async fn manifest(&self) -> Result<Option<(Bytes, Stamp)>> {
        self.inner.manifest().await
    }
    async fn put_manifest(&self, bytes: Bytes, previous: Option<&Stamp>) -> Result<Stamp> {
        self.inner.put_manifest(bytes, previous).await
    }
    async fn put(&self, path: &str, bytes: Bytes) -> Result<()> {
        self.inner.put(path, bytes).await
    }
    async fn get(&self, path: &str) -> Result<Option<Bytes>> {
        let n = self.commits.fetch_add(1, Ordering::Relaxed);
        if n < COMMITS {
            let number = 1000 + n as u64;
            apply(&self.writer, &[line("orders/2026-01", Operation::Insert, number, number)]).await;
        }
        self.inner.get(path).await
    }
    async fn remove(&self, paths: Vec<String>) -> Result<()> {
        self.inner.remove(paths).await
    }
    async fn list(&self) -> Result<Vec<Found>> {
        self.inner.list().await
    }
    async fn probe(&self) -> Result<()> {
        self.inner.probe().await
    }
    async fn findings(&self) -> Result<Vec<Error>> {
        self.inner.findings().await
    }
    fn shown(&self) -> &str {
        self.inner.shown()
    }
}

fn scope() -> Scope {
    Scope::new(&path_plan(TEMPLATE), "shop.orders").unwrap()
}

/// Where the document of each id lies, and what it says.
async fn documents(sink: &dyn Sink, ids: &[u64]) -> Result<Vec<Option<(String, String)>>> {
    let address = |id: &u64| Address { target: "orders/".into(), id: id.to_string().into() };
    let addresses: Vec<Address> = ids.iter().map(address).collect();
    let text = |held: Held| {
        let document = held.document.unwrap();
        (held.address.target.to_string(), String::from_utf8(document.to_vec()).unwrap())
    };
    let found = sink.read_of(&scope(), &addresses).await?;
    Ok(found.into_iter().map(|held| held.map(text)).collect())
}

/// All lines that a scan tells, as `(folder, id, version, whether a document stands in it)`.
async fn scanned(sink: &dyn Sink) -> Result<Vec<(String, String, u64, bool)>> {
    let (pages, mut told) = mpsc::channel(100);
    sink.scan(&scope(), Look::Documents, &pages).await?;
    drop(pages);
    let mut all = Vec::new();
    while let Some(page) = told.recv().await {
        all.extend(page.into_iter().map(|held| {
            let Held { address, version, document } = held;
            (address.target.to_string(), address.id.to_string(), version.get(), document.is_some())
        }));
    }
    Ok(all)
}

fn there(folder: &str, id: u64, number: u64) -> Option<(String, String)> {
    Some((folder.to_owned(), format!(r#"{{"id":{id},"title":"title {number}"}}"#)))
}

const JAN: &str = "orders/2026-01";
const FEB: &str = "orders/2026-02";

/// Lines of one table in two folders, of another in one of them, and a tie.
pub(super) async fn require_read_back(lake: &dyn Sink) {
    apply(lake, &[line(JAN, Operation::Insert, 1, 10), line(JAN, Operation::Insert, 2, 11)]).await;
    apply(lake, &[line(FEB, Operation::Insert, 1, 12), line(FEB, Operation::Delete, 2, 13)]).await;
    apply(lake, &[line(JAN, Operation::Read, 1, 12), line(JAN, Operation::Read, 2, 9)]).await;
    apply(lake, &[line_of("shop.users", TEMPLATE, JAN, Operation::Insert, 1, 20)]).await;
    apply(lake, &[line(FEB, Operation::Insert, 3, 14), line(FEB, Operation::Read, 3, 14)]).await;
    // The read of 1 ties with February's line, and stands behind it.
    let found = documents(lake, &[1, 2, 3, 4]).await.unwrap();
    assert_eq!(found, [there(JAN, 1, 12), None, there(FEB, 3, 14), None]);
    let mut lines = scanned(lake).await.unwrap();
    lines.sort();
    let line = |folder: &str, id: &str, version, there| (folder.to_owned(), id.to_owned(), version, there);
    assert_eq!(
        lines,
        [
            line(JAN, "1", 10, true),
            line(JAN, "1", 12, true),
            line(JAN, "2", 9, true),
            line(JAN, "2", 11, true),
            line(FEB, "1", 12, true),
            line(FEB, "2", 13, false),
            line(FEB, "3", 14, true),
            line(FEB, "3", 14, true),
        ]
    );
}

#[tokio::test]
async fn lines_and_the_newest_of_each_key_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    require_read_back(&sink(folder.path())).await;
}

#[tokio::test]
async fn the_later_line_wins_a_tie_within_a_file_and_across_files() {
    let folder = tempfile::tempdir().unwrap();
    let lake = sink(folder.path());
    let said = |path: &str, word: &str| {
        let mut said = line(path, Operation::Read, 1, 7);
        let version = version(7);
        let json = format!(
            r#"{{"table":"shop.orders","op":"read","key":{{"id":1}},"after":{{"id":"{word}"}},"version":"{version}"}}"#
        );
        said.body = Body::Line(json.into_bytes().into());
        said
    };
    let calls = [
        vec![said(JAN, "a"), said(JAN, "b")],
        vec![said(FEB, "c"), said(FEB, "d")],
        vec![said(JAN, "e"), line(JAN, Operation::Read, 1, 6)],
    ];
    for (call, last) in calls.into_iter().zip(["b", "d", "e"]) {
        apply(&lake, &call).await;
        let found = documents(&lake, &[1]).await.unwrap();
        assert_eq!(found[0].as_ref().unwrap().1, format!(r#"{{"id":"{last}"}}"#));
    }
}

#[tokio::test]
async fn files_that_are_joined_under_the_reader_are_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let writer = sink(folder.path());
    // Folders that nobody writes to any more, then the one that is written all the time.
    for n in 0..30 {
        let path = if n < 12 { format!("orders/2025-{:02}", n + 1) } else { JAN.to_owned() };
        apply(&writer, &[line(&path, Operation::Insert, n, n + 1)]).await;
    }
    let commits = AtomicUsize::new(0);
    let store = Arc::new(FakeBusyFolder { inner: Folder::new(folder.path().into()), writer, commits });
    let reader = ArchiveSink::new(store.clone(), "shop", None, None);
    let ids: Vec<u64> = (0..30).collect();
    let found = documents(&reader, &ids).await.unwrap();
    for (id, found) in ids.iter().zip(found) {
        let (_, document) = there(JAN, *id, id + 1).unwrap();
        assert_eq!(found.unwrap().1, document);
    }
    assert!(store.commits.load(Ordering::Relaxed) > 12, "it was written meanwhile");
}

#[tokio::test]
async fn a_file_that_is_gone_or_changed_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let lake = sink(folder.path());
    apply(&lake, &inserts(0..5)).await;
    let file = folder.path().join(files(folder.path()).iter().find(|file| file.ends_with(".zst")).unwrap());
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    for damage in ["is damaged", "lacks"] {
        for error in
            [documents(&lake, &[1]).await.map(drop).unwrap_err(), scanned(&lake).await.map(drop).unwrap_err()]
        {
            assert_eq!(error.code(), Code::ArchiveManifest);
            assert!(error.to_string().contains(damage), "{error}");
        }
        let _ = std::fs::remove_file(&file);
    }
}
