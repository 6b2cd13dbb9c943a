#!/usr/bin/env python3
"""(g) What a running `verify` costs the stream: a backlog of changes is applied with a comparison of another table beside it, and without.

    tests/services/services.sh python benches/verify_cost.py [ROWS] [CHANGES] [PAIRS]
"""
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import SYNCLINE, Run, median, port, server, table

PIPELINE = """version: 1
data: {folder}/data
connections:
  shop: {url}/bench
  pocket: sqlite:{folder}/cache.db
pipelines:
  bench:
    source: {{ connection: shop, tables: ["bench.small", "bench.busy"] }}
    routes:
      - {{ table: "bench.*", to: [{{ connection: pocket, key: "{{table}}:{{id}}" }}] }}
"""


def sql(at, *statements):
    subprocess.run(["mariadb", "-h127.0.0.1", f"-P{at}", "-uroot", "-e", "; ".join(statements)], check=True)


def fill(at, rows, changes):
    made = "(id INT PRIMARY KEY, a BIGINT, b VARCHAR(16), c DATETIME)"
    row = "SELECT seq, seq * 7919, CONCAT('row ', seq), '2026-01-01' + INTERVAL seq SECOND FROM seq_1_to_"
    sql(at, "CREATE DATABASE IF NOT EXISTS bench", "USE bench", "DROP TABLE IF EXISTS small, busy", f"CREATE TABLE small {made}",
        f"CREATE TABLE busy {made}", f"INSERT INTO small {row}{rows}", f"INSERT INTO busy {row}{changes}")


def status(file):
    told = subprocess.run([SYNCLINE, "status", str(file), "--json"], capture_output=True, check=True)
    return json.loads(told.stdout)["pipelines"][0]


def applied(file):
    table = next(table for table in status(file)["tables"] if table["table"] == "bench.busy")
    return table["applied"] + table["superseded"]


def drained(at, file, changes, beside):
    """Seconds from `resume` until a backlog is applied."""
    subprocess.run([SYNCLINE, "pause", str(file)], check=True, stdout=subprocess.DEVNULL)
    goal = applied(file) + changes
    sql(at, "USE bench", *(f"UPDATE busy SET a = a + 1 WHERE id > {low} AND id <= {low + 1000}" for low in range(0, changes, 1000)))
    subprocess.run([SYNCLINE, "resume", str(file)], check=True, stdout=subprocess.DEVNULL)
    began = time.monotonic()
    compare = [SYNCLINE, "verify", str(file), "--table", "bench.small", "--json"]
    verify = subprocess.Popen(compare, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) if beside else None
    while applied(file) < goal:
        time.sleep(0.05)
    seconds = time.monotonic() - began
    over = verify is not None and verify.poll() is not None
    if verify is not None and verify.wait() != 0:
        sys.exit(f"verify: {verify.stderr.read().decode()[-2000:]}")
    return seconds, over


def main(rows=2_000_000, changes=1_000_000, pairs=5):
    url = server("MARIADB_FULL")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "bench.yaml"
        file.write_text(PIPELINE.format(folder=folder, url=url))
        fill(port(url), rows, changes)
        Run([SYNCLINE, "run", str(file), "--until-current"])
        process = subprocess.Popen([SYNCLINE, "run", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while status(file)["state"] != "streaming":
            time.sleep(0.2)
        alone, beside, early = [], [], 0
        for _ in range(pairs):
            alone.append(drained(port(url), file, changes, False)[0])
            seconds, over = drained(port(url), file, changes, True)
            beside.append(seconds)
            early += over
        process.terminate()
        process.wait()
        shutil.rmtree(folder / "data")
    sql(port(url), "DROP TABLE bench.small, bench.busy")
    table(f"(g) a backlog of {changes:,} changes, {pairs} pairs", ("what", "changes/s"), [
        ("alone", f"{changes / median(alone):,.0f}"), (f"beside a comparison of {rows:,} rows", f"{changes / median(beside):,.0f}")])
    cost = 100 * (median([with_it / without for with_it, without in zip(beside, alone)]) - 1)
    print(f"\nthe stream takes {cost:.0f} % longer (median of pairs); {early} of {pairs} comparisons were over before it")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
