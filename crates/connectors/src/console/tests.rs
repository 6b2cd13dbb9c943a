//! The two console targets against each other, and a reader that goes away.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use syncline_engine::change::Operation;
use syncline_engine::error::{Code, Kind};
use syncline_engine::route::TargetKind;
use syncline_engine::sink::{Outcome, Sink};
use syncline_engine::version::Version;
use xxhash_rust::xxh3::xxh3_128;

use super::{DiscardSink, StdoutSink};
use crate::testing::{document, line, plan, target};

#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<u8>>>);

impl Write for Collected {
    /// A few bytes at a time, as a pipe may do.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(1000);
        self.0.lock().unwrap().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lines(numbers: std::ops::Range<u64>) -> Vec<syncline_engine::sink::Delivery> {
    let plan = plan(target(TargetKind::Stdout, "stdout", ""));
    numbers
        .map(|n| line(&plan, "", Operation::Insert, Version::from_number(0, n), &format!("{{\"n\":{n}}}")))
        .collect()
}

#[tokio::test]
async fn discard_hashes_exactly_what_stdout_writes() {
    let written = Collected::default();
    let (stdout, discard) = (StdoutSink::to(written.clone()), DiscardSink::default());
    for part in [0..1, 1..30_000, 30_000..30_007] {
        let deliveries = lines(part);
        for sink in [&stdout as &dyn Sink, &discard] {
            let outcomes = sink.apply(&deliveries).await.unwrap();
            assert_eq!(outcomes.len(), deliveries.len());
            assert!(outcomes.iter().all(|o| matches!(o, Outcome::Applied)));
        }
    }
    let written = written.0.lock().unwrap();
    let digest = discard.digest();
    assert_eq!(digest.xxh3, xxh3_128(&written));
    assert_eq!((digest.lines, digest.bytes), (30_007, written.len() as u64));
    assert!(written.starts_with(b"{\"n\":0}\n{\"n\":1}\n") && written.ends_with(b"{\"n\":30006}\n"));
}

#[test]
fn the_digest_is_the_one_that_xxh128sum_prints() {
    // printf '' | xxh128sum
    let nothing = DiscardSink::default().digest().to_string();
    assert_eq!(nothing, "discard: 0 lines, 0 bytes, xxh3-128 99aa06d3014798d86001c324468d497f");
}

#[tokio::test]
async fn a_reader_that_goes_away_halts_the_pipeline() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = StdoutSink::to(Gone).apply(&lines(0..3)).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::StdoutClosed, Kind::HaltPipeline));
    assert!(error.message().contains("nobody reads"), "{error}");
}

#[tokio::test]
async fn a_document_is_not_taken_for_a_line() {
    let plan = plan(target(TargetKind::Discard, "discard", ""));
    let wrong = [document(&plan, "", "1", Version::ZERO, "{}")];
    assert_eq!(DiscardSink::default().apply(&wrong).await.unwrap_err().code(), Code::Internal);
    assert_eq!(StdoutSink::to(Collected::default()).apply(&wrong).await.unwrap_err().code(), Code::Internal);
}
