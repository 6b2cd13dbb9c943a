"""SQLite files that stand in for a cache and a search index; the checker reads them with Python's own sqlite3."""


class SqliteCache:
    def __init__(self, url, table):
        raise NotImplementedError


class SqliteSearch:
    def __init__(self, url, table):
        raise NotImplementedError
