//! What the program tells about itself: the schema of its configuration, shell completions, the pages of its errors.

use clap::CommandFactory;
use syncline_engine::error::Code;

use super::names;
use crate::arguments::Cli;
use crate::exit::{Exit, Failure};
use crate::{out, pages};

/// Prints the JSON Schema of the configuration.
pub fn schema() -> Result<Exit, Failure> {
    out::data(crate::config::schema())?;
    Ok(Exit::Ok)
}

/// Prints a completion script.
pub fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "syncline", &mut script);
    out::data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}

/// Prints the page of an error, or the list of all codes.
pub fn errors(code: Option<&str>) -> Result<Exit, Failure> {
    let Some(text) = code else {
        let list: Vec<String> = Code::ALL.iter().map(|c| format!("{c}  {}\n", c.title())).collect();
        out::data(&list.concat())?;
        return Ok(Exit::Ok);
    };
    let Some(page) = Code::parse(text).and_then(pages::page) else {
        let known: Vec<String> = Code::ALL.iter().map(Code::to_string).collect();
        let error = names::unknown("error code", text, known.iter().map(String::as_str));
        return Err(error.fix("syncline errors lists all of them").into());
    };
    out::data(page)?;
    Ok(Exit::Ok)
}
