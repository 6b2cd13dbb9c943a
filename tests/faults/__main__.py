"""Shows every fault of the catalogue on its servers, and writes the table of docs/faults.md.

    eval "$(tests/services/services.sh env)"
    tests/services/services.sh python -m faults [--only NAME]... [--server NAME]... [--seed N] [--mixes SEEDS] [--boundaries N]
        [--heavy] [--write]

`--mixes 1-20` shows the random mixes of these seeds, too; with `--only mix` nothing else. `--boundaries 20` kills a run behind
each 20th fsync or send, too (boundaries.py).
Needs SYNCLINE_BIN or target/release/syncline. The spare servers lose their binlogs: nobody else should be using them.
Exit: 0 all shown and the table is what the file says, 1 not.
"""

import argparse
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from acceptance.process import Failed

from . import boundaries, buckets, cluster, configured, damage, files, forgetful, history, images, keys, lake, links, mixes, pairs, recovery, silent, tables, targets, transactions  # noqa: F401  they fill the catalogue
from .catalogue import FAULTS, FILE, PARTS, SPARES, NotHere
from .file_stage import FileStage
from .stage import Stage

# Faults that are shown at once on servers which take no harm.
SHARED = 4
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "faults.md"
INTRODUCTION = """# Faults

What Syncline does when a source or a target does something odd. Every row is a test that `./test` runs on the servers it
names (`tests/services/services.sh python -m faults --only NAME` runs one), with OpenSearch, Redis, a SQLite file and an archive
as targets. "Equal" is judged by a program that shares no code with Syncline, field by field; the balance of every table must
add up, too. `--mixes 1-20` adds twenty random mixes of such events, with kills in between; `./test` runs ten. What is called
heavy takes minutes and gigabytes of disk: `--heavy`, and `./test --whole`. This file is written by that test.

`python -m faults.boundaries` kills a run behind each fsync and each send of it (SIGKILL, by strace), one after the other, and
looks whether all is equal after the next run; `./test` takes each 120th.

| part | what happens | what Syncline does | servers | test |
|---|---|---|---|---|
"""


def table():
    lines = []
    for fault in sorted(FAULTS, key=lambda fault: PARTS.index(fault.part)):
        lines.append(f"| {fault.part} | {fault.what} | {fault.ends} | {', '.join(fault.servers)} | `{fault.name}`{' (heavy)' if fault.heavy else ''} |\n")
    return INTRODUCTION + "".join(lines)


def show(fault, server, seed):
    began = time.monotonic()
    stage = None
    try:
        made = FileStage if server == FILE else Stage
        stage = made(server, fault.name if seed == 1 else f"{fault.name}_{seed}", seed)
        try:
            fault.run(stage)
        except NotHere as reason:
            print(f"NOT SHOWN {fault.name} {server}: {reason}", flush=True)
            stage.close()
            return None
        stage.close()
        error = None
    except Exception as problem:  # whatever it is, the others are still to be shown
        error = str(problem) if isinstance(problem, Failed) else traceback.format_exc()
    outcome = "ok" if error is None else "FAILED"
    print(f"{outcome:<6} {fault.name:<24} {server:<16} {time.monotonic() - began:6.1f} s  seed {seed}", flush=True)
    if error is not None:
        print(f"  folder {stage.folder if stage else '-'}\n{error}", flush=True)
    return error is None


def at_once(wanted, every):
    """Most of a fault is waiting, so some are shown beside each other; but only one at a time on a spare server."""
    alone = {server: [one for one in wanted if one[1] == server] for server in SPARES}
    shared = [one for one in wanted if one[1] not in SPARES]
    with ThreadPoolExecutor(len(alone) + 1 + SHARED) as pool:
        lanes = [pool.submit(lambda lane=lane: [show(*one) for one in lane]) for lane in alone.values()]
        lanes.append(pool.submit(boundaries_shown, every))
        beside = [pool.submit(show, *one) for one in shared]
        return [shown for lane in lanes for shown in lane.result()] + [one.result() for one in beside]


def boundaries_shown(every):
    return [boundaries.show("mysql", run, every) for run in boundaries.RUNS if every]


def seeds(text):
    """`1-5,9`"""
    spans = [part.partition("-") for part in text.split(",")]
    return [seed for first, _, last in spans for seed in range(int(first), int(last or first) + 1)]


def main():
    parser = argparse.ArgumentParser(prog="faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--server", action="append", default=[])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write docs/faults.md")
    parser.add_argument("--mixes", type=seeds, default=[], metavar="SEEDS", help="random mixes of these seeds, too")
    parser.add_argument("--boundaries", type=int, metavar="N", help="kills behind each Nth boundary, too")
    parser.add_argument("--heavy", action="store_true", help="also what takes minutes, and gigabytes of disk")
    options = parser.parse_args()
    wanted = [
        (fault, server, options.seed) for fault in FAULTS
        if (fault.name in options.only if options.only else options.heavy or not fault.heavy)
        for server in fault.servers if not options.server or server in options.server]
    shown = at_once(wanted + mixes.wanted(options.mixes), options.boundaries)
    print(f"{shown.count(True)} of {len(shown)} shown")
    if options.write:
        DOCUMENT.write_text(table(), encoding="utf-8")
    elif DOCUMENT.read_text(encoding="utf-8") != table():
        print("docs/faults.md says something else: python -m faults --write")
        return 1
    return 0 if True in shown and False not in shown else 1


if __name__ == "__main__":
    sys.exit(main())
