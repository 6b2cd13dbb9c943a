"""Reads tables of MySQL or MariaDB row by row into canonical documents."""

import re

import pymysql.cursors

from .codec import Column, key_text
from .database import connect, is_mariadb, quote_name, rows


class Table:
    """`rows` maps the key's text to the values in the order of `columns`."""

    def __init__(self, name, columns, key):
        self.name = name
        self.columns = columns
        self.names = [column.name for column in columns]
        self.key = key
        self.key_at = [self.names.index(part) for part in key]
        self.rows = {}

    def key_of(self, values):
        return key_text(values[at] for at in self.key_at)

    def rename(self, fields):
        """What columns are called in documents, where that is not their name."""
        for column in self.columns:
            column.name = fields.get(column.name, column.name)
        self.names = [column.name for column in self.columns]


def text_of(value):
    return value.decode() if isinstance(value, bytes) else value


def json_columns(connection, database, table):
    """MariaDB stores JSON as LONGTEXT and marks it with a check of its own."""
    if not is_mariadb(connection):
        return set()
    checks = rows(
        connection,
        "SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = %s AND TABLE_NAME = %s "
        "AND LEVEL = 'Column'", (database, table))
    found = (re.fullmatch(r"json_valid\(`(.*)`\)", text_of(row[0])) for row in checks)
    return {match.group(1).replace("``", "`") for match in found if match}


def describe(connection, database, table, key=None, zero_date_as_text=False):
    marked = json_columns(connection, database, table)
    columns = [
        Column(text_of(name), text_of(kind).lower(), text_of(name) in marked, zero_date_as_text)
        for name, kind in rows(
            connection,
            "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s "
            "ORDER BY ORDINAL_POSITION", (database, table))]
    if not columns:
        raise ValueError(f"there is no table {database}.{table}, or the user may not see it")
    key = key or [
        text_of(row[0]) for row in rows(
            connection,
            "SELECT COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s "
            "AND CONSTRAINT_NAME = 'PRIMARY' ORDER BY ORDINAL_POSITION", (database, table))]
    if not key:
        raise ValueError(f"{database}.{table} has no primary key: name one with --key")
    return Table(f"{database}.{table}", columns, key)


def read_table(url, name, key=None, zero_date_as_text=False, where=None):
    """All rows of `database.table`."""
    database, _, table = name.partition(".")
    with_types = connect(url)
    found = describe(with_types, database, table, key, zero_date_as_text)
    with_types.close()
    # No conversion by the driver: every value arrives as text.
    connection = connect(url, database, conv={}, cursorclass=pymysql.cursors.SSCursor)
    select = ", ".join(column.select for column in found.columns)
    decoders = [column.decode for column in found.columns]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {select} FROM {quote_name(table)}" + (f" WHERE {where}" if where else ""))
        for row in cursor:
            values = tuple(decode(text_of(value)) for decode, value in zip(decoders, row))
            found.rows[found.key_of(values)] = values
    connection.close()
    return found


def tables_like(url, pattern):
    """`database.*` as the list of its tables; another name as itself."""
    database, _, table = pattern.partition(".")
    if table != "*":
        return [pattern]
    connection = connect(url)
    names = rows(
        connection, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = 'BASE TABLE' "
        "ORDER BY TABLE_NAME", (database,))
    connection.close()
    return [f"{database}.{text_of(row[0])}" for row in names]
