//! What the fuzz targets share: the bound on memory, events of real servers, and readers that go to the last value.
//! Each target is a file in `fuzz_targets`; what it takes as input is described there.

#![cfg(fuzzing)]

pub mod allocation;
pub mod bytes_in;
pub mod fitting;
pub mod fixtures;
pub mod reading;
pub mod rendering;
pub mod script;
pub mod table;

pub use allocation::bounded;
