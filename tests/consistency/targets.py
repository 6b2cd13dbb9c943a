"""The targets of a run, as somebody changes them behind Syncline's back: each deletes, changes and adds documents with its own tools.

A stray has an id that no row has. One stray of each target has the highest version that the target can hold.
"""

import json
import os
import sqlite3
import urllib.request

import redis

from data import lake

HIGHEST = (1 << 63) - 1
# Whose the rows are that are corrupted: the pipeline's tenant is the carrier.
TENANT = "XX"
CHANGED = "changed behind its back"


class Search:
    """OpenSearch, by its REST interface."""

    def __init__(self, setting):
        self.url = f"{setting.search}/{setting.database}_flights"

    def bulk(self, lines):
        body = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
        request = urllib.request.Request(f"{self.url}/_bulk?refresh=true", body, {"Content-Type": "application/x-ndjson"})
        with urllib.request.urlopen(request) as reply:
            answer = json.load(reply)
        if answer["errors"]:
            raise RuntimeError(json.dumps(answer)[:2000])

    def stored(self, keys):
        body = json.dumps({"ids": [str(key) for key in keys]}).encode()
        request = urllib.request.Request(f"{self.url}/_mget", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as reply:
            return [(doc["_version"], doc["_source"]) if doc.get("found") else None for doc in json.load(reply)["docs"]]

    def delete(self, keys):
        self.bulk([{"delete": {"_id": str(key)}} for key in keys])

    def change(self, keys):
        lines = []
        for key, (version, document) in zip(keys, self.stored(keys)):
            lines += [{"index": {"_id": str(key), "version": version, "version_type": "external_gte"}}, {**document, "note": CHANGED}]
        self.bulk(lines)

    def stray(self, keys):
        lines = []
        for at, key in enumerate(keys):
            how = {"version": HIGHEST, "version_type": "external_gte"} if at == 0 else {}
            lines += [{"index": {"_id": str(key), **how}}, {"id": key, "note": "nobody's", "carrier": TENANT}]
        self.bulk(lines)


class Hot:
    """Redis, JSON text."""

    def __init__(self, setting):
        self.client, self.prefix = redis.Redis.from_url(f"{setting.redis}/0"), f"{setting.database}:flights:"

    def key(self, key):
        return f"{self.prefix}{key}"

    def stored(self, keys):
        return [None if text is None else json.loads(text) for text in self.client.mget([self.key(key) for key in keys])]

    def delete(self, keys):
        self.client.delete(*[self.key(key) for key in keys])

    def change(self, keys):
        for key, document in zip(keys, self.stored(keys)):
            self.client.set(self.key(key), json.dumps({**document, "note": CHANGED}, separators=(",", ":")))

    def stray(self, keys):
        for at, key in enumerate(keys):
            document = {"id": key, "note": "nobody's", "carrier": TENANT}
            if at == 0:
                document = {"_version": f"{HIGHEST:019}", **document}
            self.client.set(self.key(key), json.dumps(document, separators=(",", ":")))


class Shelf:
    """The search index in a SQLite file."""

    TABLE, NAME, DOCUMENT = "documents", "index_name", "document"

    def __init__(self, setting):
        self.path, self.name = os.path.join(setting.folder, "search.db"), f"{setting.database}_flights"

    def run(self, sql, values):
        connection = sqlite3.connect(self.path, timeout=60)
        with connection:
            connection.executemany(sql, values)
        connection.close()

    def at(self, key):
        return self.name, str(key)

    def where(self):
        return f"WHERE {self.NAME} = ? AND id = ?"

    def stored(self, keys):
        connection = sqlite3.connect(self.path, timeout=60)
        sql = f"SELECT {self.DOCUMENT} FROM {self.TABLE} {self.where()}"
        found = [connection.execute(sql, self.at(key)).fetchone() for key in keys]
        connection.close()
        return [None if row is None or row[0] is None else json.loads(row[0]) for row in found]

    def delete(self, keys):
        self.run(f"DELETE FROM {self.TABLE} {self.where()}", [self.at(key) for key in keys])

    def change(self, keys):
        documents = [json.dumps({**document, "note": CHANGED}) for document in self.stored(keys)]
        values = [(document, *self.at(key)) for key, document in zip(keys, documents)]
        self.run(f"UPDATE {self.TABLE} SET {self.DOCUMENT} = ? {self.where()}", values)

    def stray(self, keys):
        values = [(*self.at(key), HIGHEST if at == 0 else 0, json.dumps({"id": key, "carrier": TENANT})) for at, key in enumerate(keys)]
        self.run(f"INSERT INTO {self.TABLE} ({self.NAME}, id, version, {self.DOCUMENT}) VALUES (?, ?, ?, ?)", values)


class Pocket(Shelf):
    """The cache in a SQLite file."""

    TABLE, DOCUMENT = "cache", "value"

    def __init__(self, setting):
        super().__init__(setting)
        self.path, self.name = os.path.join(setting.folder, "cache.db"), f"{setting.database}:flights:"

    def at(self, key):
        return (f"{self.name}{key}",)

    def where(self):
        return "WHERE key = ?"

    def stray(self, keys):
        values = [(*self.at(key), HIGHEST if at == 0 else 0, json.dumps({"id": key, "carrier": TENANT})) for at, key in enumerate(keys)]
        self.run("INSERT INTO cache (key, version, value) VALUES (?, ?, ?)", values)


class Lake:
    """The archive, which somebody adds lines to: its newest line of a key counts. They have the highest version that is there by
    then, which the source has reached: what is above that nobody could put right. Nothing else may write to it meanwhile."""

    PLACE = "flights"

    def __init__(self, setting):
        self.folder = os.path.join(setting.folder, "archive")

    def newest(self):
        """The newest line of each key, and the highest version of all."""
        found, highest = {}, ""
        for entry in lake.manifest_of(self.folder)["files"]:
            for line in lake.read(self.folder, entry) if entry["path"].startswith(f"{self.PLACE}/") else ():
                key = (line["key"] or {}).get("id")
                highest = max(highest, line["version"])
                if key not in found or line["version"] >= found[key]["version"]:
                    found[key] = line
        return found, highest

    def stored(self, keys):
        while True:
            try:
                found, _ = self.newest()
                break
            except FileNotFoundError:
                pass  # Syncline joins files; the next manifest names the others
        return [(found.get(key) or {}).get("after") for key in keys]

    def add(self, keys, change, of=None):
        found, version = self.newest()
        lines = [{**found[of or key], **change(key, found[of or key]["after"]), "version": version} for key in keys]
        lake.append(self.folder, self.PLACE, lines)

    def delete(self, keys):
        self.add(keys, lambda _, document: {"op": "delete", "before": document, "after": None})

    def change(self, keys):
        self.add(keys, lambda _, document: {"op": "update", "after": {**document, "note": CHANGED}})
        self.example = keys[0]

    def stray(self, keys):
        strays = lambda key, document: {"key": {"id": key}, "after": {**document, "id": key, "note": "nobody's"}}
        self.add(keys, strays, of=self.example)


# What can be changed while Syncline writes to it, and what cannot.
LIVE = {"search": Search, "hot": Hot, "shelf": Shelf, "pocket": Pocket}
TARGETS = {**LIVE, "lake": Lake}
