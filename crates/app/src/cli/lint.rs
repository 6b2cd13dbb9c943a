//! `lint`: everything that can be said about a file without connecting to anything, on standard output.

use syncline_engine::error::{Error, Kind};

use crate::arguments::FindingsArgs;
use crate::exit::{Exit, Failure};
use crate::{config, out};

/// Checks a file.
pub fn lint(args: &FindingsArgs) -> Result<Exit, Failure> {
    let findings = match config::load(&args.file) {
        Ok(config) => config::lint(&config),
        Err(errors) => errors,
    };
    print(&findings, args.json)?;
    Ok(exit(&findings))
}

/// Prints findings: text, or one JSON object per line.
pub fn print(findings: &[Error], json: bool) -> Result<(), Failure> {
    if json {
        return findings.iter().try_for_each(out::json_line);
    }
    let colour = out::colour(&std::io::stdout());
    let mut text = String::new();
    for finding in findings {
        out::finding(&mut text, finding, colour);
    }
    let warnings = findings.iter().filter(|f| f.kind() == Kind::Warning).count();
    let errors = findings.len() - warnings;
    text.push_str(&format!("{errors} errors, {warnings} warnings\n"));
    out::data(&text)
}

/// Warnings stop nobody.
pub fn exit(findings: &[Error]) -> Exit {
    let bad = findings.iter().any(|f| f.kind() != Kind::Warning);
    if bad { Exit::Findings } else { Exit::Ok }
}
