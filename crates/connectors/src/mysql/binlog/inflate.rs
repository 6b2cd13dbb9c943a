//! Decompression with bounds: memory grows with what really comes out, never with what a header promises.
