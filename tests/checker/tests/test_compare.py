"""Every kind of drift must be found, in every kind of target. The documents are written by hand."""

import hashlib
import json
import os
import tempfile
import unittest
import urllib.request

import redis
import zstandard

from checker.compare import compare
from checker.database import connect
from checker.source import read_table
from checker.targets import Archive, Redis, Search, archive_counts

GOOD = {
    "1:a": '{"id":1,"part":"a","name":"eins","price":"1.50","js":{"n":1.0},"tags":["x"]}',
    "2:b%3Ac": '{"id":2,"part":"b:c","name":null,"price":"0.00","js":null,"tags":[]}',
    "3:{d}": '{"id":3,"part":"{d}","name":"true","price":"-2.00","js":[true,1],"tags":["x","y"]}',
}
# name of the drift: (what stands there instead, count of missing, different, extra)
DRIFTS = {
    "none": ({}, (0, 0, 0)),
    "missing": ({"1:a": None}, (1, 0, 0)),
    "extra": ({"9:z": GOOD["1:a"]}, (0, 0, 1)),
    "text": ({"1:a": GOOD["1:a"].replace("eins", "Eins")}, (0, 1, 0)),
    "scale": ({"1:a": GOOD["1:a"].replace('"1.50"', '"1.5"')}, (0, 1, 0)),
    "kind": ({"1:a": GOOD["1:a"].replace('"id":1', '"id":"1"')}, (0, 1, 0)),
    "bool": ({"1:a": GOOD["1:a"].replace('"id":1', '"id":true')}, (0, 1, 0)),
    "json digits": ({"1:a": GOOD["1:a"].replace('"n":1.0', '"n":1')}, (0, 1, 0)),
    "json bool": ({"3:{d}": GOOD["3:{d}"].replace("[true,1]", "[1,1]")}, (0, 1, 0)),
    "absent null": ({"2:b%3Ac": GOOD["2:b%3Ac"].replace('"name":null,', "")}, (0, 1, 0)),
    "more": ({"1:a": GOOD["1:a"].replace('"id":1', '"id":1,"x":1')}, (0, 1, 0)),
}


