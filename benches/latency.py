#!/usr/bin/env python3
"""(c) Commit at the source -> acknowledged in OpenSearch, under a steady load, beside one-document `_bulk` requests.

    tests/services/services.sh python benches/latency.py [ROWS_PER_SECOND] [SECONDS]

Every hundredth of a second one row is watched: from its commit until a realtime GET finds it. In between, one document
is sent straight to another index; both see the same server under the same load.
"""
import http.client
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import bulk_streams
import source_table
from measure import SYNCLINE, port, server, table
from search_load import PIPELINE, drop


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000


def write_steadily(at, rate, stop):
    """Transactions of 20 rows at the given rate."""
    with source_table.connect(at) as connection, connection.cursor() as cursor:
        number, began = 10_000_000, time.monotonic()
        while not stop.is_set():
            values = ",".join(f"({number + n},{n},{number},1.25,0.5,'name','load','2026-01-01 00:00:00',1,null)" for n in range(20))
            cursor.execute(f"insert into bench.t values {values}")
            number += 20
            ahead = (number - 10_000_000) / rate - (time.monotonic() - began)
            if ahead > 0:
                time.sleep(ahead)


def watch(source_at, search_at, first_key, seconds):
    """Pairs of (commit -> found, direct request) in seconds."""
    through, direct = [], []
    get = http.client.HTTPConnection("127.0.0.1", search_at, timeout=30)
    post = http.client.HTTPConnection("127.0.0.1", search_at, timeout=30)
    with source_table.connect(source_at) as connection, connection.cursor() as cursor:
        end, key = time.monotonic() + seconds, first_key
        while time.monotonic() < end:
            key += 1
            cursor.execute(f"insert into bench.t values ({key},1,1,1.25,0.5,'name','watched','2026-01-01 00:00:00',1,null)")
            began = time.monotonic()
            while True:
                get.request("GET", f"/bench_search/_doc/{key}?_source=false")
                response = get.getresponse()
                response.read()
                if response.status == 200:
                    break
            through.append(time.monotonic() - began)
            document = {"id": key, "a": 1, "b": 1, "c": "1.25", "d": 0.5, "e": "name", "f": "watched", "h": 1, "j": None}
            meta = {"index": {"_id": str(key), "version": key, "version_type": "external_gte"}}
            body = json.dumps(meta) + "\n" + json.dumps(document) + "\n"
            began = time.monotonic()
            post.request("POST", "/bench_direct/_bulk", body, {"Content-Type": "application/x-ndjson"})
            post.getresponse().read()
            direct.append(time.monotonic() - began)
            time.sleep(0.01)
    return through, direct


def main(rate=3000, seconds=30):
    source, search = server("MARIADB_FULL"), server("OPENSEARCH")
    at, search_at = port(source), port(search)
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "bench.yaml"
        url = search.replace("http://", "opensearch://")
        file.write_text(PIPELINE.format(data=Path(name) / "data", source=f"{source}/bench", search=url))
        drop(search_at)
        source_table.fresh(at)
        source_table.fill(at, 1000)
        child = subprocess.Popen([SYNCLINE, "run", str(file)], stderr=subprocess.DEVNULL)
        time.sleep(3)
        with source_table.connect(at) as connection, connection.cursor() as cursor:
            cursor.execute("update bench.t set a = a + 1")
        time.sleep(2)
        bulk_streams.recreate(search_at, "bench_direct", "bench_search")
        stop = threading.Event()
        writer = threading.Thread(target=write_steadily, args=(at, rate, stop))
        writer.start()
        try:
            watch(at, search_at, 80_000_000, 5)
            through, direct = watch(at, search_at, 90_000_000, seconds)
        finally:
            stop.set()
            writer.join()
            child.send_signal(signal.SIGTERM)
            child.wait()
    rows = [(title, f"{percentile(values, .5):.1f}", f"{percentile(values, .99):.1f}", len(values))
            for title, values in (("commit → found through syncline", through), ("direct one-document _bulk", direct))]
    table(f"(c) latency at {rate:,} rows/s for {seconds} s", ("what", "p50 ms", "p99 ms", "samples"), rows)
    ratio = [percentile(through, share) / percentile(direct, share) for share in (.5, .99)]
    print(f"\nratio p50 {ratio[0]:.2f}, p99 {ratio[1]:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
