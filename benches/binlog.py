#!/usr/bin/env python3
"""(a) Binlog of 1M rows of 10 columns -> route -> JSON -> discard, beside `mariadb-binlog -v`, which only prints text.

    tests/services/services.sh python benches/binlog.py [ROWS] [PAIRS]

`discard` hashes every byte; the hash is compared with that of what `stdout` writes for the same binlog.
"""
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import source_table
import xxhash
from measure import SYNCLINE, Run, median, port, server, table

PIPELINE = """version: 1
data: {data}
connections:
  shop: {url}
pipelines:
  bench:
    source: {{ connection: shop, tables: ["bench.t"], backfill: false }}
    routes:
      - table: bench.t
        to: [{{ {target}: true }}]
"""


def config(folder, url, target):
    file = folder / f"{target}.yaml"
    file.write_text(PIPELINE.format(data=folder / f"data-{target}", url=f"{url}/bench", target=target))
    return file


def from_start(folder, file, target):
    """The ledger as it was before the rows were written."""
    data = folder / f"data-{target}"
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(folder / f"start-{target}", data)
    return [SYNCLINE, "run", str(file), "--until-current"]


def hash_of_stdout(folder, file):
    digest = xxhash.xxh3_128()
    child = subprocess.Popen(from_start(folder, file, "stdout"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    while block := child.stdout.read(1 << 20):
        digest.update(block)
    if child.wait() != 0:
        sys.exit("stdout run failed")
    return digest.hexdigest()


def main(rows=1_000_000, pairs=5):
    url = server("MARIADB_FULL")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {target: config(folder, url, target) for target in ("discard", "stdout")}
        source_table.fresh(port(url))
        for target, file in files.items():
            Run([SYNCLINE, "run", str(file), "--until-current"])
            shutil.copytree(folder / f"data-{target}", folder / f"start-{target}")
        log, offset = source_table.position(port(url))
        source_table.fill(port(url), rows)
        floor = ["mariadb-binlog", "-v", "--base64-output=decode-rows", "--read-from-remote-server", "-h127.0.0.1",
                 f"-P{port(url)}", "-uroot", f"--start-position={offset}", "--to-last-log", log]
        ours, theirs, ratios = [], [], []
        for _ in range(pairs):
            a = Run(from_start(folder, files["discard"], "discard"))
            b = Run(floor)
            ours.append(a)
            theirs.append(b)
            ratios.append(a.cpu / b.cpu)
        line = next(l for l in ours[-1].stderr.splitlines() if l.startswith("discard:"))
        lines, digest = int(line.split()[1]), line.split()[-1]
        expected = hash_of_stdout(folder, files["stdout"])
        if lines != rows or digest != expected:
            sys.exit(f"{lines} of {rows} lines, hash {digest}, stdout gives {expected}")

    def row(title, runs):
        cpu, wall = median([r.cpu for r in runs]), median([r.wall for r in runs])
        return title, f"{cpu:.2f}", f"{rows / wall:,.0f}", f"{max(r.peak_mb for r in runs):.0f}"

    table(f"(a) {rows:,} rows from the binlog to JSON, {pairs} pairs", ("what", "CPU-s", "rows/s", "peak MB"),
          [row("syncline → discard", ours), row("mariadb-binlog -v > /dev/null", theirs)])
    print(f"\nCPU ratio, median of pairs: {median(ratios):.2f}; hash of {lines:,} lines equals that of stdout: {digest}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
