"""A stage whose source is a SQLite file."""

import os
import sqlite3

from .stage import Stage


class FileStage(Stage):
    """The same two tables and targets; statements are SQLite's."""

    def manage(self, action, server):
        """There is no server."""

    @property
    def path(self):
        return os.path.join(self.folder, "shop.db")

    def source_of(self, server):
        return f"sqlite:{self.path}"

    def connect(self):
        return sqlite3.connect(self.path, isolation_level=None)

    @property
    def schema(self):
        return "main"

    def source_line(self, servers):
        return "sqlite:shop.db"

    def sql(self, *statements):
        for statement in statements:
            self.connection.execute(statement)

    def fill(self):
        self.sql("PRAGMA journal_mode = WAL")
        for table in ("t", "u"):
            self.sql(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, n INTEGER, name TEXT, at TEXT)")
        self.change(60)

    def change(self, many=30, tables=("t", "u")):
        # UPDATE IGNORE is written differently.
        for _ in range(many):
            for table in tables:
                key, roll = self.dice.randrange(80), self.dice.random()
                if roll < 0.6:
                    self.sql(f"REPLACE INTO {table} (id, n, name) VALUES ({key}, {self.dice.randrange(10 ** 6)}, '{self.dice.choice(('a', 'ä', '😀'))}{key}')")
                elif roll < 0.8:
                    self.sql(f"DELETE FROM {table} WHERE id = {key}")
                else:
                    self.sql(f"UPDATE OR IGNORE {table} SET id = id + {self.dice.randrange(-3, 4)}, n = n + 1 WHERE id = {key}")

    def drop(self, source):
        """The file goes with the folder."""
