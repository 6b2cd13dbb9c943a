"""Where one run works: its folder, its database, its pipeline file, its targets."""

import os
import shutil
import urllib.request

import redis

from checker.database import connect, quote_name

SINKS = ("search", "hot", "shelf", "pocket", "lake")
# Values of the column `flight` above this do not fit the mapping that the pipeline file asks for.
SHORT = 32767

PIPELINE = """version: 1
data: ./data
http: {{ listen: 127.0.0.1:{http} }}
connections:
  shop: {source}/{database}
  search: {search}
  hot: {redis}/0
  shelf: sqlite:search.db
  pocket: sqlite:cache.db
  lake: file:./archive
pipelines:
  {database}:
    source:
      connection: shop
      tables: ["{database}.*"]
      server_id: {server_id}
    routes:
      - table: {database}.flights
        to:
          - {{ connection: search, index: "{database}_{{table}}", mapping: {{ flight: {{ type: short }} }} }}
{others}
      - table: "{database}.*"
        to:
          - {{ connection: search, index: "{database}_{{table}}" }}
{others}
"""
OTHERS = """          - {{ connection: hot, key: "{database}:{{table}}:{{key}}" }}
          - {{ connection: shelf, index: "{database}_{{table}}" }}
          - {{ connection: pocket, key: "{database}:{{table}}:{{key}}" }}
          - {{ connection: lake, path: "{{table}}" }}"""


def needed(variable):
    value = os.environ.get(variable)
    if not value:
        raise SystemExit(f"acceptance: {variable} is not set; eval \"$(tests/services/services.sh env)\" first")
    return value


class Setting:
    def __init__(self, server, folder):
        self.server = server
        self.source = needed(f"SYNCLINE_TEST_{server.upper().replace('-', '_')}")
        self.search = needed("SYNCLINE_TEST_OPENSEARCH")
        self.redis = needed("SYNCLINE_TEST_REDIS")
        self.services = os.path.join(needed("SYNCLINE_TEST_SERVICES"), "services.sh")
        self.database = "acceptance_" + server.replace("-", "_")
        self.folder = os.path.join(folder, server)
        self.file = os.path.join(self.folder, "pipeline.yaml")

    def prepare(self):
        """Nothing of an earlier run may be left anywhere."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(os.path.join(self.folder, "archive"))
        self.forget()
        others = OTHERS.format(database=self.database)
        shift = int(os.environ.get("SYNCLINE_PORT_SHIFT") or 0)
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(PIPELINE.format(
                http=18070 + shift, source=self.source, database=self.database, redis=self.redis, others=others,
                search=self.search.replace("http://", "opensearch://"), server_id=5701))

    def forget(self):
        """Drops the database and what stands in the shared servers."""
        connection = connect(self.source)
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {quote_name(self.database)}")
        connection.close()
        for table in ("airlines", "airports", "flights", "planes", "weather"):
            urllib.request.urlopen(urllib.request.Request(
                f"{self.search}/{self.database}_{table}-000001?ignore_unavailable=true", method="DELETE"))
        client = redis.Redis.from_url(self.redis)
        for pattern in (f"{self.database}:*", f"syncline:tombstone:*{self.database}:*", f"syncline:mark:*{self.database}*"):
            keys = list(client.scan_iter(pattern, count=5000))
            for at in range(0, len(keys), 5000):
                client.delete(*keys[at:at + 5000])

    def targets(self):
        """The same targets in the checker's words."""
        name = self.database
        return [
            f"search={self.search}/{name}_{{table}}",
            f"hot={self.redis}/0?key={name}:{{table}}:{{key}}",
            f"shelf=sqlite-search:{self.folder}/search.db?index={name}_{{table}}",
            f"pocket=sqlite-cache:{self.folder}/cache.db?key={name}:{{table}}:{{key}}",
            f"lake=file:{self.folder}/archive"]
