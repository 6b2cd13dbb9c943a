//! Everything SQLite stands in for: source, ledger, search index, cache, document store.
