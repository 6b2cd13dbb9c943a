//! What the program writes: data to standard output through one writer that survives a closed pipe, everything else to
//! standard error. Colour only on a terminal and never under NO_COLOR; control characters of peers are shown, not sent.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use syncline_engine::error::{Error, Kind};

use crate::exit::Failure;

/// Writes text as it is to standard output.
pub fn data(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Failure::Output)
}

/// Writes one JSON value and a line feed to standard output.
pub fn json_line<T: Serialize>(value: &T) -> Result<(), Failure> {
    let mut line = serde_json::to_string(value).map_err(|e| Failure::Output(io::Error::other(e)))?;
    line.push('\n');
    data(&line)
}

/// Says something to the person at the terminal, on standard error. Nobody reads it if standard error is closed.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", visible(text));
}

/// Prints errors to standard error, each with its cause and the next step.
pub fn errors(errors: &[Error]) {
    let colour = colour(&io::stderr());
    let mut text = String::new();
    for error in errors {
        finding(&mut text, error, colour);
    }
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Appends one finding: `FILE:LINE:COLUMN: error SYN-1002: message`, then cause and fix on lines of their own.
pub fn finding(text: &mut String, error: &Error, colour: bool) {
    let (word, paint) = match error.kind() {
        Kind::Warning => ("warning", "33"),
        _ => ("error", "31"),
    };
    if let Some(place) = error.place() {
        let _ = write!(text, "{}: ", visible(&place.to_string()));
    }
    let head = format!("{word} {}", error.code());
    let _ = writeln!(text, "{}: {}", painted(&head, paint, colour), visible(error.message()));
    if let Some(cause) = error.cause_text() {
        let _ = writeln!(text, "  cause: {}", visible(cause));
    }
    let _ = writeln!(text, "  fix: {}", visible(error.fix_text()));
}

/// Whether this stream gets colour.
pub fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Wraps text in a colour if there is colour.
pub fn painted(text: &str, paint: &str, colour: bool) -> String {
    if colour { format!("\x1b[{paint}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Makes control characters visible: a server's message cannot move the cursor or forge lines.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' && c != '\t' {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}
