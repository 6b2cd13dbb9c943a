//! The types of the HTTP API and of `--json`: what a client sends and reads, with nothing but serde and OpenAPI.
//! How the numbers come about is the engine's; how they travel is the app's. Fields may be added, never renamed.

mod audit;
mod consistency;
mod dead_letters;
mod error;
mod health;
mod pipelines;
mod report;
mod status;

pub use audit::*;
pub use consistency::*;
pub use dead_letters::*;
pub use error::*;
pub use health::*;
pub use pipelines::*;
pub use report::*;
pub use status::*;