class Compare(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        url = os.environ.get("SYNCLINE_TEST_MARIADB")
        if not url:
            raise unittest.SkipTest("SYNCLINE_TEST_MARIADB is not set")
        name = cls.name = f"checker_compare_{os.getpid()}"
        connection = connect(url)
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
            try:
                cursor.execute(
                    f"CREATE TABLE {name}.t (id INT, part VARCHAR(9), name TEXT, price DECIMAL(8,2), js JSON, "
                    "tags SET('x','y') NOT NULL, PRIMARY KEY (id, part))")
                cursor.execute(
                    f"""INSERT INTO {name}.t VALUES (1, 'a', 'eins', 1.5, '{{"n":1.0}}', 'x'),
                    (2, 'b:c', NULL, 0, NULL, ''), (3, '{{d}}', 'true', -2, '[true,1]', 'y,x')""")
                cls.table = read_table(url, f"{name}.t")
            finally:
                cursor.execute(f"DROP DATABASE {name}")

    def every_drift(self, fill, reader):
        for name, (changes, expected) in DRIFTS.items():
            with self.subTest(drift=name):
                fill({key: text for key, text in {**GOOD, **changes}.items() if text is not None})
                found = compare(self.table, "target", reader())
                self.assertEqual((found.missing, found.different, found.extra), expected, found.lines)
                self.assertEqual(found.problems, [])
                self.assertEqual(found.equal, name == "none")

    def test_redis(self):
        url = os.environ.get("SYNCLINE_TEST_REDIS")
        if not url:
            self.skipTest("SYNCLINE_TEST_REDIS is not set")
        client, prefix = redis.Redis.from_url(url), self.name

        def clear():
            for key in client.scan_iter(f"*{prefix}*"):
                client.delete(key)

        def fill(documents):
            clear()
            for key, text in documents.items():
                key = key.replace("{", "%7B").replace("}", "%7D")
                client.set(f"{prefix}:{key}", '{"_version":"0000000000000000042",' + text[1:])

        def reader():
            return Redis(f"{url}/0?key={prefix}:{{key}}", self.table)

        self.addCleanup(clear)
        self.every_drift(fill, reader)
        fill(GOOD)
        client.set(f"{prefix}:1:a", '{"_version":"42",' + GOOD["1:a"][1:])
        client.set(f"syncline:tombstone:{{{prefix}:2:b%3Ac}}", "0000000000000000041")
        self.assertEqual(len(compare(self.table, "target", reader()).problems), 2)

    def test_search(self):
        url = os.environ.get("SYNCLINE_TEST_OPENSEARCH") or os.environ.get("SYNCLINE_TEST_ELASTICSEARCH")
        if not url:
            self.skipTest("no search server is named in the environment")

        def call(method, path, body=None, kind="application/json"):
            request = urllib.request.Request(url + path, body and body.encode(), {"Content-Type": kind}, method=method)
            return urllib.request.urlopen(request).read()

        def clear():
            call("DELETE", f"/{self.name}-000001?ignore_unavailable=true")

        def fill(documents):
            clear()
            call("PUT", f"/{self.name}-000001", json.dumps(
                {"aliases": {self.name: {}}, "settings": {"number_of_replicas": 0}, "mappings": {"dynamic": False}}))
            lines = [
                json.dumps({"index": {"_id": key, "version": 42, "version_type": "external"}}) + "\n" + text
                for key, text in documents.items()]
            answer = json.loads(call("POST", f"/{self.name}/_bulk", "\n".join(lines) + "\n", "application/x-ndjson"))
            self.assertFalse(answer["errors"])

        self.addCleanup(clear)
        self.every_drift(fill, lambda: Search(f"{url}/{self.name}", self.table))

    def test_archive(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)

        def write(lines, spoil=False):
            packed = zstandard.compress("".join(lines).encode())
            with open(os.path.join(folder.name, "a.jsonl.zst"), "wb") as file:
                file.write(packed)
            entry = {"path": "a.jsonl.zst", "sha256": hashlib.sha256(packed + b"x" * spoil).hexdigest()}
            with open(os.path.join(folder.name, "manifest.json"), "w", encoding="utf-8") as file:
                json.dump({"files": [entry]}, file)

        def line(op, text, version):
            document = json.loads(text)
            key = json.dumps({"id": document["id"], "part": document["part"]})
            after = "null" if op == "delete" else text
            return f'{{"table":"{self.name}.t","op":"{op}","key":{key},"after":{after},"version":"{version:019}"}}\n'

        def fill(documents):
            """An older document and a deleted one stand beside the good ones."""
            lines = []
            for key, text in documents.items():
                if key == "9:z":
                    text = text.replace('"id":1,"part":"a"', '"id":9,"part":"z"')
                # The key is that of the row, even where the document was spoiled.
                of_key = GOOD.get(key, text)
                good = line("update", of_key, 5).replace(f'"after":{of_key}', f'"after":{text}')
                lines += [line("read", of_key, 3).replace("eins", "old"), good, line("insert", of_key, 4)]
            gone = '{"id":7,"part":"gone"}'
            write(lines + [line("insert", gone, 8), line("delete", gone, 9)])

        def reader():
            return Archive(f"file:{folder.name}", self.table)

        self.every_drift(fill, reader)
        fill(GOOD)
        self.assertEqual(archive_counts(folder.name)[f"{self.name}.t"], {"read": 3, "update": 3, "insert": 4, "delete": 1})
        truncate = f'{{"table":"{self.name}.t","op":"truncate","key":{{}},"after":null,"version":"{6:019}"}}\n'
        write([line("insert", GOOD["1:a"], 5), truncate, line("insert", GOOD["2:b%3Ac"], 7)])
        self.assertEqual([key for key, _, _ in reader().read()], ["2:b%3Ac"])
        write([line("insert", text, 1) for text in GOOD.values()], spoil=True)
        self.assertEqual(len(compare(self.table, "target", reader()).problems), 1)


if __name__ == "__main__":
    unittest.main()
