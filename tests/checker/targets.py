"""What stands in the targets. Each reader yields (key text, document, version) of one table.

    search:  http://HOST:PORT/INDEX                     OpenSearch or Elasticsearch; INDEX may hold {table}
    redis:   redis://HOST:PORT/DB?key=TEMPLATE          also redis-cluster://; TEMPLATE as in the pipeline file
    archive: file:FOLDER, or s3:http://HOST:PORT/BUCKET/PREFIX of a store that takes any signature, as test servers do
    sqlite:  see sqlite_target.py

`problems` collects what is wrong with the target as such, beside missing and different rows.
"""

import base64
import hashlib
import io
import json
import os
import re
import urllib.error
import urllib.request
from urllib.parse import parse_qs, quote, unquote, urlsplit, urlunsplit

import redis
import zstandard

from .codec import key_part, key_text, parse_json, redis_text

S3_LOGIN = {"Authorization": "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"}
PLACEHOLDER = re.compile(r"\{([^{}|]+)(\|lower)?\}")
VERSION = re.compile(r"\d{19}")


def search_request(base, path, body=None, method=None):
    """To a search server, whose address may have a user."""
    parts = urlsplit(base)
    user, _, host = parts.netloc.rpartition("@")
    headers = {"Content-Type": "application/json"}
    if user:
        headers["Authorization"] = f"Basic {base64.b64encode(unquote(user).encode()).decode()}"
    return urllib.request.Request(f"{parts.scheme}://{host}{path}", body, headers, method=method)


class Search:
    def __init__(self, url, table):
        parts = urlsplit(url)
        self.base = f"{parts.scheme}://{parts.netloc}"
        self.index = parts.path.strip("/").replace("{table}", table.name.split(".", 1)[1]).lower()
        self.problems = []

    def call(self, path, body=None, method=None):
        data = None if body is None else json.dumps(body).encode()
        request = search_request(self.base, path, data, method or ("GET" if data is None else "POST"))
        with urllib.request.urlopen(request, timeout=120) as answer:
            return parse_json(answer.read())

    def read(self):
        try:
            self.call(f"/{self.index}/_refresh", method="POST")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            self.problems.append(f"there is no index {self.index}")
            return
        if list(self.call(f"/_alias/{self.index}")) != [f"{self.index}-000001"]:
            self.problems.append(f"{self.index} is not an alias of {self.index}-000001")
        page = self.call(
            f"/{self.index}/_search?scroll=2m", {"size": 5000, "version": True, "sort": ["_doc"], "query": {"match_all": {}}})
        while page["hits"]["hits"]:
            for hit in page["hits"]["hits"]:
                yield hit["_id"], hit["_source"], hit["_version"]
            page = self.call("/_search/scroll", {"scroll": "2m", "scroll_id": page["_scroll_id"]})
        self.call("/_search/scroll", {"scroll_id": page["_scroll_id"]}, "DELETE")


def expected_keys(template, table):
    """Rendered key of a Redis or cache template for every row: {rendered: key text}."""
    database, _, name = table.name.partition(".")

    def render(key, values):
        def part(match):
            word = match.group(1)
            if word == "key":
                text = key
            elif word in ("table", "database"):
                text = name if word == "table" else database
            else:
                text = key_part(values[table.names.index(word)])
            text = text.lower() if match.group(2) else text
            return redis_text(text)
        return PLACEHOLDER.sub(part, template)

    return {render(key, values): key for key, values in table.rows.items()}


