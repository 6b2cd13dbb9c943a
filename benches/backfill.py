#!/usr/bin/env python3
"""(d) Backfill of a table -> discard, beside a plain SELECT of the same table to JSON.

    tests/services/services.sh python benches/backfill.py [ROWS] [PAIRS]
"""
import shutil
import sys
import tempfile
from pathlib import Path

import source_table
from binlog import PIPELINE
from measure import SYNCLINE, Run, median, port, server, table

COLUMNS = "id a b c d e f g h j".split()


def main(rows=1_000_000, pairs=5):
    url = server("MARIADB_FULL")
    members = ",".join(f"'{column}',{column}" for column in COLUMNS)
    select = ["mariadb", "-h127.0.0.1", f"-P{port(url)}", "-uroot", "-N", "-B", "--quick", "--default-character-set=utf8mb4",
              "-e", f"select json_object({members}) from bench.t"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, file = folder / "data", folder / "bench.yaml"
        text = PIPELINE.replace("backfill: false", "backfill: true")
        file.write_text(text.format(data=data, url=f"{url}/bench", target="discard"))
        source_table.fresh(port(url))
        source_table.fill(port(url), rows)
        ours, theirs, ratios = [], [], []
        for _ in range(pairs):
            shutil.rmtree(data, ignore_errors=True)
            a = Run([SYNCLINE, "run", str(file), "--until-current"])
            b = Run(select)
            line = next(l for l in a.stderr.splitlines() if l.startswith("discard:"))
            if int(line.split()[1]) != rows:
                sys.exit(f"backfill gave {line}")
            ours.append(a)
            theirs.append(b)
            ratios.append(b.wall / a.wall)

    def row(title, runs):
        return (title, f"{rows / median([r.wall for r in runs]):,.0f}", f"{median([r.cpu for r in runs]):.2f}",
                f"{max(r.peak_mb for r in runs):.0f}")

    table(f"(d) backfill of {rows:,} rows, {pairs} pairs", ("what", "rows/s", "CPU-s", "peak MB"),
          [row("syncline backfill → discard", ours), row("SELECT JSON_OBJECT(…) > /dev/null", theirs)])
    print(f"\nsyncline at {100 * median(ratios):.0f} % of the plain SELECT (median of pairs)")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
