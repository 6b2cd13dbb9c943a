#!/usr/bin/env python3
"""(f) `verify` of a table of small rows against a SQLite cache, beside plainly reading both sides to their ends.

    tests/services/services.sh python benches/verify.py [ROWS] [PAIRS]

Plainly reading is `SELECT *` by the mariadb client and a walk of the cache's rows, both at once, thrown away. What verify does
besides: makes each row's document, takes digests of both sides, and brings them together.
"""
import json
import shutil
import sqlite3
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
    source: {{ connection: shop, tables: ["bench.small"] }}
    routes:
      - {{ table: bench.small, to: [{{ connection: pocket, key: "small:{{id}}" }}] }}
"""
WALK = "import sqlite3,sys\nfor _ in sqlite3.connect(sys.argv[1]).execute('SELECT key, version, value FROM cache'): pass"


def fill(at, rows):
    sql = ("CREATE DATABASE IF NOT EXISTS bench; USE bench; DROP TABLE IF EXISTS small; "
           "CREATE TABLE small (id INT PRIMARY KEY, a BIGINT, b VARCHAR(16), c DATETIME); "
           f"INSERT INTO small SELECT seq, seq * 7919, CONCAT('row ', seq), '2026-01-01' + INTERVAL seq SECOND FROM seq_1_to_{rows}")
    subprocess.run(["mariadb", "-h127.0.0.1", f"-P{at}", "-uroot", "-e", sql], check=True)


def plain(at, cache):
    """Both sides at once, in seconds of the slower one."""
    began = time.monotonic()
    select = ["mariadb", "-h127.0.0.1", f"-P{at}", "-uroot", "-N", "-B", "--quick", "-e", "SELECT * FROM bench.small"]
    sides = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in (select, [sys.executable, "-c", WALK, str(cache)])]
    if any(side.wait() for side in sides):
        sys.exit("a plain reading failed")
    return time.monotonic() - began


def main(rows=10_000_000, pairs=3):
    url = server("MARIADB_FULL")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "bench.yaml"
        file.write_text(PIPELINE.format(folder=folder, url=url))
        fill(port(url), rows)
        filled = Run([SYNCLINE, "run", str(file), "--until-current"])
        stored = sqlite3.connect(folder / "cache.db").execute("SELECT count(*) FROM cache").fetchone()[0]
        if stored != rows:
            sys.exit(f"the cache holds {stored} rows\n{filled.stderr[-2000:]}")
        ours, walls, limits = [], [], []
        for _ in range(pairs):
            limits.append(plain(port(url), folder / "cache.db"))
            with open(folder / "report", "wb") as told:
                done = Run([SYNCLINE, "verify", str(file), "--json"], stdout=told)
            report = json.loads((folder / "report").read_text())
            if report["drift"] or report["tables"][0]["compared"] != rows:
                sys.exit(f"verify told {report}\n{done.stderr[-2000:]}")
            ours.append(done)
            walls.append(report["seconds"])
        shutil.rmtree(folder / "data")
    subprocess.run(["mariadb", "-h127.0.0.1", f"-P{port(url)}", "-uroot", "-e", "DROP TABLE bench.small"], check=True)
    rate, limit = rows / median(walls), rows / median(limits)
    table(f"(f) verify of {rows:,} rows, {pairs} pairs", ("what", "rows/s", "CPU-s", "peak MB"), [
        ("syncline verify", f"{rate:,.0f}", f"{median([run.cpu for run in ours]):.1f}", f"{max(run.peak_mb for run in ours):.0f}"),
        ("SELECT * and a walk of the cache", f"{limit:,.0f}", "", "")])
    share = 100 * median([limit / wall for limit, wall in zip(limits, walls)])
    print(f"\nverify at {share:.0f} % of plainly reading both sides (median of pairs); {rate * 3600 / 1e6:,.0f} million rows/h")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
