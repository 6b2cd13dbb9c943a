#!/usr/bin/env python3
"""(a) beside other tools: 1M rows of 10 columns from one MariaDB binlog to lines of JSON in a file, one tool at a time.

    tests/services/services.sh python benches/peers.py [ROWS] [RUNS]

Every tool starts at the same position, when all rows are already in the binlog. A tool that cannot be installed or does
not deliver every row gets no figure but the reason.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import binlog
import source_table
from delivery import Delivery, NotDelivered, last_words
from measure import ROOT, SYNCLINE, Run, median, port, server, table

DEBEZIUM = """name=bench
connector.class=io.debezium.connector.mariadb.MariaDbConnector
database.hostname=127.0.0.1
database.port={at}
database.user=bench
database.password=bench
database.server.id=88002
topic.prefix=bench
database.include.list=bench
table.include.list=bench.t
snapshot.mode=no_data
include.schema.changes=false
tombstones.on.delete=false
key.converter.schemas.enable=false
value.converter.schemas.enable=false
offset.storage=org.apache.kafka.connect.storage.FileOffsetBackingStore
offset.storage.file.filename=offsets.dat
schema.history.internal=io.debezium.storage.file.history.FileSchemaHistory
schema.history.internal.file.filename=history.dat
"""
FAUCET = """version: 1
name: bench
pipeline:
  source:
    type: mysql-cdc
    config:
      connection_url: mysql://bench:bench@127.0.0.1:{at}
      server_id: 88003
      start_position: {{ type: file_pos, file: {log}, pos: {offset} }}
      include_tables: [bench.t]
      idle_timeout: 30
  sink:
    type: file
    config: {{ path: out, format: json_lines }}
"""


class Source:
    """The binlog that all read: which server, where the rows begin and end, how many."""

    def __init__(self, at, rows):
        self.at, self.rows = at, rows
        self.log = self.offset = self.last_log = self.end = None

    def create(self):
        """An empty table, and an account with a password, since not every tool can do without."""
        source_table.fresh(self.at)
        self.execute("create or replace user bench@localhost identified by 'bench'")
        self.execute("grant all on *.* to bench@localhost")

    def write_rows(self):
        self.log, self.offset = source_table.position(self.at)
        source_table.fill(self.at, self.rows)
        self.last_log, self.end = source_table.position(self.at)

    def logs(self):
        """The files that hold the rows."""
        names = [row[0] for row in self.execute("show binary logs")]
        return names[names.index(self.log):names.index(self.last_log) + 1]

    def clean(self):
        self.execute("drop user bench@localhost")
        self.execute("drop database if exists bench_maxwell")

    def execute(self, statement, *values):
        with source_table.connect(self.at) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()


class Peer:
    """A program that reads the binlog; the title and command of another project's come with its installation."""

    name = None

    def __init__(self, source, folder):
        self.source, self.folder = source, folder / self.name
        self.title, self.command = self.name, []
        self.folder.mkdir()

    def install(self):
        script = ROOT / "tests/services/services.sh"
        done = subprocess.run([script, "peer", self.name], capture_output=True, text=True)
        if done.returncode != 0:
            raise NotDelivered(f"not installed: {last_words(done.stderr)}")
        self.title, *self.command = done.stdout.splitlines()

    def prepare(self):
        """What must happen before the rows are written."""

    def run(self):
        return Delivery(self.command + self.arguments(), self.source.rows, self.folder)

    def arguments(self):
        raise NotImplementedError


class GoMysql(Peer):
    name = "go-mysql"

    def arguments(self):
        return [f"127.0.0.1:{self.source.at}", "mariadb", self.source.log, str(self.source.offset)]


class Faucet(Peer):
    """Through its file sink, since the one for stdout takes about three times the CPU."""

    name = "faucet"

    def arguments(self):
        file = self.folder / "bench.yaml"
        file.write_text(FAUCET.format(**vars(self.source)))
        return [str(file)]


class Maxwell(Peer):
    """It keeps its state in a database of the server, which goes before each run."""

    name = "maxwell"

    def arguments(self):
        self.source.execute("drop database if exists bench_maxwell")
        options = {
            "host": "127.0.0.1", "port": self.source.at, "user": "bench", "password": "bench", "schema_database": "bench_maxwell",
            "replica_server_id": 88004, "client_id": "bench", "init_position": f"{self.source.log}:{self.source.offset}",
            "producer": "stdout", "filter": "exclude: *.*, include: bench.t", "jdbc_options": "useSSL=false",
            "log_level": "warn",
        }
        return [f"--{name}={value}" for name, value in options.items()]


