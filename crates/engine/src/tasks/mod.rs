//! Work that a pipeline does by itself at set times: what there is of it, when it last came and what of it, and the samples that
//! are kept in between. When a time has come is `schedule/`; a new kind is a variant of [`Task`] and an arm of its two matches.

mod run;
mod sample;
mod task;
mod timetable;

pub(crate) use run::run;
pub use task::{Outcome, OutcomeKind, Rows, Task, TaskSpec, VerifyTask};
pub(crate) use timetable::Timetable;
pub use timetable::{Past, TaskStatus};
