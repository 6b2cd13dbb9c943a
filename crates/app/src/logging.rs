//! Logs: lines on standard error, as text or JSON. What is worth a line is decided where it happens.

use std::io::{self, Write};
use std::sync::OnceLock;

use indicatif::{MultiProgress, ProgressDrawTarget};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::arguments::{Cli, Command, LogFormat};

/// Starts logging. Only long-running commands log below warnings unless asked.
pub fn start(cli: &Cli) -> Result<(), ParseError> {
    let quiet = cli.log == "info" && !matches!(cli.command, Command::Run(_));
    let filter = EnvFilter::try_new(if quiet { "warn" } else { &cli.log })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| BesideBars)
        .with_ansi(crate::out::colour(&io::stderr()));
    match cli.log_format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

/// The bars of this process; log lines make room for themselves above them.
pub fn screen() -> MultiProgress {
    static SCREEN: OnceLock<MultiProgress> = OnceLock::new();
    SCREEN.get_or_init(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr())).clone()
}

/// Standard error, with the bars taken away while a line is written.
struct BesideBars;

impl Write for BesideBars {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        screen().suspend(|| io::stderr().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