class Redis:
    def __init__(self, url, table):
        parts = urlsplit(url)
        self.template = parse_qs(parts.query)["key"][0].replace("{table}", table.name.split(".", 1)[1])
        scheme = "redis" if parts.scheme == "redis-cluster" else parts.scheme
        plain = urlunsplit((scheme, parts.netloc.split(",")[0], parts.path, "", ""))
        self.cluster = parts.scheme == "redis-cluster"
        self.client = redis.RedisCluster.from_url(plain) if self.cluster else redis.Redis.from_url(plain)
        self.keys = expected_keys(self.template, table)
        self.problems = []

    def pages(self, pattern):
        page = []
        for key in self.client.scan_iter(match=pattern, count=2000):
            page.append(key)
            if len(page) == 1000:
                yield page
                page = []
        if page:
            yield page

    def values(self, page):
        return self.client.mget_nonatomic(page) if self.cluster else self.client.mget(page)

    def read(self):
        prefix = self.template.split("{")[0]
        escaped = re.sub(r"([*?\[\]\\])", r"\\\1", prefix)
        seen = set()  # SCAN may return a key twice
        for page in self.pages(escaped + "*"):
            page = [key for key in page if key not in seen]
            seen.update(page)
            for key, value in zip(page, self.values(page)):
                if value is not None:
                    name = key.decode()
                    yield self.keys.get(name, name), *self.document(name, value)
        self.check_tombstones(escaped, seen)

    def document(self, name, value):
        document = parse_json(value)
        version = document.get("_version")
        if next(iter(document), None) != "_version" or not isinstance(version, str) or not VERSION.fullmatch(version):
            self.problems.append(f"{name}: the first member is not a _version of 19 digits")
        document.pop("_version", None)
        return document, int(version or 0)

    def check_tombstones(self, escaped, live):
        for page in self.pages(f"syncline:tombstone:*{escaped}*"):
            for name, value in zip(page, self.values(page)):
                of = name.removeprefix(b"syncline:tombstone:")
                if of.removeprefix(b"{").removesuffix(b"}") in live or of in live:
                    self.problems.append(f"{name.decode()}: tombstone of a document that is there")
                if value is not None and not VERSION.fullmatch(value.decode()):
                    self.problems.append(f"{name.decode()}: its value is not 19 digits")


def content_of_file(folder, name):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return None
    with open(path, "rb") as file:
        return file.read()


def content_of_object(prefix, name):
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{prefix}/{quote(name)}", headers=S3_LOGIN)) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return None


class Archive:
    """`*.jsonl.zst` files in the order of manifest.json; the highest version of a key wins, the later line on a tie."""

    def __init__(self, url, table):
        self.place = url.removeprefix("file:").removeprefix("s3:")
        self.content = content_of_object if url.startswith("s3:") else content_of_file
        self.table = table
        self.problems = []

    def files(self):
        manifest = self.content(self.place, "manifest.json")
        if manifest is None:
            self.problems.append(f"there is no {self.place}/manifest.json")
            return []
        return json.loads(manifest)["files"]

    def open_file(self, entry):
        content = self.content(self.place, entry["path"]) or b""
        if entry["sha256"] != hashlib.sha256(content).hexdigest():
            self.problems.append(f"{self.place}/{entry['path']}: the manifest says {entry['sha256']}, which is not its SHA-256")
        if not content:  # gone or empty: the reader would wait for its first frame for ever
            return []
        return io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(content, read_across_frames=True), encoding="utf-8")

    def changes(self):
        marker = f'"{self.table.name}"'
        for entry in self.files():
            for line in self.open_file(entry):
                if marker in line:
                    change = parse_json(line)
                    if change["table"] == self.table.name:
                        yield change

    def read(self):
        latest, truncated = {}, 0
        for change in self.changes():
            version = int(change["version"])
            if change["op"] == "truncate":
                truncated = max(truncated, version)
                continue
            key = key_text(change["key"][part] for part in self.table.key)
            if version >= latest.get(key, (0, None))[0]:
                latest[key] = (version, change["after"] if change["op"] != "delete" else None)
        for key, (version, document) in latest.items():
            if document is not None and version > truncated:
                yield key, document, version


def archive_counts(folder):
    """Lines per table and operation, for the balance."""
    class AnyTable:
        name, key = "", []

    archive, counts = Archive(folder, AnyTable), {}
    for entry in archive.files():
        for line in archive.open_file(entry):
            change = parse_json(line)
            per_table = counts.setdefault(change["table"], {})
            per_table[change["op"]] = per_table.get(change["op"], 0) + 1
    return counts
