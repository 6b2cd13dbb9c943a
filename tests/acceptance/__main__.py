"""Kills Syncline again and again while it copies the flights and a writer changes them; in the end all must be equal.

    eval "$(tests/services/services.sh env)"
    tests/services/services.sh python -m acceptance [--rows N] [--kills 30] [--server mariadb --server mysql]

Reads from MariaDB and from MySQL into OpenSearch, Redis, two SQLite files and an archive. One half of the kills falls
into the backfill, the other into the stream; each server that is a sink is killed and started once. It prints how often
each phase was hit (a kill hits every phase that is open then), and fails if one never was. Needs SYNCLINE_BIN or target/release/syncline, and the servers mariadb,
mysql, opensearch and redis, which it restarts: nobody else should be using them. Exit: 0 all shown, 1 not.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter

from checker.database import binlog_end, connect
from data.flights import load

from .balance import require_backfill, require_balance, require_stream
from .process import PHASES, Failed, Syncline
from .setting import SHORT, Setting

IN_BACKFILL = ("window", "backfill", "bulk", "checkpoint")
IN_STREAM = ("drain", "checkpoint", "bulk")
# A process that keeps five targets under its default memory budget and grows beyond this has a leak.
PEAK_MIB = 256
# How long the process may take to start while a sink is gone, and what may be added after that: what waits for the sink, up
# to the memory budget.
STARTING = 5
GROWTH_MIB = 32
POISONED = tuple(range(900_000_001, 900_000_006))


class Scenario:
    def __init__(self, setting, options):
        self.setting, self.options = setting, options
        self.hits, self.lives, self.kills = Counter(), 0, 0
        self.peak_kib = 0
        self.writer = self.life = None
        self.began = time.monotonic()
        self.restarts = ["redis", "opensearch"]

    def say(self, text):
        print(f"[{self.setting.server} {time.monotonic() - self.began:6.1f} s] {text}", flush=True)

    def syncline(self, *arguments):
        self.lives += 1
        self.life = Syncline(self.setting, self.lives).start(*arguments)
        return self.life

    def position(self):
        connection = connect(self.setting.source)
        found = binlog_end(connection)
        connection.close()
        return found

    # ---- the writer

    def start_writer(self, seed):
        self.stop_file = os.path.join(self.setting.folder, f"stop-{seed}")
        self.writer = subprocess.Popen(
            [sys.executable, "-m", "data.writer", "--url", self.setting.source, "--database", self.setting.database,
             "--rate", str(self.options.rate), "--seed", str(seed), "--stop", self.stop_file],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def stop_writer(self):
        open(self.stop_file, "w").close()
        told, _ = self.writer.communicate(timeout=120)
        if self.writer.returncode != 0:
            raise Failed("the writer failed")
        self.writer = None
        self.say(f"writer: {told.decode().strip()}")
        if json.loads(told)["rows"] == 0:
            raise Failed("the writer changed nothing")

    def poison(self):
        """Rows that OpenSearch must refuse for good, and nobody else."""
        connection = connect(self.setting.source, self.setting.database)
        with connection.cursor() as cursor:
            for flight_id in POISONED:
                cursor.execute(
                    "INSERT INTO flights (id, year, month, day, sched_dep_time, sched_arr_time, carrier, flight, origin, dest, "
                    "distance, hour, minute, time_hour) VALUES (%s, 2013, 1, 1, 1, 1, 'XX', %s, 'EWR', 'JFK', 1, 1, 1, "
                    "'2013-01-01 00:00:00')", (flight_id, SHORT + 1000))
        connection.close()

    # ---- kills and restarts

    def kill_in(self, wanted):
        """One life: progress first, then SIGKILL in the wanted phase; where that does not come, in another one."""
        for _ in range(10):
            life = self.syncline()
            if not life.wait_for_phase(("bulk", "checkpoint"), 120):
                raise Failed("no progress within 120 s of a start")
            if self.kill_this(life, wanted):
                return
            self.say("it had drained before the kill: again")
        raise Failed("ten times it drained too fast to be killed")

    def kill_this(self, life, wanted):
        if wanted == "drain":
            life.process.terminate()
            life.wait_for_phase(("drain",), 30, may_end=True)
        elif not life.wait_for_phase((wanted,), 15):
            life.wait_for_phase(("bulk", "checkpoint"), 60)
        died_in = life.kill()
        if wanted == "drain" and life.process.returncode == 0:
            return False
        if life.process.returncode != -9:
            raise Failed(f"wanted to kill it in {wanted}, but it had ended with {life.process.returncode}")
        self.kills += 1
        self.hits.update(died_in)
        self.peak_kib = max(self.peak_kib, life.peak_kib)
        self.say(f"kill {self.kills}: wanted {wanted}, died in {', '.join(died_in) or 'none'} after {len(life.lines())} edges")
        return True

    def restart_sink(self):
        """Kills a server that is a sink under a running Syncline, which must live through it in bounded memory."""
        name = self.restarts.pop(0)
        life = self.syncline()
        if not life.wait_for_phase(("bulk",), 120):
            raise Failed(f"no bulk before the restart of {name}")
        began = time.monotonic()
        self.service("kill", name)
        time.sleep(STARTING)
        before = life.memory_kib()
        time.sleep(self.options.outage - STARTING)
        grown = (life.memory_kib() - before) // 1024
        self.service("start", name)
        gone = time.monotonic() - began
        life.new_lines()
        if not life.wait_for_phase(("checkpoint",), 120):
            raise Failed(f"no checkpoint within 120 s after {name} came back")
        life.stop()
        self.peak_kib = max(self.peak_kib, life.peak_kib)
        self.say(f"{name} was killed and gone for {gone:.0f} s; memory grew by {grown} MiB "
                 f"to {(before >> 10) + grown} MiB")
        if grown > GROWTH_MIB:
            raise Failed(f"memory grew by {grown} MiB while {name} was gone, {GROWTH_MIB} are allowed")

    def service(self, command, name):
        done = subprocess.run([self.setting.services, command, name], capture_output=True, check=False)
        if done.returncode != 0:
            raise Failed(f"services.sh {command} {name}: {done.stderr.decode()}")

    def until_current(self):
        began = time.monotonic()
        life = self.syncline("--until-current")
        life.finish(self.options.patience)
        status = life.status()
        counted = require_balance(status)
        self.say(f"current after {time.monotonic() - began:.1f} s, balance {counted}, dead letters {status['dead_letters']}")
        return status, counted

    # ---- the two halves

    def backfill_half(self, kills):
        begin = self.position()
        first = self.syncline()
        if not first.wait_for_phase(("backfill", "window"), 60):
            raise Failed("no backfill within 60 s")
        self.start_writer(self.options.seed)
        if not first.wait_for_phase(("bulk",), 60):
            raise Failed("no bulk within 60 s")
        self.kill_this(first, IN_BACKFILL[0])
        for number in range(1, kills):
            self.kill_in(IN_BACKFILL[number % len(IN_BACKFILL)])
        self.restart_sink()
        self.stop_writer()
        _, counted = self.until_current()
        changed, read = require_backfill(self.setting, counted, self.loaded, begin, self.position())
        self.say(f"backfill half: {changed} rows in the binlog, {read} deliveries of rows read from the tables")
        return counted

    def stream_half(self, kills, before):
        begin = self.position()
        self.start_writer(self.options.seed + 1)
        for number in range(kills):
            if number == kills // 2:
                self.poison()
            self.kill_in(IN_STREAM[number % len(IN_STREAM)])
        self.restart_sink()
        self.stop_writer()
        status, after = self.until_current()
        changed = require_stream(self.setting, before, after, begin, self.position())
        self.say(f"stream half: {changed} rows in the binlog, as many accepted by every sink")
        if status["dead_letters"] != len(POISONED) or after["dead"] != len(POISONED):
            raise Failed(f"{len(POISONED)} rows were poisoned, dead letters are {status['dead_letters']}, counted {after['dead']}")

    def compare(self):
        dead = ",".join(map(str, POISONED))
        command = [
            sys.executable, "-m", "checker", "compare", "--source", self.setting.source, "--table", f"{self.setting.database}.*",
            "--dead", f"search:{self.setting.database}.flights:{dead}"]
        for target in self.setting.targets():
            command += ["--target", target]
        if subprocess.run(command, check=False).returncode != 0:
            raise Failed("the checker found a difference")

    def run(self):
        self.setting.prepare()
        counts = load(self.setting.source, self.setting.database, self.options.rows)
        self.loaded = sum(counts.values())
        self.say(f"loaded {counts}")
        kills = self.options.kills
        before = self.backfill_half(kills - kills // 2)
        self.stream_half(kills // 2, before)
        self.compare()
        self.say("hits: " + ", ".join(f"{phase} {self.hits[phase]}" for phase in PHASES) + f"; peak {self.peak_kib // 1024} MiB")
        never = [phase for phase in PHASES if not self.hits[phase]]
        if never:
            raise Failed(f"never hit: {', '.join(never)}")
        if self.peak_kib > PEAK_MIB * 1024:
            raise Failed(f"it took {self.peak_kib // 1024} MiB at its peak, {PEAK_MIB} are allowed")

    def clean_up(self):
        if self.life is not None and self.life.process.poll() is None:
            self.life.kill()
        if self.writer is not None:
            self.writer.kill()
            self.writer.wait()
        for life in range(1, self.lives + 1):
            path = os.path.join(self.setting.folder, f"phases-{life:03}")
            if os.path.exists(path):
                os.remove(path)


def main():
    parser = argparse.ArgumentParser(prog="acceptance", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, help="so many flights; default: all 336,776")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--server", action="append", help="default: mariadb and mysql")
    parser.add_argument("--rate", type=float, default=300, help="rows per second that the writer changes")
    parser.add_argument("--outage", type=float, default=20, help="seconds that each sink is gone at least")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patience", type=float, default=900, help="seconds that --until-current may take")
    parser.add_argument("--folder", default="target/acceptance")
    options = parser.parse_args()
    failed = 0
    for server in options.server or ["mariadb", "mysql"]:
        scenario = Scenario(Setting(server, os.path.abspath(options.folder)), options)
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
