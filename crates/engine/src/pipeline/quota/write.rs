//! Writing what is held to the spill file, beside the gate: a disk that is slow must not keep rows waiting that may pass. Only
//! memory is touched under the gate's lock.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::gate::{Gate, State, changed};
use super::hold::cannot_hold;
use super::spill::{self, Segment};

/// What cannot be written is tried again after so long.
const REST: Duration = Duration::from_secs(1);

/// A piece on its way to the file.
struct Job {
    tenant: Arc<str>,
    piece: Arc<Vec<u8>>,
    file: Arc<File>,
    segment: Segment,
}

impl Job {
    fn write(&self) -> io::Result<()> {
        spill::write(&self.file, &self.segment, &self.piece)
    }
}

/// Runs until the gate is closed.
pub(crate) async fn run(gate: Arc<Gate>) {
    loop {
        gate.unwritten.notified().await;
        loop {
            let job = match gate.job() {
                Some(Ok(job)) => job,
                Some(Err(error)) => {
                    gate.not_written(error);
                    tokio::time::sleep(REST).await;
                    continue;
                }
                None => break,
            };
            let written = tokio::task::spawn_blocking(move || (job.write(), job)).await;
            let Ok((written, job)) = written else { return };
            let failed = written.is_err();
            gate.done(job, written);
            if failed {
                tokio::time::sleep(REST).await;
            }
        }
        if gate.state().closed {
            return;
        }
    }
}

impl Gate {
    /// The next piece that is to be written.
    fn job(&self) -> Option<io::Result<Job>> {
        let mut state = self.state();
        let State { tenants, to_write, spill, .. } = &mut *state;
        while let Some(tenant) = to_write.front() {
            let Some(piece) = tenants.get(tenant).and_then(|tenant| tenant.hold.unwritten()) else {
                to_write.pop_front();
                continue;
            };
            let (tenant, length) = (Arc::clone(tenant), piece.len());
            let reserved = spill.reserve(length);
            return Some(reserved.map(|(file, segment)| Job { tenant, piece, file, segment }));
        }
        self.measure(&mut state);
        None
    }

    fn done(&self, job: Job, written: io::Result<()>) {
        let Job { tenant, piece, segment, .. } = job;
        let mut state = self.state();
        let failed = written.is_err();
        let State { tenants, spill, size, trouble, .. } = &mut *state;
        let hold = tenants.get_mut(&tenant).map(|tenant| &mut tenant.hold);
        match hold {
            Some(hold) if !failed => {
                *trouble = false;
                let before = hold.size();
                // It may have been let go meanwhile.
                if let Some(segment) = hold.written(&piece, segment) {
                    spill.forget(&segment);
                }
                changed(size, before, hold.size());
            }
            _ => spill.forget(&segment),
        }
        self.measure(&mut state);
        drop(state);
        if let Err(error) = written {
            self.not_written(error);
        }
    }

    fn not_written(&self, error: io::Error) {
        let mut state = self.state();
        let error = cannot_hold(&state.spill, error);
        if !std::mem::replace(&mut state.trouble, true) {
            tracing::warn!("{error}; {}", error.fix_text());
        }
    }

    /// Writes all that is to be written, or as much as can be.
    #[cfg(test)]
    pub(super) fn write_now(&self) {
        while let Some(Ok(job)) = self.job() {
            let written = job.write();
            self.done(job, written);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::hold::PIECE;
    use super::super::tests::{Bench, quota};
    use super::*;

    fn flood(bench: &Bench, numbers: std::ops::Range<i64>) {
        let mut rows: Vec<_> = numbers.map(|n| bench.row("flood", n, n as u64, PIECE)).collect();
        bench.gate.admit_at(&mut rows, &bench.queue, bench.now);
    }

    #[test]
    fn a_piece_that_is_let_go_while_it_is_written_leaves_nothing() {
        let mut bench = Bench::new(quota(10, 1, 100));
        flood(&bench, 0..4);
        let job = bench.gate.job().unwrap().unwrap();
        assert!(bench.gate.state().spill.bytes() > 0);
        for _ in 0..3 {
            bench.now += Duration::from_millis(110);
            bench.gate.release(&bench.queue, bench.now).unwrap();
        }
        assert_eq!(bench.numbers(), [0, 1, 2, 3]);
        let written = job.write();
        bench.gate.done(job, written);
        assert!(bench.gate.job().is_none());
        let state = bench.gate.state();
        assert_eq!((state.size, state.spill.bytes()), ((0, 0), 0));
    }

    #[test]
    fn a_piece_that_is_not_written_stays_where_it_is_and_in_its_turn() {
        let mut bench = Bench::new(quota(10, 1, 100));
        flood(&bench, 0..5);
        let job = bench.gate.job().unwrap().unwrap();
        bench.gate.done(job, Err(io::Error::other("the disk is full")));
        assert_eq!(bench.gate.state().spill.bytes(), 0);
        bench.gate.write_now();
        let state = bench.gate.state();
        assert!(state.spill.bytes() > 0 && !state.trouble);
        drop(state);
        bench.now = Instant::now() + Duration::from_secs(1);
        for _ in 0..4 {
            bench.now += Duration::from_millis(110);
            bench.gate.release(&bench.queue, bench.now).unwrap();
        }
        assert_eq!(bench.numbers(), [0, 1, 2, 3, 4]);
    }
}
