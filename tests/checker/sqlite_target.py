"""SQLite files that stand in for a cache and a search index; the checker reads them with Python's own sqlite3."""

import os
import sqlite3
from urllib.parse import parse_qs

from .codec import parse_json
from .targets import expected_keys


class SqliteFile:
    """sqlite-cache:FILE?key=TEMPLATE or sqlite-search:FILE?index=NAME"""

    def __init__(self, url, table, word):
        path, _, query = url.split(":", 1)[1].partition("?")
        self.path = path
        self.word = parse_qs(query)[word][0].replace("{table}", table.name.split(".", 1)[1])
        self.table = table
        self.problems = []

    def select(self, sql, arguments=()):
        if not os.path.exists(self.path):
            self.problems.append(f"there is no {self.path}")
            return
        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        try:
            yield from connection.execute(sql, arguments)
        except sqlite3.OperationalError as error:
            self.problems.append(f"{self.path}: not laid out as the checker knows it: {error}")
        finally:
            connection.close()


class SqliteCache(SqliteFile):
    def __init__(self, url, table):
        super().__init__(url, table, "key")
        self.keys = expected_keys(self.word, table)

    def read(self):
        prefix = self.word.split("{")[0]
        for name, value, version in self.select("SELECT key, value, version FROM cache WHERE value IS NOT NULL"):
            if name.startswith(prefix):
                document = parse_json(value)
                document.pop("_version", None)
                yield self.keys.get(name, name), document, int(version)


class SqliteSearch(SqliteFile):
    def __init__(self, url, table):
        super().__init__(url, table, "index")

    def read(self):
        for key, document, version in self.select(
                "SELECT id, document, version FROM documents WHERE index_name = ? AND document IS NOT NULL", (self.word,)):
            yield key, parse_json(document), int(version)
