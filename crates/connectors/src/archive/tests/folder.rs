//! An archive in a folder: what it holds, what a restart does, what is refused.

use syncline_engine::error::{Code, Kind};
use syncline_engine::sink::Feeding;

use super::*;
use crate::testing::document;

#[tokio::test]
async fn lines_stand_in_capture_order_under_their_paths() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path().join("deep/lake");
    let sink = sink(&lake);
    assert!(matches!(sink.feeding(), Feeding::CaptureOrder { .. }));
    let (jan, feb) = ("orders/2026-01", "orders/2026-02");
    let moved = [
        line(jan, Operation::Insert, 1, 10),
        line(feb, Operation::Insert, 2, 11),
        line(jan, Operation::Delete, 1, 12),
        line(feb, Operation::Insert, 1, 13),
    ];
    apply(&sink, &moved).await;
    apply(&sink, &[line(jan, Operation::Insert, 3, 14)]).await;
    let lines = read_as_documented(&lake);
    let paths: Vec<&str> = lines.iter().map(|(path, _)| &**path).collect();
    assert_eq!(paths, [jan, jan, feb, feb, jan]);
    assert_eq!(versions(&lake), [10, 12, 11, 13, 14]);
    let Body::Line(first) = &moved[0].body else { panic!() };
    assert_eq!(lines[0].1.as_bytes(), first);
}

#[tokio::test]
async fn what_the_stream_repeats_is_written_once() {
    let folder = tempfile::tempdir().unwrap();
    for restart in 0..3 {
        let sink = sink(folder.path());
        apply(&sink, &inserts(0..5 + restart)).await;
        apply(&sink, &inserts(0..5 + restart)).await;
        sink.close().await.unwrap();
    }
    assert_eq!(versions(folder.path()), [0, 1, 2, 3, 4, 5, 6]);
    // Rows that were read may be of any version; a target that is new has nothing yet.
    let sink = sink(folder.path());
    apply(&sink, &[line("orders/2026-01", Operation::Read, 1, 3)]).await;
    apply(&sink, &[line_of("shop.orders", "copy", "copy", Operation::Insert, 1, 2)]).await;
    apply(&sink, &[line_of("shop.users", TEMPLATE, "orders/2026-01", Operation::Insert, 1, 2)]).await;
    assert_eq!(versions(folder.path()), [0, 1, 2, 3, 4, 5, 6, 3, 2, 2]);
}

#[tokio::test]
async fn what_is_not_named_goes_at_the_start_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let lake = sink(folder.path());
    apply(&lake, &inserts(0..3)).await;
    drop(lake);
    let named = files(folder.path());
    std::fs::write(at("orders/2026-01/0000000009-x.jsonl.zst"), "torn").unwrap();
    std::fs::write(at("orders/2026-01/.syncline-0000000009-x.jsonl.zst.tmp"), "torn").unwrap();
    std::fs::write(at(".syncline-manifest.json.tmp"), "torn").unwrap();
    std::fs::write(at("README.txt"), "mine").unwrap();
    std::fs::create_dir(at("other")).unwrap();
    std::fs::write(at("other/notes.json"), "mine").unwrap();
    apply(&sink(folder.path()), &inserts(0..4)).await;
    assert_eq!(versions(folder.path()), [0, 1, 2, 3]);
    let mut now = files(folder.path());
    now.retain(|path| !named.contains(path));
    assert_eq!(now.len(), 3, "{now:?}");
    assert!(
        now.contains(&"README.txt".to_owned()) && now.contains(&"other/notes.json".to_owned()),
        "{now:?}"
    );
}

async fn refused(folder: &Path) -> syncline_engine::error::Error {
    let error = sink(folder).apply(&inserts(0..9)).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::ArchiveManifest, Kind::HaltPipeline), "{error}");
    error
}

