//! SIGINT and SIGTERM as something to wait for. What a stop means is decided by the command that waits.

use tokio::signal::unix::{Signal, SignalKind, signal};

use syncline_engine::error::{Code, Error, Result};

/// Which signal came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Ctrl-C.
    Interrupt,
    /// `kill`, a service manager.
    Terminate,
}

/// Both signals. From its creation on they no longer kill the process.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes over both signals.
    pub fn listen() -> Result<Signals> {
        let take =
            |kind| signal(kind).map_err(|e| Error::new(Code::Internal, "signals cannot be taken").cause(e));
        Ok(Signals { interrupt: take(SignalKind::interrupt())?, terminate: take(SignalKind::terminate())? })
    }

    /// The next one.
    pub async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.interrupt.recv() => Stop::Interrupt,
            _ = self.terminate.recv() => Stop::Terminate,
        }
    }
}
