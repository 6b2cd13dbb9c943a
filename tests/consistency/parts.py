"""Comparisons of a part, under the writer: of one tenant, of what changed of late, of a sample; and one that a kill interrupts."""

import os
import signal
import sqlite3
import subprocess
import time

from acceptance.process import Failed, Syncline

from .targets import TARGETS, TENANT

# Slow enough that it is still at it when it is killed.
SLOW = 2000
PATIENCE = 120


def kinds(part):
    return [part[kind] for kind in ("missing", "different", "extra", "unsettled")]


def require_parts(scenario):
    """What was corrupted is found by each that it is a part of, exactly, and by no other."""
    each = scenario.options.each
    _, parts, seconds = scenario.verify("--tenant", TENANT, codes=(4,))
    scenario.require_all_named(parts)
    scenario.say(f"tenant {TENANT}: exactly the {3 * each} of each target among {parts['flights', 'hot']['compared']}, {seconds:.1f} s")
    _, parts, seconds = scenario.verify("--tenant", "UA", codes=(0,))
    scenario.require_clean(parts)
    if parts["flights", "hot"]["compared"] < scenario.options.rows_or_all() / 20:
        raise Failed(f"only {parts['flights', 'hot']['compared']} documents of UA")
    scenario.say(f"tenant UA: clean, {parts['flights', 'hot']['compared']} documents, {seconds:.1f} s")
    since(scenario)
    sample(scenario)


def since(scenario):
    """All but the strays, which no row has touched; rows that the writer touches are as they should be."""
    began = scenario.began_at
    ago = int(time.time() - began) + 1
    _, parts, seconds = scenario.verify("--since", f"{ago}s", codes=(4,))
    each = scenario.options.each
    for name in TARGETS:
        part = parts["flights", name]
        if kinds(part) != [each, each, 0, 0]:
            raise Failed(f"--since, {name}: {kinds(part)}")
        found = sorted(row["key"]["id"] for row in part["rows"])
        if found != sorted(scenario.deleted + scenario.changed):
            raise Failed(f"--since, {name}: {found[:10]}")
    scenario.say(f"since {ago} s: exactly the {2 * each} of each target among {parts['flights', 'hot']['compared']}, {seconds:.1f} s")


def sample(scenario):
    mine = set(scenario.deleted + scenario.changed)
    _, parts, seconds = scenario.verify("--sample", "2000", codes=(0, 4))
    for name in TARGETS:
        part = parts["flights", name]
        if part["extra"] or part["unsettled"] or not {row["key"]["id"] for row in part["rows"]} <= mine:
            raise Failed(f"--sample, {name}: {part}")
        if not 1000 <= part["compared"] <= 3000:
            raise Failed(f"--sample, {name}: {part['compared']} documents")
    scenario.say(f"sample: {parts['flights', 'hot']['compared']} documents, no false alarm, {seconds:.1f} s")


def done_with(folder):
    """What a comparison that is under way has noted."""
    ledger = sqlite3.connect(f"file:{os.path.join(folder, 'data', 'ledger.db')}?mode=ro", uri=True)
    found = ledger.execute("SELECT value FROM property WHERE name = 'verify.interrupted'").fetchone()
    ledger.close()
    return found[0] if found else ""


def require_resumed(scenario):
    """The process is killed in the middle of a comparison; with --resume the next one goes on behind what that was done with."""
    client = subprocess.Popen(
        [scenario.life.binary, "verify", scenario.setting.file, "--json", "--rows-per-second", str(SLOW)], cwd=scenario.setting.folder,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE
    while ".airports" not in done_with(scenario.setting.folder):
        if time.monotonic() > deadline or client.poll() is not None:
            raise Failed("the comparison was never in the middle")
        time.sleep(0.05)
    if ".flights" in done_with(scenario.setting.folder):
        raise Failed("the comparison was over too soon")
    scenario.life.process.send_signal(signal.SIGKILL)
    scenario.life.process.wait()
    client.wait(PATIENCE)
    scenario.life = Syncline(scenario.setting, 2).start()
    while scenario.life.status()["state"] != "streaming":
        scenario.life.require_life()
        time.sleep(0.2)
    _, parts, seconds = scenario.verify("--resume", codes=(4,))
    scenario.require_all_named(parts)
    if done_with(scenario.setting.folder):
        raise Failed("the comparison has ended, and is still remembered")
    scenario.say(f"killed in the middle and resumed: exactly those of each target, {seconds:.1f} s")
