"""A resync of a table under load, on a real search server: searches through the alias go on all the time and never miss a
row that was there before, and the process is killed at every boundary of a task's states. Then the same for going back to the index
that a resync has kept, for parts of a table, and for a table that is stale.

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

# What makes the documents of all rows in another way.
CHANGED = FILE.replace("        to:", '        transform: [{{ field: made, value: "anew" }}]\n        to:')


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
        self.search = search
        self.write(FILE)
        self.process, self.round = None, 0
        with self.shop() as shop:
            shop.executescript("PRAGMA journal_mode = WAL; CREATE TABLE cases (id INTEGER PRIMARY KEY, name TEXT, n INTEGER)")
            shop.executemany("INSERT INTO cases VALUES (?, ?, 0)", ((i, f"case {i}") for i in range(rows)))

    def write(self, file):
        (self.folder / "shop.yaml").write_text(file.format(search=self.search, index=self.index))

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
        return self.ask_for("resync", "shop.yaml", "--table", "main.cases", *more)

    def ask_for(self, *arguments):
        arguments = [self.binary, *arguments]
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


def killed_at(stage, boundary, back=False):
    """One resync, killed when the ledger tells the boundary's state; whether it was hit, and what was live then. `back`: it goes
    back to the index that another one has kept."""
    if back:
        stage.call("resync", "shop.yaml", "--table", "main.cases")
    before = stage.tasks()[-1]["id"]
    asking = stage.ask_for("resync", "rollback", "shop.yaml", str(stage.tasks()[-1]["id"])) if back else stage.begin()
    hit = None
    while hit is None:
        task = next((task for task in stage.tasks() if task["id"] > before), {})
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


def repairs(stage):
    entries = stage.call("audit", "list", "shop.yaml", "--json").splitlines()
    return sum(json.loads(entry)["action"] == "repair" for entry in entries)


def rolled_back(stage):
    """Going back, undisturbed, cancelled, and killed at each boundary."""
    first = stage.live()
    stage.call("resync", "shop.yaml", "--table", "main.cases")
    resync, second = stage.tasks()[-1]["id"], stage.live()
    time.sleep(1)
    before = repairs(stage)
    stage.call("resync", "rollback", "shop.yaml", str(resync))
    task = stage.tasks()[-1]
    if repairs(stage) != before:
        raise Failed("what has no row any more was left to the comparison")
    if stage.live() != first or task["rolls_back"] != resync or task["form"]["index"]["live"] != second[0]:
        raise Failed(f"rolled back to {stage.live()}, not {first}: {task}")
    stage.call("resync", "forget", "shop.yaml", str(resync), codes=(1,))
    print(f"rolled back from {second} to {stage.live()}", flush=True)

    # Forward again, the same way; and once in vain.
    stage.call("pause", "shop.yaml")
    asking = stage.ask_for("resync", "rollback", "shop.yaml", str(task["id"]))
    until("running", lambda: stage.tasks()[-1]["state"] == "running")
    stage.call("resync", "forget", "shop.yaml", str(task["id"]), codes=(1,))
    stage.call("resync", "cancel", "shop.yaml", str(stage.tasks()[-1]["id"]))
    stage.call("resume", "shop.yaml")
    asking.wait(timeout=60)
    until("cleaned", lambda: not stage.tasks()[-1]["leftover"])
    names = stage.ask("GET", f"/{second[0]}/_alias")[second[0]]["aliases"]
    if stage.tasks()[-1]["state"] != "cancelled" or stage.live() != first or names:
        raise Failed(f"cancelled: {stage.tasks()[-1]} {stage.live()} {names}")
    stage.call("resync", "rollback", "shop.yaml", str(task["id"]))
    if stage.live() != second or stage.indices() != sorted(first + second):
        raise Failed(f"forward again to {stage.live()} of {stage.indices()}")
    stage.call("resync", "forget", "shop.yaml", str(stage.tasks()[-1]["id"]))
    print(f"and forward again to {stage.live()}", flush=True)

    for boundary in ["pending", "running", "verifying", "swapping", "moved", "completed"]:
        for _ in range(3):
            hit, at = killed_at(stage, boundary, back=True)
            print(f"back, killed at {boundary}: {'hit' if hit else 'missed'} ({at}), now {stage.live()}", flush=True)
            if hit:
                break


def part(stage):
    """Rows of a range made anew in the live index: a document that differs, and one without a row, which only its own range takes."""
    live, gone = stage.live(), 10**9
    version = stage.ask("GET", f"/{stage.index}/_doc/7")["_version"]
    same = f"version={version}&version_type=external_gte"
    stage.ask("PUT", f"/{stage.index}/_doc/7?{same}", {"id": 7, "name": "not this"})
    stage.ask("PUT", f"/{stage.index}/_doc/{gone}?version=3&version_type=external", {"id": gone})
    stage.call("resync", "shop.yaml", "--table", "main.cases", "--from", "5", "--to", "9")
    if stage.ask("GET", f"/{stage.index}/_doc/7")["_source"]["name"] != "case 7" or stage.live() != live:
        raise Failed(f"a part: {stage.tasks()[-1]}")
    stage.ask("GET", f"/{stage.index}/_doc/{gone}")
    stage.call("resync", "shop.yaml", "--table", "main.cases", "--from", str(gone))
    try:
        found = stage.ask("GET", f"/{stage.index}/_doc/{gone}")
        raise Failed(f"a part has left {found}")
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
    print("a part: made anew in place", flush=True)


def table_state(stage):
    return json.loads(stage.call("status", "shop.yaml", "--json"))["pipelines"][0]["tables"][0]["state"]


def stale(stage):
    """A route that has changed: its table is stale until the one target that it has was made anew."""
    stage.stop()
    stage.write(CHANGED)
    stage.start()
    until("streaming", lambda: stage.state() == "streaming")
    until("stale", lambda: table_state(stage) == "stale", patience=20)
    stage.call("resync", "shop.yaml", "--table", "main.cases")
    if table_state(stage) != "ok":
        raise Failed(f"the table is {table_state(stage)} after the resync")
    if stage.ask("GET", f"/{stage.index}/_doc/7")["_source"].get("made") != "anew":
        raise Failed("the documents are as the old route made them")
    print("stale: ok after the resync", flush=True)


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
        rolled_back(stage)
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
    part(stage)
    stale(stage)
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
