"""A resync of a table under load, on a real search server: searches through the alias go on all the time and never miss a
row that was there before, and the process is killed at every boundary of a task's states.

    tests/services/services.sh python -m resync [--rows N]

Needs SYNCLINE_BIN or target/release/syncline, and OpenSearch or Elasticsearch. Exit: 0 all shown, 1 not.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

FILE = """version: 1
connections:
  shop: sqlite:shop.db
  search: {search}
pipelines:
  shop:
    source: {{ connection: shop, tables: ["main.*"] }}
    routes:
      - table: main.cases
        to: [{{ connection: search, index: {index} }}]
"""


class Failed(Exception):
    pass


def until(what, is_so, patience=60, pause=0.02):
    began = time.monotonic()
    while True:
        found = is_so()
        if found:
            return found
        if time.monotonic() - began > patience:
            raise Failed(f"still not {what}")
        time.sleep(pause)


class Stage:
    def __init__(self, binary, server, rows):
        self.binary, self.server, self.rows = os.path.abspath(binary), server, rows
        self.index = f"resync_{os.getpid()}"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="resync-"))
        parts = urlsplit(server)
        login = f"{parts.username}:{parts.password}@" if parts.username else ""
        scheme = "elasticsearch" if os.environ.get("SYNCLINE_TEST_ELASTICSEARCH") == server else "opensearch"
        search = f"{scheme}://{login}{parts.hostname}:{parts.port}"
        (self.folder / "shop.yaml").write_text(FILE.format(search=search, index=self.index))
        self.process, self.round = None, 0
        with self.shop() as shop:
            shop.executescript("PRAGMA journal_mode = WAL; CREATE TABLE cases (id INTEGER PRIMARY KEY, name TEXT, n INTEGER)")
            shop.executemany("INSERT INTO cases VALUES (?, ?, 0)", ((i, f"case {i}") for i in range(rows)))

    def shop(self):
        return sqlite3.connect(self.folder / "shop.db", timeout=60)

    def ask(self, method, path, body=None):
        parts = urlsplit(self.server)
        request = urllib.request.Request(f"{parts.scheme}://{parts.hostname}:{parts.port}{path}", method=method)
        request.add_header("Content-Type", "application/json")
        if parts.username:
            import base64

            login = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
            request.add_header("Authorization", f"Basic {login}")
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, data, timeout=60) as reply:
            return json.load(reply)

    def start(self):
        self.round += 1
        self.log = open(self.folder / f"run{self.round}.log", "wb")
        arguments = [self.binary, "run", "shop.yaml"]
        self.process = subprocess.Popen(arguments, cwd=self.folder, stdout=self.log, stderr=self.log)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=60) != 0:
            raise Failed("run did not end with 0")

    def call(self, *arguments, codes=(0,)):
        done = subprocess.run([self.binary, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=300)
        if done.returncode not in codes:
            raise Failed(f"{arguments} ended with {done.returncode}: {done.stdout} {done.stderr}")
        return done.stdout

    def state(self):
        return json.loads(self.call("status", "shop.yaml", "--json"))["pipelines"][0]["state"]

    def tasks(self):
        try:
            with sqlite3.connect(f"file:{self.folder}/.syncline/ledger.db?mode=ro", uri=True, timeout=60) as ledger:
                found = ledger.execute("SELECT value FROM property WHERE name = 'resyncs'").fetchone()
        except sqlite3.OperationalError:
            return []
        return json.loads(found[0]) if found else []

    def live(self):
        return list(self.ask("GET", f"/_alias/{self.index}"))

    def indices(self):
        return sorted(self.ask("GET", f"/{self.index}-*"))

    def begin(self, *more):
        arguments = [self.binary, "resync", "shop.yaml", "--table", "main.cases", *more]
        return subprocess.Popen(arguments, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def clean_up(self):
        if self.process and self.process.poll() is None:
            self.kill()
        for index in self.indices():
            self.ask("DELETE", f"/{index}")
        shutil.rmtree(self.folder)


class Load:
    """One writes, and one searches for rows that nobody deletes."""

    def __init__(self, stage):
        self.stage, self.going, self.searches, self.wrong, self.writes = stage, True, 0, [], 0
        self.threads = [threading.Thread(target=self.write), threading.Thread(target=self.search)]
        for thread in self.threads:
            thread.start()

    def write(self):
        shop, extra = self.stage.shop(), self.stage.rows
        while self.going:
            with shop:
                shop.execute("UPDATE cases SET n = n + 1 WHERE id = ?", (self.writes * 7919 % self.stage.rows,))
                shop.execute("INSERT INTO cases VALUES (?, 'extra', 0)", (extra + self.writes,))
                if self.writes > 50:
                    shop.execute("DELETE FROM cases WHERE id = ?", (extra + self.writes - 50,))
            self.writes += 1
            time.sleep(0.003)

    def search(self):
        query = {"size": 0, "track_total_hits": True, "query": {"range": {"id": {"lt": self.stage.rows}}}}
        while self.going:
            try:
                found = self.stage.ask("POST", f"/{self.stage.index}/_search", query)
                total, failed = found["hits"]["total"]["value"], found["_shards"]["failed"]
                if total != self.stage.rows or failed:
                    self.wrong.append((time.time(), total, failed, self.stage.tasks()[-1:]))
            except (urllib.error.URLError, OSError) as error:
                self.wrong.append((time.time(), str(error), 0, []))
            self.searches += 1
            time.sleep(0.002)

    def end(self):
        self.going = False
        for thread in self.threads:
            thread.join()
        if self.wrong:
            raise Failed(f"{len(self.wrong)} of {self.searches} searches were wrong, first {self.wrong[:3]}")


def require_clean(stage):
    report = json.loads(stage.call("verify", "shop.yaml", "--json", codes=(0, 4)))
    if report["drift"]:
        raise Failed(f"drift: {report}")
    status = json.loads(stage.call("status", "shop.yaml", "--json"))["pipelines"][0]
    table, sinks = status["tables"][0], [sink["connection"] for sink in status["sinks"]]
    terms = table["applied"] + table["superseded"] + table["dead"] + table["in_flight"] + sum(table["filtered"].values())
    if table["accepted"] != terms or sinks != ["search"]:
        raise Failed(f"balance or sinks: {table} {sinks}")


def killed_at(stage, boundary):
    """One resync, killed when the ledger tells the boundary's state; whether it was hit, and what was live then."""
    before = len(stage.tasks())
    asking = stage.begin()
    hit = None
    while hit is None:
        task = (stage.tasks()[before:] or [{}])[0]
        state = task.get("state")
        if boundary == "moved":
            moved = state == "swapping" and stage.live() == [task["form"]["index"]["next"]]
            hit = True if moved else None
        elif state == boundary:
            hit = True
        if state in ("completed", "failed"):
            hit = bool(hit and state != "failed" and boundary == state)
    stage.kill()
    asking.wait()
    at = stage.tasks()[-1]["state"]
    stage.start()
    until("completed", lambda: stage.tasks()[-1]["state"] in ("completed", "failed"))
    task = stage.tasks()[-1]
    if task["state"] != "completed" or stage.live() != [task["form"]["index"]["next"]]:
        raise Failed(f"killed at {boundary}: {task}, live {stage.live()}")
    until("streaming", lambda: stage.state() == "streaming")
    old = task["form"]["index"]["live"]
    if old not in stage.indices():
        raise Failed(f"{old} was not kept")
    stage.call("resync", "forget", "shop.yaml", str(task["id"]))
    if stage.indices() != stage.live():
        raise Failed(f"left over: {stage.indices()}")
    return hit, at


