//! An archive whose store fails at any step, before or after the step took effect: nothing acknowledged is ever lost,
//! nothing of the stream is ever there twice, and a reader finds a whole archive at every moment.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use proptest::prelude::*;
use syncline_engine::error::{Code, Error, Kind, Result};

use super::super::folder::Folder;
use super::super::store::{Found, Stamp, Store};
use super::*;

/// How a step of the store ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// It did nothing.
    Before,
    /// It did all, and the answer was lost.
    After,
}

struct Flaky {
    inner: Folder,
    /// One for each step that writes; then none fails.
    faults: Mutex<std::vec::IntoIter<Fault>>,
    steps: AtomicUsize,
    /// How long a file takes.
    slow: Duration,
}

impl Flaky {
    fn new(folder: &Path, faults: Vec<Fault>) -> Arc<Flaky> {
        Flaky::slow(folder, faults, Duration::ZERO)
    }

    fn slow(folder: &Path, faults: Vec<Fault>, slow: Duration) -> Arc<Flaky> {
        let faults = Mutex::new(faults.into_iter());
        Arc::new(Flaky { inner: Folder::new(folder.into()), faults, steps: AtomicUsize::new(0), slow })
    }

    async fn step<T>(&self, step: impl Future<Output = Result<T>>) -> Result<T> {
        self.steps.fetch_add(1, Ordering::Relaxed);
        let fault = self.faults.lock().unwrap().next().unwrap_or(Fault::None);
        let failed = || Error::new(Code::ArchiveWrite, "no space left on device");
        if fault == Fault::Before {
            return Err(failed());
        }
        let done = step.await?;
        if fault == Fault::After { Err(failed()) } else { Ok(done) }
    }
}

#[async_trait]
impl Store for Flaky {
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
        self.step(self.inner.put_manifest(bytes, previous)).await
    }
    async fn put(&self, path: &str, bytes: Bytes) -> Result<()> {
        // Like a thread that writes a file, it goes on when nobody waits for it.
        let (inner, path, slow) = (self.inner.clone(), path.to_owned(), self.slow);
        let put = async move {
            tokio::time::sleep(slow).await;
            inner.put(&path, bytes).await
        };
        self.step(async { tokio::spawn(put).await.unwrap() }).await
    }
    async fn get(&self, path: &str) -> Result<Option<Bytes>> {
        self.inner.get(path).await
    }
    async fn remove(&self, paths: Vec<String>) -> Result<()> {
        self.step(self.inner.remove(paths)).await
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

fn open(store: &Arc<Flaky>) -> ArchiveSink {
    ArchiveSink::new(store.clone(), "shop", None, None).with_pace(Duration::ZERO)
}

/// Calls as the engine makes them: the same again until it is done, now and then after a kill, which repeats the stream
/// from an earlier change on.
async fn drive(folder: &Path, faults: Vec<Fault>, calls: &[u64], kills: &[bool]) {
    let store = Flaky::new(folder, faults);
    let open = || open(&store);
    let mut sink = open();
    let mut next = 0;
    for (n, size) in calls.iter().enumerate() {
        let call: Vec<Delivery> = (next..next + size).map(of).collect();
        let mut tries = 0;
        while let Err(error) = sink.apply(&call).await {
            assert_eq!(error.kind(), Kind::Retry, "{error}");
            tries += 1;
            assert!(tries < 100, "{error}");
            whole(folder, next);
        }
        next += size;
        whole(folder, next);
        if kills.get(n) == Some(&true) {
            sink = open();
            next -= (*size).min(next);
        }
    }
}

fn of(n: u64) -> Delivery {
    line(["a", "b/c"][(n % 2) as usize], Operation::Insert, n, n + 1)
}

/// Every change below `acknowledged` is there once; later ones at most once.
fn whole(folder: &Path, acknowledged: u64) {
    if !folder.join("manifest.json").exists() {
        assert_eq!(acknowledged, 0);
        return;
    }
    let mut there = versions(folder);
    there.sort_unstable();
    let expected: Vec<u64> = (1..=there.len() as u64).collect();
    assert_eq!(there, expected);
    assert!(there.len() as u64 >= acknowledged);
}

#[tokio::test]
async fn every_single_step_may_fail() {
    let calls = [3; 12];
    let steps = {
        let folder = tempfile::tempdir().unwrap();
        let store = Flaky::new(folder.path(), vec![]);
        let sink = open(&store);
        for n in 0..12 {
            apply(&sink, &(n * 3..n * 3 + 3).map(of).collect::<Vec<_>>()).await;
        }
        store.steps.load(Ordering::Relaxed)
    };
    assert!(steps > 40, "{steps}");
    for step in 0..steps {
        for fault in [Fault::Before, Fault::After] {
            let folder = tempfile::tempdir().unwrap();
            let mut faults = vec![Fault::None; step];
            faults.push(fault);
            drive(folder.path(), faults, &calls, &[]).await;
            whole(folder.path(), 36);
        }
    }
}

fn any_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![6 => Just(Fault::None), 1 => Just(Fault::Before), 1 => Just(Fault::After)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_steps_may_fail_and_the_writer_be_killed(
        faults in prop::collection::vec(any_fault(), 0..150),
        calls in prop::collection::vec(1..5u64, 1..30),
        kills in prop::collection::vec(any::<bool>(), 30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        runtime.block_on(drive(folder.path(), faults, &calls, &kills));
    }
}

#[tokio::test]
async fn what_was_written_in_vain_gives_its_room_back() {
    let folder = tempfile::tempdir().unwrap();
    // Take-over: manifest, clean. Then the first file of two is written, the second fails.
    let slow = Duration::from_millis(50);
    let faults = vec![Fault::None, Fault::None, Fault::None, Fault::Before];
    let store = Flaky::slow(folder.path(), faults, slow);
    let sink = open(&store);
    assert_eq!(sink.apply(&[of(1), of(2)]).await.unwrap_err().code(), Code::ArchiveWrite);
    // By now a first file that nobody waited for would be there.
    tokio::time::sleep(4 * slow).await;
    assert!(files(folder.path()).iter().all(|file| !file.ends_with(".zst")), "{:?}", files(folder.path()));
    apply(&sink, &[of(1), of(2)]).await;
}
