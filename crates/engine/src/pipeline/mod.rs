//! THE loop: capture → route → lanes → sinks → checkpoint, for one pipeline. Vendor clients, HTTP and the command line
//! must stay out; what a row becomes is `route/`.

mod handle;
mod status;

pub use handle::*;
pub use status::*;

/// What the tasks of a pipeline share.
pub struct Shared {
    spec: crate::route::PipelineSpec,
}

impl PipelineHandle {
    /// The pipeline's name.
    pub fn name(&self) -> &str {
        &self.shared.spec.name
    }
}
