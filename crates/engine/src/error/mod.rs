//! The one error type of the engine and its connectors: a numbered code, what happened, why, and what to do next.
//! Which codes exist is `codes.rs`; what a kind leads to is decided by whoever handles it, in one match.

mod codes;

use std::fmt;

pub use codes::{Code, Kind};
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// Shorthand for results of the engine and its connectors.
pub type Result<T> = std::result::Result<T, Error>;

/// An error a user can act on. Never holds a secret: connection names go in, URLs with passwords do not.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    code: Code,
    message: String,
    cause: Option<String>,
    fix: Option<String>,
    place: Option<Place>,
}

/// A place in the configuration file, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Place {
    pub file: String,
    pub line: u64,
    pub column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl Error {
    /// `message` says what happened, with names and observed values.
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        Error(Box::new(Inner { code, message: message.into(), cause: None, fix: None, place: None }))
    }

    /// Adds the underlying reason (a server's or library's own words).
    #[must_use]
    pub fn cause(mut self, cause: impl fmt::Display) -> Error {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// Adds the exact thing to do (a statement, a setting, a command); without it the code's page speaks.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Error {
        self.0.fix = Some(fix.into());
        self
    }

    /// Adds the place in the configuration.
    #[must_use]
    pub fn at(mut self, place: Place) -> Error {
        self.0.place = Some(place);
        self
    }

    /// The numbered code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What the code leads to.
    pub fn kind(&self) -> Kind {
        self.0.code.kind()
    }

    /// What happened.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The underlying reason.
    pub fn cause_text(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// What to do next.
    pub fn fix_text(&self) -> &str {
        self.0.fix.as_deref().unwrap_or_else(|| self.0.code.fix())
    }

    /// Where in the configuration.
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.0.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}: {}", self.0.code, self.0.message)?;
        if let Some(cause) = &self.0.cause {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl Serialize for Error {
    /// The JSON shape `error` of the command line and the API.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut s = serializer.serialize_struct("error", 5)?;
        s.serialize_field("code", &self.0.code.to_string())?;
        s.serialize_field("message", &self.0.message)?;
        s.serialize_field("cause", &self.0.cause)?;
        s.serialize_field("fix", self.fix_text())?;
        s.serialize_field("where", &self.0.place)?;
        s.end()
    }
}
