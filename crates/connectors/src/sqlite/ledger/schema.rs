//! The ledger's layout and how older ones become it: one step per version, counted in `user_version`. A step that has
//! shipped is never edited; a new layout is a new step at the end.

use rusqlite::{Connection, Result};

/// Marks the file as a Syncline ledger (`PRAGMA application_id`): "SynL".
pub const APPLICATION: i32 = 0x5379_6e4c;

/// `MIGRATIONS[n]` leads from layout `n` to layout `n + 1`, inside the transaction that it is given.
pub const MIGRATIONS: &[fn(&Connection) -> Result<()>] = &[
    |c| c.execute_batch(FIRST),
    |c| c.execute_batch(SWEEPS),
    |c| c.execute_batch(HELD_ROWS),
    |c| c.execute_batch(MARKS),
    super::audit::migrate,
    |c| c.execute_batch(super::comparisons::LAYOUT),
    super::letters::migrate,
    |c| c.execute_batch(super::tenant_counts::LAYOUT),
];

const MARKS: &str = "
CREATE TABLE mark (
    pipeline  TEXT NOT NULL,
    sink      TEXT NOT NULL,
    marks     TEXT NOT NULL,
    PRIMARY KEY (pipeline, sink)
) STRICT, WITHOUT ROWID;
";

const HELD_ROWS: &str = "
CREATE TABLE held_rows (
    pipeline     TEXT NOT NULL,
    transaction_ TEXT NOT NULL,
    part         INTEGER NOT NULL,
    rows         BLOB NOT NULL,
    PRIMARY KEY (pipeline, transaction_, part)
) STRICT;
";

const SWEEPS: &str = "
ALTER TABLE backfill ADD COLUMN sweep INTEGER;
ALTER TABLE table_state ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
";

const FIRST: &str = "
CREATE TABLE pipeline (
    name    TEXT PRIMARY KEY,
    epoch   INTEGER NOT NULL DEFAULT 0,
    paused  INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoint (
    pipeline  TEXT NOT NULL,
    sink      TEXT NOT NULL,
    version   INTEGER NOT NULL,
    token     TEXT NOT NULL,
    text      TEXT NOT NULL,
    PRIMARY KEY (pipeline, sink)
) STRICT, WITHOUT ROWID;

CREATE TABLE counter (
    pipeline    TEXT NOT NULL,
    sink        TEXT NOT NULL,
    table_name  TEXT NOT NULL,
    accepted    INTEGER NOT NULL,
    applied     INTEGER NOT NULL,
    superseded  INTEGER NOT NULL,
    dead        INTEGER NOT NULL,
    coerced     INTEGER NOT NULL,
    PRIMARY KEY (pipeline, sink, table_name)
) STRICT, WITHOUT ROWID;

CREATE TABLE filtered (
    pipeline    TEXT NOT NULL,
    sink        TEXT NOT NULL,
    table_name  TEXT NOT NULL,
    rule        TEXT NOT NULL,
    number      INTEGER NOT NULL,
    PRIMARY KEY (pipeline, sink, table_name, rule)
) STRICT, WITHOUT ROWID;

CREATE TABLE table_state (
    pipeline    TEXT NOT NULL,
    table_name  TEXT NOT NULL,
    state       TEXT NOT NULL,
    error       TEXT,
    PRIMARY KEY (pipeline, table_name)
) STRICT, WITHOUT ROWID;

CREATE TABLE property (
    pipeline  TEXT NOT NULL,
    name      TEXT NOT NULL,
    value     TEXT NOT NULL,
    PRIMARY KEY (pipeline, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE schema_history (
    pipeline      TEXT NOT NULL,
    table_name    TEXT NOT NULL,
    from_version  INTEGER NOT NULL,
    columns       TEXT,
    detail        TEXT NOT NULL,
    PRIMARY KEY (pipeline, table_name, from_version)
) STRICT, WITHOUT ROWID;

CREATE TABLE backfill (
    pipeline    TEXT NOT NULL,
    run         INTEGER NOT NULL,
    table_name  TEXT NOT NULL,
    sinks       TEXT NOT NULL,
    last        TEXT,
    estimate    INTEGER NOT NULL,
    planned     INTEGER NOT NULL,
    finished    INTEGER NOT NULL,
    PRIMARY KEY (pipeline, run, table_name)
) STRICT, WITHOUT ROWID;

CREATE TABLE chunk (
    pipeline    TEXT NOT NULL,
    run         INTEGER NOT NULL,
    table_name  TEXT NOT NULL,
    ordinal     INTEGER NOT NULL,
    after       TEXT,
    upto        TEXT NOT NULL,
    number      INTEGER NOT NULL,
    PRIMARY KEY (pipeline, run, table_name, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE chunk_done (
    pipeline    TEXT NOT NULL,
    run         INTEGER NOT NULL,
    table_name  TEXT NOT NULL,
    ordinal     INTEGER NOT NULL,
    sink        TEXT NOT NULL,
    PRIMARY KEY (pipeline, run, table_name, ordinal, sink)
) STRICT, WITHOUT ROWID;

CREATE TABLE dead_letter (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    pipeline        TEXT NOT NULL,
    sink            TEXT NOT NULL,
    table_name      TEXT NOT NULL,
    target          TEXT NOT NULL,
    address_target  TEXT NOT NULL,
    address_id      TEXT NOT NULL,
    key             TEXT NOT NULL,
    error           TEXT NOT NULL,
    message         TEXT NOT NULL,
    attempts        INTEGER NOT NULL,
    first_at        INTEGER NOT NULL,
    last_at         INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    change          TEXT NOT NULL,
    original        BLOB NOT NULL,
    counted         INTEGER NOT NULL DEFAULT 0,
    UNIQUE (pipeline, sink, address_target, address_id, version)
) STRICT;

CREATE TABLE audit (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    at        INTEGER NOT NULL,
    actor     TEXT NOT NULL,
    action    TEXT NOT NULL,
    pipeline  TEXT NOT NULL,
    detail    TEXT NOT NULL,
    hash      BLOB NOT NULL
) STRICT;
";
