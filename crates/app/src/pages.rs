//! The page of every error, compiled in from `docs/errors/`, so that logs, command line and documentation say the same.
//! A code without a page, or a page without a code, fails the tests.

use syncline_engine::error::Code;

macro_rules! pages {
    ($($number:literal)*) => {
        &[$(($number, include_str!(concat!("../../../docs/errors/SYN-", $number, ".md"))),)*]
    };
}

/// In order of their numbers.
const PAGES: &[(u16, &str)] = pages! {};

/// The page of a code.
pub fn page(code: Code) -> Option<&'static str> {
    PAGES.iter().find(|(number, _)| *number == code.number()).map(|(_, page)| *page)
}

#[cfg(test)]
#[path = "pages_tests.rs"]
mod tests;
