"""Kills a run behind each fsync and each send of it, one after the other: all is equal after the next run, each time.

    eval "$(tests/services/services.sh env)"
    tests/services/services.sh python -m faults.boundaries [--server NAME] [--run first|later] [--every N]

`first` is the run that reads the tables; `later` follows changes, a TRUNCATE, a column and a table that is made again. The run
is traced with strace; a call is stopped for a moment when it has returned, before Syncline hears of it.
Exit: 0 equal behind every boundary, 1 not.
"""

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time

from acceptance.process import Failed

from .stage import PATIENCE, Stage

RUNS = ("first", "later")
CALLS = "fsync,fdatasync,sendto,sendmsg,writev"
STOPPED_FOR = "2ms"
BOUNDARY = re.compile(r"(fsync|fdatasync)\(|(sendto|sendmsg|writev)\(\d+<(TCP|TCPv6|UNIX)")
BEGUN, ENDED = "<unfinished ...>", re.compile(r"<\.\.\. \w+ resumed>")


class Boundaries:
    """Counts the calls that have returned."""

    def __init__(self):
        self.count, self.begun = 0, set()

    def passed(self, line):
        """Whether this line of the trace ends a call that counts."""
        thread, _, call = line.partition(" ")
        call = call.lstrip()
        if ENDED.match(call):
            counts = thread in self.begun
            self.begun.discard(thread)
        else:
            counts = bool(BOUNDARY.match(call))
            if counts and call.rstrip().endswith(BEGUN):
                self.begun.add(thread)
                return False
        self.count += counts
        return counts


def run_killed(stage, number):
    """One run with SIGKILL behind its boundary of this number; how many it has passed by then, which is fewer if it ended."""
    reading, writing = os.pipe()
    command = [
        "strace", "-f", "-qq", "-yy", "-e", f"trace={CALLS}", "-e", f"inject={CALLS}:delay_exit={STOPPED_FOR}",
        "-e", "signal=none", "-o", f"/dev/fd/{writing}", stage.binary, "run", "pipeline.yaml", "--until-current"]
    tracer = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=stage.folder, pass_fds=(writing,))
    os.close(writing)
    late = threading.Timer(PATIENCE, tracer.kill)
    late.start()
    boundaries = Boundaries()
    with os.fdopen(reading, errors="replace") as trace:
        for line in trace:
            if boundaries.passed(line) and boundaries.count == number:
                kill_child(tracer.pid)
    told = tracer.communicate()[1].decode(errors="replace")
    late.cancel()
    if boundaries.count < number and tracer.returncode != 0:
        raise Failed(f"a run that nobody killed ended with {tracer.returncode}:\n{told[-3000:]}")
    return min(boundaries.count, number)


def kill_child(tracer):
    with open(f"/proc/{tracer}/task/{tracer}/children", encoding="ascii") as children, contextlib.suppress(ProcessLookupError):
        for child in children.read().split():
            os.kill(int(child), signal.SIGKILL)


def something_happens(stage, number):
    """The same every time, but for the rows."""
    stage.change(10)
    stage.sql("TRUNCATE TABLE u", f"ALTER TABLE t ADD COLUMN extra{number} INT DEFAULT 1")
    stage.change(5)
    stage.sql(f"ALTER TABLE t DROP COLUMN extra{number}", "DROP TABLE IF EXISTS v",
              "CREATE TABLE v (id INT PRIMARY KEY, n INT)", f"INSERT INTO v VALUES (1, {number}), ({number + 1}, 2)")
    stage.change(5)


def every_boundary(server, first, every):
    """Yields the number of each boundary behind which all was equal."""
    stage, number = None, every
    while True:
        if first or stage is None:
            stage = Stage(server, "boundaries", number)
        if not first:
            if number == every:
                stage.settle()
            something_happens(stage, number)
        passed = run_killed(stage, number)
        stage.settle()
        if first or passed < number:
            stage.close()
        if passed < number:
            return
        yield number
        number += every


def show(server, run, every):
    """Prints how it went; whether all was equal."""
    began, last, kills = time.monotonic(), 0, 0
    try:
        for last in every_boundary(server, run == "first", every):
            kills += 1
            print(f"{run} run: equal behind boundary {last}", file=sys.stderr, flush=True)
    except Failed as error:
        print(f"FAILED {run} run on {server}, behind the boundary after {last}:\n{error}", flush=True)
        return False
    behind = f"each of {last}" if every == 1 else f"each {every}. of {last} or more: {kills}"
    print(f"ok     boundaries, {run + ' run':<12} {server:<16} {time.monotonic() - began:6.1f} s  equal behind {behind}", flush=True)
    return kills > 0


def main():
    parser = argparse.ArgumentParser(prog="boundaries", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="mariadb")
    parser.add_argument("--run", choices=RUNS, action="append")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth boundary")
    options = parser.parse_args()
    return 0 if all([show(options.server, run, options.every) for run in options.run or RUNS]) else 1


if __name__ == "__main__":
    sys.exit(main())