def run(stage):
    stage.start()
    until("streaming", lambda: stage.state() == "streaming")
    until("searchable", lambda: stage.ask("GET", f"/{stage.index}/_count")["count"] >= stage.rows)
    load = Load(stage)
    try:
        asking = stage.begin()
        if asking.wait(timeout=60) != 0:
            raise Failed(f"the resync did not complete: {stage.tasks()}")
        print(f"undisturbed: {stage.live()}, {load.searches} searches, {len(load.wrong)} wrong", flush=True)
        stage.call("resync", "forget", "shop.yaml", str(stage.tasks()[-1]["id"]))
        for boundary in ["pending", "running", "verifying", "swapping", "moved", "completed"]:
            for _ in range(5):
                hit, at = killed_at(stage, boundary)
                print(f"killed at {boundary}: {'hit' if hit else 'missed'} ({at}), now {stage.live()}", flush=True)
                if hit:
                    break
        before = stage.live()
        stage.call("pause", "shop.yaml")
        asking = stage.begin()
        until("running", lambda: stage.tasks()[-1]["state"] == "running")
        stage.call("resync", "cancel", "shop.yaml", str(stage.tasks()[-1]["id"]))
        stage.call("resume", "shop.yaml")
        asking.wait(timeout=60)
        until("cleaned", lambda: not stage.tasks()[-1]["leftover"])
        if stage.tasks()[-1]["state"] != "cancelled" or stage.live() != before or stage.indices() != before:
            raise Failed(f"cancelled: {stage.tasks()[-1]} {stage.indices()}")
        print("cancelled: the live index is as it was", flush=True)
    finally:
        load.end()
    require_clean(stage)
    stage.stop()
    print(f"clean after {load.writes} writes and {load.searches} searches")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5000)
    options = parser.parse_args()
    server = os.environ.get("SYNCLINE_TEST_OPENSEARCH") or os.environ["SYNCLINE_TEST_ELASTICSEARCH"]
    stage = Stage(os.path.abspath(os.environ.get("SYNCLINE_BIN", "target/release/syncline")), server, options.rows)
    try:
        run(stage)
    except Failed as failed:
        print(f"FAILED: {failed}; see {stage.folder}")
        stage.kill()
        sys.exit(1)
    stage.clean_up()


if __name__ == "__main__":
    main()
