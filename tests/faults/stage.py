"""One fault's own database, pipeline file and targets, and what can be done to them."""

import contextlib
import json
import os
import random
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import pymysql
import redis

from acceptance.balance import require_balance
from acceptance.process import Failed
from acceptance.setting import needed
from checker.__main__ import arguments, comparisons, told
from checker.database import binlog_end, binlog_files, connect, is_mariadb, quote_name, rows
from checker.targets import search_request

PIPELINE = """version: 1
data: ./data
connections:
  shop: {source}
  search: {search}
  hot: {redis}
  shelf: sqlite:search.db
  lake: {lake}
pipelines:
  {database}:
    source: {{ connection: shop, tables: ["{tables}.*"]{reading} }}
{members}    routes:
{routes}"""
ROUTE = """      - table: "{tables}.{table}"
{options}        to:
{targets}"""
TARGETS = {
    "search": 'index: "{database}_{table}"', "hot": 'key: "{database}:{table}:{key}"', "shelf": 'index: "{database}_{table}"',
    "lake": 'path: "{table}"'}
PATIENCE = 120


def url_of(server):
    return needed(f"SYNCLINE_TEST_{server.upper().replace('-', '_')}")


class Stage:
    """A table `t` with some rows and one `u` beside it, which nothing happens to."""

    def __init__(self, server, name, seed):
        self.server, self.dice, self.search = server, random.Random(seed), url_of("opensearch")
        self.search_login = None
        # As whom Syncline asks the source.
        self.login = "root"
        # The source's port, if it is reached through another one.
        self.port = None
        # A database of its own, since it is searched again and again for keys.
        self.redis = self.checked_redis = url_of("redis") + "/1"
        self.lake, self.checked_lake = "file:./archive", None
        self.services = os.path.join(needed("SYNCLINE_TEST_SERVICES"), "services.sh")
        self.database = f"fault_{name}_{server.replace('-', '_')}"[:60]
        self.binary = os.path.abspath(os.environ.get("SYNCLINE_BIN", "target/release/syncline"))
        self.folder = tempfile.mkdtemp(prefix="fault-")
        os.makedirs(os.path.join(self.folder, "archive"))
        self.manage("start", server)
        self.source = self.source_of(server)
        self.forget()
        self.configure(server)
        self.connection = self.connect()
        self.sessions = []
        self.fill()

    def use_redis(self, url, checked=None):
        """Another Redis as target; `checked`: where the checker finds it, if not there."""
        self.redis, self.checked_redis = url, checked or url
        self.configure(self.server)

    def use_lake(self, url, checked):
        self.lake, self.checked_lake = url, checked
        self.configure(self.server)

    def configure(self, *servers, options="", reading="", members="", targets=None, routes=None):
        """Writes the pipeline file: from which servers, lines of each route, members of the source and of the pipeline, what it
        goes to; or several routes by their tables."""
        routes = {
            table: [(name, word.replace("{database}", self.database)) for name, word in words]
            for table, words in (routes or {"*": targets or TARGETS.items()}).items()}
        used = {name for words in routes.values() for name, _ in words}
        options = "".join(f"        {line}\n" for line in options.splitlines())
        with open(os.path.join(self.folder, "pipeline.yaml"), "w", encoding="utf-8") as file:
            text = PIPELINE.format(
                source=self.source_line(servers), database=self.database, tables=self.schema, redis=self.redis, lake=self.lake,
                search=(self.search_login or self.search).replace("http://", "opensearch://"), reading=reading and f", {reading}",
                members="".join(f"    {line}\n" for line in members.splitlines()),
                routes="".join(
                    ROUTE.format(
                        tables=self.schema, table=table, options=options,
                        targets="".join(f"          - {{ connection: {name}, {word} }}\n" for name, word in words))
                    for table, words in routes.items()))
            # A connection that nothing uses is refused.
            unused = [f"  {name}:" for name in TARGETS if name not in used]
            file.write("".join(line for line in text.splitlines(True) if not line.startswith(tuple(unused))))

    def fill(self):
        self.sql(f"CREATE DATABASE {quote_name(self.database)} CHARACTER SET utf8mb4", f"USE {quote_name(self.database)}")
        for table in ("t", "u"):
            self.sql(f"CREATE TABLE {table} (id INT PRIMARY KEY, n INT, name VARCHAR(40), at DATETIME(3))")
        self.change(60)

    # ---- the source

    def source_of(self, server):
        return url_of(server)

    def connect(self):
        return connect(self.source)

    @property
    def schema(self):
        """What stands before the dot in names of tables."""
        return self.database

    def source_line(self, servers):
        hosts = f"127.0.0.1:{self.port}" if self.port else ",".join(url_of(server).split("@")[1] for server in servers)
        return f"mysql://{self.login}@{hosts}/{self.database}"

    @property
    def mariadb(self):
        return is_mariadb(self.connection)

    def gtids(self):
        """Of MySQL's kind."""
        return not self.mariadb and rows(self.connection, "SELECT @@GLOBAL.gtid_mode")[0][0] == "ON"

    def sql(self, *statements):
        with self.connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def session(self):
        """Another session: what runs statements in it."""
        connection = connect(self.source, self.database)
        self.sessions.append(connection)

        def run(*statements):
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        return run

    def move_to(self, server):
        """From here on statements go to another server."""
        with contextlib.suppress(pymysql.err.Error):
            self.connection.close()
        self.source = url_of(server)
        self.connection = connect(self.source, self.database)

    def change(self, many=30, tables=("t", "u")):
        """Random rows come, change, move and go."""
        for _ in range(many):
            for table in tables:
                key, roll = self.dice.randrange(80), self.dice.random()
                if roll < 0.6:
                    self.sql(f"REPLACE INTO {table} (id, n, name, at) VALUES ({key}, {self.dice.randrange(10 ** 6)}, "
                             f"'{self.dice.choice(('a', 'ä', '😀'))}{key}', '2024-02-29 12:00:00.{self.dice.randrange(1000):03}')")
                elif roll < 0.8:
                    self.sql(f"DELETE FROM {table} WHERE id = {key}")
                else:
                    self.sql(f"UPDATE IGNORE {table} SET id = id + {self.dice.randrange(-3, 4)}, n = n + 1 WHERE id = {key}")

    def manage(self, action, server):
        subprocess.run([self.services, action, server], check=True, capture_output=True)

    def rotate(self):
        self.sql("FLUSH BINARY LOGS")

    def purge(self):
        """Only the newest file stays."""
        self.rotate()
        newest = binlog_end(self.connection)[0]
        deadline = time.monotonic() + PATIENCE
        while binlog_files(self.connection) != [newest]:
            # A reader that has just gone holds its file until the server notices.
            self.sql(f"PURGE BINARY LOGS TO '{newest}'")
            if time.monotonic() > deadline:
                raise Failed(f"the server keeps {binlog_files(self.connection)}")
            time.sleep(0.2)

    # ---- Syncline

    def call(self, *arguments):
        try:
            done = subprocess.run([self.binary, *arguments], capture_output=True, cwd=self.folder, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired as late:
            told = (late.stderr or b"").decode(errors="replace")
            raise Failed(f"{' '.join(arguments)} did not end within {PATIENCE} s:\n{told[-6000:]}") from late
        return done.returncode, done.stderr.decode(errors="replace"), done.stdout.decode(errors="replace")

    def expect(self, arguments, code, *words):
        found, told, _ = self.call(*arguments)
        if found != code or not all(word in told for word in words):
            raise Failed(f"{' '.join(arguments)} ended with {found}, wanted {code} and {words}:\n{told[-3000:]}")

    def refuses(self, command, ends, *words):
        """Findings of `lint` and `check` stand on standard output, what else refuses on the other."""
        found, told, shown = self.call(command, "pipeline.yaml")
        if found != ends or not all(word in told + shown for word in words):
            raise Failed(f"{command} ended with {found}, wanted {ends} and {words}:\n{shown}\n{told[-3000:]}")

    def settle(self, **checked):
        """Runs until all is current; everything must be equal then."""
        self.expect(("run", "pipeline.yaml", "--until-current"), 0)
        self.require_equal(**checked)

    def halts(self, code, ends=1):
        self.expect(("run", "pipeline.yaml", "--until-current"), ends, code)

    def heal(self, *arguments):
        """The command that the error names; everything must be equal then, and stay so."""
        self.expect(("backfill", "pipeline.yaml", *arguments), 0)
        self.require_equal()
        self.change()
        self.settle()

    def killed(self, arguments, delay):
        """The command, and SIGKILL after so many seconds if it still runs then. What it has told."""
        process = subprocess.Popen([self.binary, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self.folder)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(delay)
        process.kill()
        return process.communicate()[1].decode(errors="replace")

    def running(self, may_halt=False, state="streaming"):
        return Running(self, may_halt, state)

    def status(self):
        code, told, shown = self.call("status", "pipeline.yaml", "--json")
        if code != 0:
            raise Failed(f"status ended with {code}: {told}")
        return json.loads(shown)["pipelines"][0]

    def require_equal(self, without=None, more=(), fields=None):
        """`more`: further targets, as the checker takes them; `fields`: names that columns have in documents."""
        name = self.database
        targets = [
            f"search={self.search}/{name}_{{table}}", f"hot={self.checked_redis}?key={name}:{{table}}:{{key}}",
            f"shelf=sqlite-search:{self.folder}/search.db?index={name}_{{table}}", f"lake={self.checked_lake or f'file:{self.folder}/archive'}"]
        words = ["compare", "--source", self.source, "--table", f"{self.schema}.*", "--absent-is-null"]
        for target in targets:
            if without is None or not target.startswith(f"{without}="):
                words += ["--target", target]
        for target in more:
            words += ["--target", target]
        for column, field in (fields or {}).items():
            words += ["--field", f"{column}={field}"]
        # In this process: to start another one for each comparison would cost more than all the rest.
        options = arguments(words)
        different = [found for found in comparisons(options) if not found.equal]
        if different:
            raise Failed("\n".join(["not equal:", *(line for found in different for line in told(found, options.show))]))
        require_balance(self.status())

    # ---- the targets

    def block_index(self, table, blocked, block="read_only_allow_delete"):
        """The block of the flood stage is taken away by the server itself, sooner or later; `write` stays."""
        settings = {f"index.blocks.{block}": blocked or None}
        self.search_request("PUT", f"/{self.database}_{table}-000001/_settings", settings)

    def search_request(self, method, path, body=None):
        body = None if body is None else json.dumps(body).encode()
        urllib.request.urlopen(search_request(self.search, path, body, method))

    def own_role(self):
        """The search target is where a user of our own needs a role: what gives it one, for these indices alone."""
        self.search = url_of("elasticsearch")
        self.search_login = self.search.replace("everything:every-password@", "waiting:waiting-password@")
        self.forget_indices()
        self.configure(self.server)
        path = os.path.join(needed("SYNCLINE_SERVICES"), "run", "elasticsearch", "conf", "roles.yml")

        def grant(*indices):
            with open(path, encoding="utf-8") as file:
                others = [line for line in file if not line.startswith("waiting:")]
            with open(path, "w", encoding="utf-8") as file:
                file.writelines([*others, f"waiting: {{cluster: [monitor], indices: [{{names: {json.dumps(indices)}, privileges: [all]}}]}}\n"])
            deadline = time.monotonic() + PATIENCE
            while self.granted() != set(indices):
                # The server looks at the file every few seconds.
                if time.monotonic() > deadline:
                    raise Failed(f"the server grants {self.granted()} instead of {indices}")
                time.sleep(0.2)
        return grant

    def granted(self):
        """The index patterns of our own user's role, as the server has it by now."""
        request = search_request(self.search_login, "/_security/user/_privileges")
        try:
            with urllib.request.urlopen(request) as answer:
                return {name for index in json.load(answer)["indices"] for name in index["names"]}
        except urllib.error.HTTPError:
            return set()  # there is no such role yet

    def close_archive(self, closed):
        """A file in the place of the folder: the superuser may write into any folder."""
        archive, away = (os.path.join(self.folder, name) for name in ("archive", "archive.away"))
        if closed:
            os.rename(archive, away)
            open(archive, "w").close()
        else:
            os.remove(archive)
            os.rename(away, archive)

    def require_empty(self, table):
        """No target holds a document of a table that is gone: the checker knows it as one without rows."""
        self.sql(f"CREATE TABLE {table} (id INT PRIMARY KEY)")
        self.require_equal()
        self.sql(f"DROP TABLE {table}")

    # ---- the end

    def forget(self):
        self.drop(self.source)
        self.forget_indices()
        # One of a fault's own is gone by now.
        client = redis.Redis.from_url(url_of("redis") + "/1")
        for pattern in (f"{self.database}:*", f"syncline:*{self.database}*"):
            for key in client.scan_iter(pattern, count=5000):
                client.delete(key)

    def forget_indices(self):
        self.search_request("DELETE", f"/*{self.database}_*?ignore_unavailable=true&expand_wildcards=all")

    def drop(self, source):
        connection = connect(source)
        with connection.cursor() as cursor:
            # What a run before has left prepared would hold its tables for ever.
            cursor.execute("XA RECOVER")
            for *_, name in cursor.fetchall():
                name = name.decode() if isinstance(name, bytes) else name
                if name.startswith(self.database):
                    cursor.execute(f"XA ROLLBACK '{name}'")
            cursor.execute(f"DROP DATABASE IF EXISTS {quote_name(self.database)}")
        connection.close()

    def close(self):
        for session in (self.connection, *self.sessions):
            session.close()
        self.forget()
        shutil.rmtree(self.folder)


class Running:
    """`syncline run` beside what happens; it must end well when it is asked to."""

    def __init__(self, stage, may_halt, state):
        self.stage, self.may_halt, self.state = stage, may_halt, state

    def __enter__(self):
        self.log = open(os.path.join(self.stage.folder, "run.log"), "ab")
        self.process = subprocess.Popen(
            [self.stage.binary, "run", "pipeline.yaml"], stdout=self.log, stderr=self.log, cwd=self.stage.folder)
        try:
            self.wait(lambda status: status["state"] == self.state)
        except Failed:
            self.process.kill()
            raise
        return self

    def wait(self, wanted):
        """Until the status is as wanted."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(Failed, KeyError, IndexError):
                if wanted(self.stage.status()):
                    return
            if self.process.poll() is not None:
                raise Failed(f"run ended with {self.process.returncode}:\n{self.told()}")
            time.sleep(0.1)
        raise Failed(f"the status never was as wanted: {self.stage.status()}\n{self.told()}")

    def peak_mib(self):
        """The most memory it ever had."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) >> 10

    def told(self):
        with open(os.path.join(self.stage.folder, "run.log"), encoding="utf-8", errors="replace") as log:
            return log.read()[-3000:]

    def __exit__(self, *_):
        self.process.terminate()
        code = self.process.wait(PATIENCE)
        self.log.close()
        if code != 0 and not (self.may_halt and code in (1, 5)):
            raise Failed(f"run ended with {code}:\n{self.told()}")

