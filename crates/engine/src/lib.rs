//! The engine of Syncline: what a change is, what sources, sinks and the ledger must do, and the loop that carries
//! changes from one to the other without losing any. It holds no vendor client, no HTTP and no command line.

pub mod audit;
pub mod change;
pub mod clock;
pub mod consistency;
pub mod error;
pub mod json;
pub mod ledger;
pub mod mark;
pub mod packed;
pub mod pipeline;
pub mod position;
pub mod recovery;
pub mod route;
pub mod row;
pub mod schedule;
pub mod schema;
pub mod shown;
pub mod sink;
pub mod source;
pub mod tasks;
pub mod value;
pub mod verify;
pub mod version;
