//! `stdout`: change lines to standard output, whole lines only, flushed before they are acknowledged. A reader that
//! goes away ends the pipeline with an error of its own, never with a signal or a panic.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use syncline_engine::error::{Code, Error, Result};
use syncline_engine::route::{Scope, TargetPlan};
use syncline_engine::schema::TableSchema;
use syncline_engine::sink::{Address, Delivery, Feeding, Held, Look, Outcome, Sink};
use syncline_engine::version::Version;
use tokio::sync::mpsc;

use super::{FEEDING, line};

/// Larger than standard output's own buffer, so that the lines are not copied through that one as well.
const BUFFER: usize = 64 << 10;

/// The target `stdout: true`.
#[derive(Clone, Default)]
pub struct StdoutSink {
    /// Standard output if `None`.
    other: Option<Arc<Mutex<dyn Write + Send>>>,
}

impl StdoutSink {
    /// Writes elsewhere.
    pub fn to(out: impl Write + Send + 'static) -> StdoutSink {
        StdoutSink { other: Some(Arc::new(Mutex::new(out))) }
    }

    /// The lock is held for all of the lines, so that pipelines that share standard output do not mix theirs.
    fn write(&self, lines: &[Bytes]) -> io::Result<()> {
        match &self.other {
            Some(other) => write_lines(&mut *other.lock().unwrap_or_else(PoisonError::into_inner), lines),
            None => write_lines(&mut io::stdout().lock(), lines),
        }
    }
}

fn write_lines(out: &mut dyn Write, lines: &[Bytes]) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER, out);
    for line in lines {
        out.write_all(line)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

#[async_trait]
impl Sink for StdoutSink {
    fn feeding(&self) -> Feeding {
        FEEDING
    }

    async fn prepare(&self, _plan: &Arc<TargetPlan>, _schema: &TableSchema) -> Result<()> {
        Ok(())
    }

    /// On a thread of its own: a reader that reads slowly must not hold up a worker of the runtime.
    async fn apply(&self, deliveries: &[Delivery]) -> Result<Vec<Outcome>> {
        let lines = deliveries.iter().map(|d| line(d).cloned()).collect::<Result<Vec<_>>>()?;
        let sink = self.clone();
        match tokio::task::spawn_blocking(move || sink.write(&lines)).await {
            Ok(Ok(())) => Ok(vec![Outcome::Applied; deliveries.len()]),
            Ok(Err(error)) => Err(failed(&error)),
            Err(error) => Err(Error::new(Code::Internal, "the writer of standard output broke").cause(error)),
        }
    }

    async fn probe(&self) -> Result<()> {
        Ok(())
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }

    async fn check(&self) -> Result<Vec<Error>> {
        Ok(Vec::new())
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }

    /// What was printed is gone.
    async fn scan(&self, _scope: &Scope, _look: Look, _pages: &mpsc::Sender<Vec<Held>>) -> Result<()> {
        Ok(())
    }

    async fn displace(&self, _plan: &TargetPlan, held: &[Held]) -> Result<Vec<bool>> {
        Ok(vec![false; held.len()])
    }

    async fn tombstones(&self, _plan: &TargetPlan, addresses: &[Address]) -> Result<Vec<Option<Version>>> {
        Ok(vec![None; addresses.len()])
    }

    async fn read(&self, _plan: &TargetPlan, addresses: &[Address]) -> Result<Vec<Option<Held>>> {
        Ok(vec![None; addresses.len()])
    }
}

/// Not tried again: how much of a failed write was read is unknown, and a second try would repeat lines in the middle.
fn failed(error: &io::Error) -> Error {
    let what = match error.kind() {
        ErrorKind::BrokenPipe => "nobody reads standard output any more",
        _ => "standard output cannot be written",
    };
    Error::new(Code::StdoutClosed, what).cause(error)
}
