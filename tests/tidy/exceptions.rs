//! What is allowed to be larger than the budgets. Entries may shrink and go, never grow or come without a reason.

/// Which budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    File,
    Function,
}

impl Budget {
    pub fn rule(self) -> &'static str {
        match self {
            Budget::File => "a file has at most 400 lines; split it by idea",
            Budget::Function => "a function has at most 60 lines; name its parts",
        }
    }
}

/// One of them: a path, or `path::function`, and the size it has now.
pub struct Exception {
    pub budget: Budget,
    pub place: &'static str,
    pub lines: usize,
}

pub const EXCEPTIONS: &[Exception] = &[];
