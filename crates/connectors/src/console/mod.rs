//! The targets `stdout` and `discard`: change lines to standard output, or hashed and dropped.
