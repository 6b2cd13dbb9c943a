"""A SQLite file as the source."""

import contextlib
import os
import shutil
import sqlite3

from .catalogue import FILE, fault, halts
from .history import HEAL

PART = "Changes the stream does not carry"


def unique(stage):
    """Two tables in which a row can push another one out."""
    stage.sql(
        "CREATE TABLE k (id INTEGER PRIMARY KEY, code TEXT UNIQUE COLLATE NOCASE, part INT, UNIQUE (part, code))",
        "CREATE UNIQUE INDEX live ON k (part) WHERE part > 100",
        "CREATE TABLE w (name TEXT PRIMARY KEY, code INT UNIQUE) WITHOUT ROWID",
        "INSERT INTO k SELECT value, 'code ' || value, value % 3 FROM json_each('[1,2,3,4,5,6,7,8,9,10,11,12]')",
        "INSERT INTO w SELECT 'name ' || value, value FROM json_each('[1,2,3,4,5,6,7,8,9]')")


def push_out(stage):
    stage.sql(
        "INSERT OR REPLACE INTO k VALUES (20, 'CODE 1', 5)", "REPLACE INTO k VALUES (2, 'code 3', 1), (30, 'code 4', 120)",
        "REPLACE INTO k VALUES (31, 'new', 120)", "UPDATE OR REPLACE k SET code = 'code 6' WHERE id = 5", "UPDATE OR REPLACE k SET id = id + 1 WHERE id IN (7, 9)",
        "REPLACE INTO w VALUES ('name 1', 2), ('other', 3)", "UPDATE OR REPLACE w SET code = 5 WHERE code = 4",
        "INSERT INTO w VALUES ('name 7', 70) ON CONFLICT (name) DO UPDATE SET code = 700")


@fault(PART, "SQLite's `INSERT OR REPLACE` and `UPDATE OR REPLACE`: a row goes that no trigger tells of", servers=(FILE,))
def rows_pushed_out(stage):
    unique(stage)
    stage.settle()
    push_out(stage)
    stage.settle()
    stage.sql("DROP TABLE k", "DROP TABLE w")
    unique(stage)
    stage.settle()
    with stage.running():
        push_out(stage)
        stage.change()
    stage.settle()


@fault(PART, "Foreign-key actions in a SQLite file", servers=(FILE,))
def file_cascades(stage):
    stage.sql(
        "PRAGMA foreign_keys = ON", "CREATE TABLE p (id INTEGER PRIMARY KEY)",
        "CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE)",
        "CREATE TABLE s (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p ON DELETE SET NULL)",
        "INSERT INTO p VALUES (1), (2), (3), (4)", "INSERT INTO c VALUES (1, 1), (2, 2), (3, 2), (4, 4)", "INSERT INTO s VALUES (1, 1), (2, 3)")
    stage.settle()
    stage.sql("DELETE FROM p WHERE id = 2", "UPDATE p SET id = 40 WHERE id = 4", "DELETE FROM p WHERE id = 3", "REPLACE INTO p VALUES (1)")
    stage.settle()


@fault("DDL", "A table of a SQLite file is dropped and made again, or written anew, with other rows; its triggers are dropped", servers=(FILE,))
def file_tables_anew(stage):
    def anew():
        stage.sql(
            "BEGIN", "CREATE TABLE new_t (id INTEGER PRIMARY KEY, n INTEGER, name TEXT, at TEXT)", "INSERT INTO new_t SELECT * FROM t WHERE id % 3 = 0",
            "DROP TABLE t", "ALTER TABLE new_t RENAME TO t", "COMMIT")

    def made_again():
        stage.sql("DROP TABLE u", "CREATE TABLE u (id INTEGER PRIMARY KEY, more TEXT, n INTEGER, name TEXT, at TEXT)", "INSERT INTO u (id, more) VALUES (7, 'x')")

    def without_triggers():
        names = [name for name, in stage.connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 't'")]
        stage.sql("BEGIN", *(f'DROP TRIGGER "{name}"' for name in names), "DELETE FROM t WHERE id % 2 = 0", "UPDATE t SET n = -1", "COMMIT")
    for happens in (anew, made_again, without_triggers):
        stage.settle()
        happens()
        stage.settle()
        stage.change()
        with stage.running():
            stage.sql("DROP TABLE u", "CREATE TABLE u (id INTEGER PRIMARY KEY, n INTEGER, name TEXT, at TEXT)")
            stage.change()
            happens()
            stage.change(10, tables=("t",))
    stage.settle()


@fault("Identity and history", "A SQLite file is replaced by a backup of it", halts("SYN-1404", HEAL), servers=(FILE,))
def file_restored(stage):
    stage.settle()
    stage.change()
    with contextlib.closing(sqlite3.connect(stage.path + ".backup")) as backup:
        stage.connection.backup(backup)
    stage.change(60)
    stage.settle()
    stage.connection.close()
    for end in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.remove(stage.path + end)
    shutil.move(stage.path + ".backup", stage.path)
    stage.connection = stage.connect()
    stage.change(20)
    stage.halts("SYN-1404")
    stage.heal()