class Debezium(Peer):
    """Its position is in files, which it writes only after a change: it gets one before the rows and is stopped again."""

    name = "debezium"

    def prepare(self):
        start = self.folder / "start"
        start.mkdir()
        (start / "bench.properties").write_text(DEBEZIUM.format(at=self.source.at))
        with open(start / "log", "wb") as log:
            child = subprocess.Popen(self.command + self.arguments(), cwd=start, stdout=subprocess.PIPE, stderr=log)
        os.set_blocking(child.stdout.fileno(), False)
        try:
            self._wait_until_it_streams(child)
        finally:
            child.terminate()
            child.wait(30)

    def _wait_until_it_streams(self, child):
        output = b""
        for number in range(1, 61):
            self.source.execute("insert into bench.t(id, a) values (%s, 0)", -number)
            time.sleep(1)
            output += child.stdout.read() or b""
            if f'"id":-{number},'.encode() in output:
                return
            if child.poll() is not None:
                break
        raise NotDelivered("it did not begin to stream: " + last_words((self.folder / "start/log").read_text()))

    def arguments(self):
        return ["bench.properties"]

    def run(self):
        run = self.folder / "run"
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(self.folder / "start", run)
        return Delivery(self.command + self.arguments(), self.source.rows, run)


class MariadbBinlog(Peer):
    """Ends where the rows end, as Maxwell writes its own behind them."""

    name = "mariadb-binlog -v, text"

    def install(self):
        self.command = ["mariadb-binlog", "-v", "--base64-output=decode-rows", "--read-from-remote-server"]

    def arguments(self):
        return ["-h127.0.0.1", f"-P{self.source.at}", "-uroot", f"--start-position={self.source.offset}",
                f"--stop-position={self.source.end}", *self.source.logs()]

    def run(self):
        return Delivery(self.command + self.arguments(), self.source.rows, self.folder, mark=b"### INSERT INTO", ends=True)


class Syncline(Peer):
    name, target = "syncline → stdout", "stdout"

    def install(self):
        self.file = binlog.config(self.folder, server("MARIADB_FULL"), self.target)

    def prepare(self):
        Run([SYNCLINE, "run", str(self.file), "--until-current"])
        shutil.copytree(self.folder / f"data-{self.target}", self.folder / f"start-{self.target}")

    def run(self):
        return Delivery(binlog.from_start(self.folder, self.file, self.target), self.source.rows, self.folder, ends=True)


class SynclineDiscard(Syncline):
    """Prints nothing: the count is in its last words, and no first row is seen."""

    name, target = "syncline → discard", "discard"

    def run(self):
        run = Run(binlog.from_start(self.folder, self.file, self.target))
        lines = int(re.search(r"^discard: (\d+)", run.stderr, re.M)[1])
        if lines != self.source.rows:
            raise NotDelivered(f"{lines:,} of {self.source.rows:,} rows")
        run.first = None
        return run


TOOLS = [SynclineDiscard, Syncline, MariadbBinlog, GoMysql, Faucet, Maxwell, Debezium]


def attempt(peer, reasons, step):
    """The result of a step, or None; a peer that failed once is left out from then on."""
    if peer in reasons:
        return None
    try:
        return step()
    except NotDelivered as reason:
        reasons[peer] = str(reason)
        print(f"{peer.title}: {reason}", file=sys.stderr)
        return None


def row(peer, runs, rows, ours):
    cpu, wall = median([run.cpu for run in runs]), median([run.wall for run in runs])
    first = "" if runs[0].first is None else f"{median([run.first for run in runs]):.1f}"
    return (peer.title, f"{cpu:.2f}", f"{cpu / ours:.1f}", f"{rows / wall:,.0f}", first, f"{max(run.peak_mb for run in runs):.0f}")


def main(rows=1_000_000, count=3):
    at = port(server("MARIADB_FULL"))
    with tempfile.TemporaryDirectory() as name:
        source = Source(at, rows)
        peers = [tool(source, Path(name)) for tool in TOOLS]
        reasons, runs = {}, {peer: [] for peer in peers}
        for peer in peers:
            attempt(peer, reasons, peer.install)
        source.create()
        # Debezium's rows must not be in what the others read.
        for peer in reversed(peers):
            attempt(peer, reasons, peer.prepare)
        source.write_rows()
        for number in range(count):
            for peer in peers:
                run = attempt(peer, reasons, peer.run)
                if run:
                    runs[peer].append(run)
                    print(f"run {number + 1}, {peer.title}: {run.cpu:.2f} CPU-s, {run.wall:.1f} s", file=sys.stderr)
        source.clean()
        if any(isinstance(peer, Syncline) for peer in reasons):
            sys.exit("without Syncline there is nothing to compare")
        ours = median([run.cpu for peer in peers if type(peer) is Syncline for run in runs[peer]])

    table(f"(a) {rows:,} rows from the binlog to lines of JSON, medians of {count} runs",
          ("what", "CPU-s", "× syncline", "rows/s", "first row after s", "peak MB"),
          [(peer.title, f"not run: {reasons[peer]}", *[""] * 4) if peer in reasons else row(peer, runs[peer], rows, ours) for peer in peers])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