#[tokio::test]
async fn an_archive_that_does_not_fit_its_manifest_halts() {
    let folder = tempfile::tempdir().unwrap();
    let lake = sink(folder.path());
    apply(&lake, &inserts(0..3)).await;
    drop(lake);
    let manifest = folder.path().join("manifest.json");
    let file = folder.path().join(files(folder.path()).into_iter().find(|f| f.ends_with(".zst")).unwrap());
    let (manifest_bytes, file_bytes) = (std::fs::read(&manifest).unwrap(), std::fs::read(&file).unwrap());

    std::fs::remove_file(&manifest).unwrap();
    assert!(refused(folder.path()).await.message().contains("no manifest"));
    std::fs::write(&manifest, &manifest_bytes[..manifest_bytes.len() / 2]).unwrap();
    assert!(refused(folder.path()).await.message().contains("damaged"));
    assert_eq!(sink(folder.path()).probe().await.unwrap_err().code(), Code::ArchiveManifest);
    std::fs::write(&manifest, &manifest_bytes).unwrap();

    std::fs::remove_file(&file).unwrap();
    assert!(refused(folder.path()).await.message().contains("lacks"));
    std::fs::write(&file, &file_bytes[1..]).unwrap();
    assert!(refused(folder.path()).await.message().contains("lacks"));
    std::fs::write(&file, &file_bytes).unwrap();
    apply(&sink(folder.path()), &inserts(0..9)).await;
    assert_eq!(versions(folder.path()), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
}

#[tokio::test]
async fn a_second_writer_is_kept_out() {
    let folder = tempfile::tempdir().unwrap();
    let first = sink(folder.path());
    apply(&first, &inserts(0..3)).await;
    assert!(refused(folder.path()).await.message().contains("another pipeline or process"));
    first.close().await.unwrap();
    apply(&sink(folder.path()), &inserts(0..4)).await;

    let url = format!("file:{}", folder.path().display());
    let other = super::super::sink(&connection("lake", &url), &pipeline("other", vec![])).unwrap();
    let error = other.apply(&inserts(0..9)).await.unwrap_err();
    assert!(error.code() == Code::ArchiveManifest && error.message().contains("`shop`"), "{error}");
}

#[tokio::test]
async fn changes_of_an_older_epoch_halt() {
    let folder = tempfile::tempdir().unwrap();
    let sink = sink(folder.path());
    let of_epoch = |epoch: u16, operation| {
        let mut one = line("orders/2026-01", operation, 1, 1);
        one.version = Version::new(epoch, 1, 1);
        one
    };
    apply(&sink, &[of_epoch(1, Operation::Read)]).await;
    for operation in [Operation::Insert, Operation::Read] {
        let error = sink.apply(&[of_epoch(0, operation)]).await.unwrap_err();
        assert_eq!(error.code(), Code::ArchiveManifest, "{error}");
    }
    apply(&sink, &[of_epoch(2, Operation::Insert)]).await;
}

#[tokio::test]
async fn an_unsafe_path_harms_its_row_only() {
    let folder = tempfile::tempdir().unwrap();
    let sink = sink(&folder.path().join("lake"));
    let call = [
        line("orders/2026-01", Operation::Insert, 1, 1),
        line("../escaped", Operation::Insert, 2, 2),
        line("orders/2026-02", Operation::Insert, 3, 3),
    ];
    let outcomes = sink.apply(&call).await.unwrap();
    assert!(matches!(outcomes[0], Outcome::Applied) && matches!(outcomes[2], Outcome::Applied));
    assert!(matches!(&outcomes[1], Outcome::Refused(error) if error.code() == Code::RouteAddress));
    assert_eq!(versions(&folder.path().join("lake")), [1, 3]);
    assert!(!folder.path().join("escaped").exists());
    let document = document(&path_plan(TEMPLATE), "orders/2026-01", "1", version(9), "{}");
    assert_eq!(sink.apply(&[document]).await.unwrap_err().code(), Code::Internal);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_below_the_archive_is_not_followed() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("orders")).unwrap();
    let sink = sink(folder.path());
    let error = sink.apply(&inserts(0..1)).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::ArchiveWrite, Kind::Retry), "{error}");
    assert!(files(elsewhere.path()).is_empty());
    std::fs::remove_file(folder.path().join("orders")).unwrap();
    apply(&sink, &inserts(0..1)).await;
}

#[tokio::test]
async fn many_small_calls_leave_few_files_with_all_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let sink = sink(folder.path());
    let of = |n: u64| line(["a", "b"][(n % 2) as usize], Operation::Insert, n, n);
    for n in 0..60 {
        apply(&sink, &[of(n)]).await;
    }
    let lines = read_as_documented(folder.path());
    for path in ["a", "b"] {
        let own: Vec<String> =
            lines.iter().filter(|(p, _)| p == path).map(|(_, line)| version_of(line)).collect();
        assert!(own.len() == 30 && own.is_sorted(), "{own:?}");
    }
    let stored = files(folder.path()).iter().filter(|file| file.ends_with(".zst")).count();
    assert!(stored <= 16, "{stored} files");
    drop(sink);
    apply(&self::sink(folder.path()), &(0..61).map(of).collect::<Vec<_>>()).await;
    assert_eq!(read_as_documented(folder.path()).len(), 61);
}

#[tokio::test]
async fn probe_and_check_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path().join("lake");
    let sink = sink(&lake);
    sink.probe().await.unwrap();
    sink.check().await.unwrap();
    sink.ping().await.unwrap();
    assert!(!lake.exists() && files(folder.path()).is_empty());
    apply(&sink, &inserts(0..1)).await;
    let before = files(&lake);
    sink.probe().await.unwrap();
    assert_eq!(files(&lake), before);
    std::fs::write(folder.path().join("file"), "").unwrap();
    let beside = self::sink(&folder.path().join("file/lake"));
    assert_eq!(beside.ping().await.unwrap_err().code(), Code::ArchiveWrite);
    let blocked = self::sink(&folder.path().join("file/lake")).apply(&inserts(0..1)).await.unwrap_err();
    assert_eq!((blocked.code(), blocked.kind()), (Code::ArchiveWrite, Kind::Retry), "{blocked}");
}

#[tokio::test]
async fn a_trickle_is_paced_and_a_flood_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let paced = sink(folder.path()).with_pace(Duration::from_millis(300));
    apply(&paced, &inserts(0..1)).await;
    let began = std::time::Instant::now();
    apply(&paced, &inserts(1..2)).await;
    assert!(began.elapsed() >= Duration::from_millis(250));
    let long = "x".repeat(300_000);
    let mut flood = inserts(2..3);
    flood[0].body =
        Body::Line(format!("{{\"version\":\"{}\",\"x\":\"{long}\"}}", version(2)).into_bytes().into());
    let began = std::time::Instant::now();
    apply(&paced, &flood).await;
    assert!(began.elapsed() < Duration::from_millis(250));
}
