"""Reads tables of a SQLite file that is a source; the checker reads it with Python's own sqlite3."""

import base64
import sqlite3
from decimal import Decimal

from .source import Table

# Tables that Syncline keeps in the file for itself, and SQLite's own.
OWN = ("_syncline_%", "sqlite_%")


class SqliteColumn:
    """A value is what its storage class says, whatever the column declares."""

    def __init__(self, name):
        self.name = name

    @staticmethod
    def of_document(value):
        return value


def canonical(value):
    if isinstance(value, float):
        return Decimal(repr(value))
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def opened(url):
    return sqlite3.connect(f"file:{url.split(':', 1)[1]}?mode=ro", uri=True)


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def read_table(url, name, key=None):
    """All rows of `main.table`."""
    connection, (_, _, table) = opened(url), name.partition(".")
    described = connection.execute("SELECT name, pk FROM pragma_table_info(?) ORDER BY cid", (table,)).fetchall()
    key = key or [column for _, column in sorted((place, column) for column, place in described if place)]
    if not key:
        raise ValueError(f"{name} has no primary key: name one with --key")
    found = Table(name, [SqliteColumn(column) for column, _ in described], key)
    for row in connection.execute(f"SELECT {', '.join(map(quoted, found.names))} FROM {quoted(table)}"):
        values = tuple(canonical(value) for value in row)
        found.rows[found.key_of(values)] = values
    connection.close()
    return found


def tables_like(url, pattern):
    """`main.*` as the list of its tables; another name as itself."""
    if not pattern.endswith(".*"):
        return [pattern]
    connection = opened(url)
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
    own = {name for like in OWN for name, in connection.execute("SELECT name FROM sqlite_schema WHERE name LIKE ?", (like,))}
    connection.close()
    return [f"main.{name}" for name, in names if name not in own]
