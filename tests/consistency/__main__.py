"""Corrupts targets behind Syncline's back under a running writer: `verify` must name each document and no other, `repair` put it right.

    eval "$(tests/services/services.sh env)"
    tests/services/services.sh python -m consistency [--rows N] [--rate 1000] [--passes 20] [--each 100] [--server mariadb]...

In OpenSearch, Redis, two SQLite files and an archive each, so many documents are deleted, so many changed, so many strays added, whose rows
the writer leaves alone; then the same is done to documents whose rows change every second. Needs SYNCLINE_BIN or target/release/syncline. Exit: 0 all shown, 1 not.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter

from acceptance.process import Failed, Syncline
from acceptance.setting import Setting
from checker.database import connect
from data.flights import load

from .parts import require_parts, require_resumed
from .targets import LIVE, TARGETS, TENANT

# The writer takes its keys from the rows that are there when it starts, and goes on above them.
FIRST, FIRST_HOT, FIRST_STRAY = 800_000_000, 850_000_000, 990_000_000
HOT = 20
VERIFIED = tuple(TARGETS)


class Scenario:
    def __init__(self, setting, options):
        self.setting, self.options = setting, options
        self.life = self.writer = None
        self.began = time.monotonic()
        self.targets = {}

    def say(self, text):
        print(f"[{self.setting.server} {time.monotonic() - self.began:6.1f} s] {text}", flush=True)

    def name_tenants(self):
        with open(self.setting.file, encoding="utf-8") as file:
            text = file.read()
        with open(self.setting.file, "w", encoding="utf-8") as file:
            file.write(text.replace("    routes:", "    tenant: carrier\n    routes:"))

    # ---- Syncline

    def call(self, *arguments, codes=(0,)):
        done = subprocess.run([self.life.binary, *arguments], capture_output=True, cwd=self.setting.folder, timeout=600, check=False)
        if done.returncode not in codes:
            raise Failed(f"{' '.join(arguments)} ended with {done.returncode}, wanted {codes}:\n{done.stderr.decode()[-3000:]}")
        return done.returncode, done.stdout.decode()

    def verify(self, *arguments, codes=(0, 4)):
        """The report as `{(table, target): part}`, and the exit code."""
        code, told = self.call("verify", self.setting.file, "--json", *arguments, codes=codes)
        report = json.loads(told)
        parts = {(part["table"].split(".")[1], part["target"]): part for part in report["tables"]}
        if code == 4 and not report["drift"] or code == 0 and report["drift"]:
            raise Failed(f"exit {code} with a drift of {report['drift']}")
        return code, parts, report["seconds"]

    def require_clean(self, parts):
        for (table, target), part in parts.items():
            if part["missing"] or part["different"] or part["extra"] or part["unsettled"]:
                raise Failed(f"{table} in {target}: {json.dumps(part)[:3000]}")

    def repair(self, *arguments, codes):
        _, told = self.call("repair", self.setting.file, "--json", *arguments, codes=codes)
        return {(part["table"].split(".")[1], part["target"]): part for part in json.loads(told)["tables"]}

    # ---- the writer and the rows that it leaves alone

    def start_writer(self):
        self.stop_file = os.path.join(self.setting.folder, "stop")
        self.writer = subprocess.Popen(
            [sys.executable, "-m", "data.writer", "--url", self.setting.source, "--database", self.setting.database,
             "--rate", str(self.options.rate), "--stop", self.stop_file], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        time.sleep(1)

    def stop_writer(self):
        open(self.stop_file, "w").close()
        told, _ = self.writer.communicate(timeout=120)
        self.writer = None
        self.say(f"writer: {told.decode().strip()}")

    def add_victims(self):
        each = self.options.each
        self.deleted = list(range(FIRST, FIRST + each))
        self.changed = list(range(FIRST + each, FIRST + 2 * each))
        self.strays = list(range(FIRST_STRAY, FIRST_STRAY + each))
        self.hot = list(range(FIRST_HOT, FIRST_HOT + HOT))
        connection = connect(self.setting.source, self.setting.database)
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO flights (id, year, month, day, sched_dep_time, sched_arr_time, carrier, flight, origin, dest, distance, "
                "hour, minute, time_hour, note) VALUES (%s, 2013, 1, 1, 1, 1, %s, 7, 'EWR', 'JFK', 1.5, 1, 1, '2013-01-01 00:00:00', 'mine')",
                [(key, TENANT) for key in self.deleted + self.changed + self.hot])
        connection.close()
        deadline = time.monotonic() + 120
        while any(None in target.stored(self.changed + self.deleted) for target in self.targets.values()):
            if time.monotonic() > deadline:
                raise Failed("the rows do not come to the targets")
            time.sleep(0.2)

    def corrupt(self):
        for name in LIVE:
            self.corrupt_one(self.targets[name])
        # The others are changed while nobody writes to them; rows change all the same.
        self.life.stop()
        for name in TARGETS.keys() - LIVE.keys():
            self.corrupt_one(self.targets[name])
        self.life = Syncline(self.setting, 3).start()
        self.wait_for_stream()

    def corrupt_one(self, target):
        target.delete(self.deleted)
        target.change(self.changed)
        target.stray(self.strays)

    def wait_for_stream(self):
        while self.life.status()["state"] != "streaming":
            self.life.require_life()
            time.sleep(0.5)

    def require_all_named(self, parts):
        kinds = (("missing", self.deleted), ("different", self.changed), ("extra", self.strays))
        for target in VERIFIED:
            part = parts["flights", target]
            if part["truncated"] or part["unsettled"]:
                raise Failed(f"{target}: {json.dumps(part)[:2000]}")
            for kind, keys in kinds:
                found = sorted(row["key"]["id"] for row in part["rows"] if row["kind"] == kind)
                if found != keys or part[kind] != len(keys):
                    wrong = sorted(set(found) ^ set(keys))
                    raise Failed(f"{target}: {part[kind]} {kind}, wanted {len(keys)}; the first that are wrong: {wrong[:10]}")
            fields = {tuple(row["fields"]) for row in part["rows"] if row["kind"] == "different"}
            if fields != {("note",)}:
                raise Failed(f"{target}: the fields that differ are said to be {fields}")
        self.require_clean({name: part for name, part in parts.items() if name[0] != "flights"})

    # ---- rows that change every second

    def heat(self, keys, pause):
        """The rows change one after the other, which brings their documents back."""
        connection = connect(self.setting.source, self.setting.database)
        number = 0
        while not self.cold.wait(pause):
            number += 1
            with connection.cursor() as cursor:
                cursor.execute("UPDATE flights SET arr_delay = %s WHERE id = %s", (number % 1000, keys[number % len(keys)]))
        connection.close()

    def sabotage(self, target):
        """And this takes it away again, so that it is missing most of the time."""
        while not self.cold.wait(0.05):
            target.delete(self.hot)

    def require_hot(self):
        self.cold = threading.Event()
        live = {name: self.targets[name] for name in LIVE}
        # Each once a second; and one of them all the time, so that it may never be seen to stand still.
        work = [lambda: self.heat(self.hot[1:], 1 / HOT), lambda: self.heat(self.hot[:1], 0.001), *(lambda target=target: self.sabotage(target) for target in live.values())]
        threads = [threading.Thread(target=one, daemon=True) for one in work]
        for thread in threads:
            thread.start()
        named = {name: {} for name in live}
        for turn in range(10):
            _, parts, _ = self.verify(codes=(4, 5))
            for name in live:
                for row in parts["flights", name]["rows"]:
                    if row["key"].get("id") not in self.hot:
                        raise Failed(f"{name}: a false alarm: {row}")
                    named[name].setdefault(row["key"]["id"], (turn + 1, row["kind"]))
            # The one that changes all the time is there most of the time.
            if all(sorted({*found, self.hot[0]}) == self.hot for found in named.values()):
                break
        self.cold.set()
        for thread in threads:
            thread.join()
        for name, found in named.items():
            if sorted({*found, self.hot[0]}) != self.hot:
                raise Failed(f"{name}: {len(found)} of {HOT} were named within ten passes")
            self.say(f"rows that change every second, {name}: all named by pass {max(turn for turn, _ in found.values())}, "
                     f"{Counter(kind for _, kind in found.values())}")

    # ---- the whole

    def require_repaired(self):
        parts = self.repair(codes=(4,))
        self.require_all_named(parts)
        if any(part["repaired"] for part in parts.values()):
            raise Failed("a preview has repaired something")
        _, parts, _ = self.verify(codes=(4,))
        self.require_all_named(parts)
        began = time.monotonic()
        parts = self.repair("--yes", codes=(0,))
        for name in VERIFIED:
            if parts["flights", name]["repaired"] != 3 * self.options.each:
                raise Failed(f"{name}: {json.dumps(parts['flights', name])[:2000]}")
        self.say(f"repaired in {time.monotonic() - began:.1f} s")
        _, parts, _ = self.verify(codes=(0,))
        self.require_clean(parts)

    def run(self):
        self.setting.prepare()
        self.name_tenants()
        self.say(f"loaded {load(self.setting.source, self.setting.database, self.options.rows)}")
        self.life = Syncline(self.setting, 1).start()
        self.wait_for_stream()
        self.targets = {name: target(self.setting) for name, target in TARGETS.items()}
        self.start_writer()
        # Tables that were made since then are compared as a whole.
        time.sleep(3)
        self.began_at = time.time()
        self.add_victims()
        _, parts, seconds = self.verify(codes=(0,))
        self.require_clean(parts)
        compared = sum(part["compared"] for part in parts.values())
        self.say(f"clean under the writer: {compared} documents in {seconds:.1f} s")
        self.corrupt()
        for turn in range(self.options.passes):
            _, parts, seconds = self.verify(codes=(4,))
            self.require_all_named(parts)
            self.say(f"pass {turn + 1}: exactly the {3 * self.options.each} of each target, {seconds:.1f} s")
        require_parts(self)
        require_resumed(self)
        self.require_repaired()
        self.require_hot()
        self.repair("--yes", codes=(0, 5))
        self.stop_writer()
        _, parts, _ = self.verify(codes=(0, 4))
        self.require_clean(parts)
        self.life.stop()

    def clean_up(self):
        if self.life is not None and self.life.process.poll() is None:
            self.life.kill()
        if self.writer is not None:
            self.writer.kill()
            self.writer.wait()


def main():
    parser = argparse.ArgumentParser(prog="consistency", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, help="so many flights; default: all 336,776")
    parser.add_argument("--rate", type=float, default=1000, help="rows per second that the writer changes")
    parser.add_argument("--passes", type=int, default=20)
    parser.add_argument("--each", type=int, default=100, help="documents deleted, changed and added in each target")
    parser.add_argument("--server", action="append", help="default: mariadb and mysql")
    parser.add_argument("--folder", default="target/consistency")
    options = parser.parse_args()
    options.rows_or_all = lambda: options.rows or 336_776
    failed = 0
    for server in options.server or ["mariadb", "mysql"]:
        scenario = Scenario(Setting(server, os.path.abspath(options.folder)), options)
        scenario.setting.database = "consistency_" + server.replace("-", "_")
        try:
            scenario.run()
            scenario.setting.forget()
            scenario.say("all shown")
        except Failed as fault:
            failed = 1
            scenario.say(f"FAILED: {fault}")
        finally:
            scenario.clean_up()
    sys.exit(failed)


if __name__ == "__main__":
    main()
