//! This binary as a child of itself: started, watched, killed and waited for. What it says goes to a log in the demo's
//! folder and is shown only when it fails.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use syncline_engine::error::{Code, Error, Result};

/// The log's name in the folder.
pub const LOG: &str = "run.log";
/// Far longer than the demo's amount of work takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(50);

/// A running `syncline run`.
pub struct Child {
    process: tokio::process::Child,
    log: PathBuf,
}

impl Child {
    /// Starts `run FILE` with more arguments.
    pub fn start(dir: &Path, file: &Path, more: &[&str]) -> Result<Child> {
        let failed = |e| Error::new(Code::Internal, "this program cannot start itself").cause(e);
        let log = dir.join(LOG);
        let stderr = File::options().create(true).append(true).open(&log).map_err(failed)?;
        let process = tokio::process::Command::new(std::env::current_exe().map_err(failed)?)
            .arg("run")
            .arg(file)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        Ok(Child { process, log })
    }

    /// An error if it has ended.
    pub fn must_run(&mut self) -> Result<()> {
        match self.process.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.failed(status)),
            Err(error) => Err(Error::new(Code::Internal, "the child cannot be watched").cause(error)),
        }
    }

    /// SIGKILL.
    pub async fn kill(mut self) -> Result<()> {
        let killed = self.process.kill().await;
        killed.map_err(|e| Error::new(Code::Internal, "the child cannot be killed").cause(e))
    }

    /// Waits until it ends by itself, well.
    pub async fn finished(mut self) -> Result<()> {
        match tokio::time::timeout(PATIENCE, self.ended()).await {
            Ok(result) => result,
            Err(_) => {
                let message = format!("the pipeline was not current after {} s", PATIENCE.as_secs());
                Err(Error::new(Code::NoProgress, message).cause(self.tail()))
            }
        }
    }

    /// Waits for its end, however long that takes.
    pub async fn ended(&mut self) -> Result<()> {
        match self.process.wait().await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(self.failed(status)),
            Err(error) => Err(Error::new(Code::Internal, "the child cannot be waited for").cause(error)),
        }
    }

    /// Asks it to stop and waits for that. A Ctrl-C reached it already, with the terminal's whole group.
    pub async fn terminate(mut self) -> Result<()> {
        if let Some(id) = self.process.id() {
            let asked = tokio::process::Command::new("kill").arg(id.to_string()).status().await;
            asked.map_err(|e| Error::new(Code::Internal, "the child cannot be stopped").cause(e))?;
        }
        let ended = tokio::time::timeout(PATIENCE, self.process.wait()).await;
        drop(
            ended
                .map_err(|_| Error::new(Code::NoProgress, "the pipeline did not stop").cause(self.tail()))?,
        );
        Ok(())
    }

    fn failed(&self, status: ExitStatus) -> Error {
        Error::new(Code::Internal, format!("the pipeline ended: {status}"))
            .cause(self.tail())
            .fix(format!("see {}", self.log.display()))
    }

    /// The log's last lines.
    fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}
