//! Tests of the search sink.
