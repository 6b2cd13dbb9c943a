//! The archive: JSON lines in zstd files, in a folder or an S3-compatible store.
