#!/usr/bin/env python3
"""(b) Binlog -> OpenSearch, beside the best of 1 to 8 raw `_bulk` streams of the same documents, ids and versions.

    tests/services/services.sh python benches/search_load.py [ROWS] [PAIRS]
"""
import shutil
import sys
import tempfile
from pathlib import Path

import bulk_streams
import source_table
from measure import SYNCLINE, Run, median, port, server, table

PIPELINE = """version: 1
data: {data}
connections:
  shop: {source}
  search: {search}
pipelines:
  bench:
    source: {{ connection: shop, tables: ["bench.t"], backfill: false }}
    routes:
      - table: bench.t
        to: [{{ connection: search, index: bench_search, settings: {{ number_of_replicas: 0 }} }}]
"""


def drop(search):
    bulk_streams.request(search, "DELETE", "/bench_search-000001")


def main(rows=300_000, pairs=3):
    source, search = server("MARIADB_FULL"), server("OPENSEARCH")
    at = port(search)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, start, file = folder / "data", folder / "start", folder / "bench.yaml"
        url = search.replace("http://", "opensearch://")
        file.write_text(PIPELINE.format(data=data, source=f"{source}/bench", search=url))
        drop(at)
        source_table.fresh(port(source))
        Run([SYNCLINE, "run", str(file), "--until-current"])
        shutil.copytree(data, start)
        source_table.fill(port(source), rows)

        def ours():
            drop(at)
            shutil.rmtree(data)
            shutil.copytree(start, data)
            return Run([SYNCLINE, "run", str(file), "--until-current"])

        ours()
        bulk_streams.request(at, "POST", "/bench_search/_refresh")
        bodies = bulk_streams.pages(at, "bench_search")
        ratios, walls, best_walls, cpus, best_streams = [], [], [], [], []
        for _ in range(pairs):
            raw = {}
            for streams in (1, 2, 4, 8):
                bulk_streams.recreate(at, "bench_raw", "bench_search")
                raw[streams] = bulk_streams.load(at, "bench_raw", bodies, streams)
            run = ours()
            streams = min(raw, key=raw.get)
            walls.append(run.wall)
            cpus.append(run.cpu)
            best_walls.append(raw[streams])
            best_streams.append(streams)
            ratios.append(raw[streams] / run.wall)
    table(f"(b) {rows:,} rows from the binlog into OpenSearch, {pairs} pairs", ("what", "documents/s", "CPU-s"),
          [("syncline", f"{rows / median(walls):,.0f}", f"{median(cpus):.2f}"),
           (f"raw _bulk, best of 1 to 8 streams ({best_streams})", f"{rows / median(best_walls):,.0f}", "")])
    print(f"\nsyncline at {100 * median(ratios):.0f} % of the raw load (median of pairs)")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
