//! The archive: change lines in zstd files, in a folder or an S3-compatible store, in capture order. `manifest.json` is
//! the truth: it names the files in order with their hashes and says how far the stream is in them.
//!
//! # Why it is built this way
//!
//! A change is acknowledged only when it would survive a power cut, so every call must end with something durable, and
//! S3 cannot append. Hence each call writes **new files**, one for each path, and then one manifest that names them; the
//! manifest is replaced at once or not at all, so the archive moves from one whole state to the next, and whatever a
//! crash leaves is not named and is removed at the next start. Under load calls are large (16 MiB of lines) and so are
//! files; a trickle is paced to ten commits a second.
//!
//! Many small files would make the manifest long and the archive slow to read, so files at the end of a path are
//! **joined** into larger ones, up to 16 MiB (`merge.rs`): zstd frames may simply stand one behind the other, short ones
//! are compressed anew. The swap rides on the manifest that is written anyhow. Each byte is written again a few times at
//! most, a path keeps some two dozen files below the full size at most, and a manifest grows by one entry for 16 MiB.
//!
//! **Replays.** The stream repeats itself after a restart. The manifest knows the highest version by table and path
//! template, and lines at or below it are answered `Applied` without being written again. Rows that were read (backfill,
//! redrive) carry versions that say nothing about the ones before; they are written whenever they come, and a reader
//! takes the highest version of a key, the later line on a tie.
//!
//! **One writer.** A folder is locked; in a bucket the manifest is replaced only if it is the one we know (If-Match), and
//! a writer first puts a manifest of its own before it removes anything. A second writer halts with SYN-1802.
//!
//! A reader takes the manifest first; a file that is gone was joined meanwhile, then the new manifest has the new one.

#[cfg(feature = "s3")]
mod bucket;
mod config;
mod folder;
mod manifest;
mod merge;
mod read;
mod scan;
mod segment;
mod sink;
mod store;
#[cfg(test)]
mod tests;
mod writer;

pub use sink::ArchiveSink;
use syncline_engine::error::Result;
use syncline_engine::route::PipelineSpec;

use crate::connection::ConnectionSpec;

/// The sink of a `file:` or `s3:` connection. Touches nothing yet.
pub fn sink(connection: &ConnectionSpec, pipeline: &PipelineSpec) -> Result<ArchiveSink> {
    let options = &connection.options;
    let store = config::store(connection)?;
    Ok(ArchiveSink::new(store, &pipeline.name, options.batch_items, options.batch_bytes))
}
