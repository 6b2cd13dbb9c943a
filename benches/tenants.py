#!/usr/bin/env python3
"""(h) What one tenant's flood does to the others: paired runs with it and without, with quotas and without.

    tests/services/services.sh python benches/tenants.py [SECONDS] [PAIRS] [TENANTS] [ROWS_PER_SECOND]

Every tenant commits ROWS_PER_SECOND rows a second, one a transaction; in half of the runs one more commits 100 times as many
beside that, in transactions of 50. The quota is twice the share. A row carries the time right before its commit, and its writer
notes when the commit was answered; another process asks Redis for the rows that it has not seen yet, again and again, and takes
the time when a row is there. The flood slows the source's own commits too, so both lags are told: from before the commit, and
from its answer. Rows that are not there 10 seconds after the last commit count as 10 seconds.
"""
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import redis
import source_table
from measure import SYNCLINE, median, port, server, table

FLOOD = 100
CHUNK = 50
WARM_UP = 2
WRITERS = 4
PATIENCE = 10
# Rows of a tenant that are asked for at once: the oldest that were not seen.
ASKED = 8
DATABASE = "bench_tenants"
PIPELINE = """version: 1
data: {folder}/data
connections:
  shop: {url}/{database}
  hot: {redis}
pipelines:
  bench:
    source: {{ connection: shop, tables: ["{database}.rows"], backfill: false }}
    tenant: tenant
{quota}    routes:
      - table: {database}.rows
        to: [{{ connection: hot, key: "{prefix}:{{tenant}}:{{n}}", ttl: 10m }}]
"""


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def steady(at, tenants, rate, seconds, told):
    """One row a transaction, these tenants in turn; tells when each row's commit began and was answered."""
    commits = {}
    with source_table.connect(at) as connection, connection.cursor() as cursor:
        began, step = time.monotonic(), 1 / (rate * len(tenants))
        for number in range(int(seconds * rate) * len(tenants)):
            ahead = began + number * step - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            tenant, n = tenants[number % len(tenants)], number // len(tenants)
            now = time.time()
            cursor.execute(f"insert into {DATABASE}.rows values (%s, %s, %s, '')", (tenant, n, int(now * 1e6)))
            commits[tenant, n] = (now, time.time())
    told.put(commits)


def flood(at, tenant, rate, seconds):
    with source_table.connect(at) as connection, connection.cursor() as cursor:
        began, number = time.monotonic(), 0
        while (spent := time.monotonic() - began) < seconds:
            rows = ",".join(f"({tenant},{number + n},0,repeat('x',200))" for n in range(CHUNK))
            cursor.execute(f"insert into {DATABASE}.rows values {rows}")
            number += CHUNK
            if (ahead := number / rate - spent) > 0:
                time.sleep(ahead)


def watch(address, prefix, tenants, rows, until, told):
    """Tells of every row when its commit began, as it says itself, and when it was there."""
    target = redis.Redis.from_url(address)
    waiting = [list(range(rows)) for _ in range(tenants)]
    seen = {}
    while any(waiting) and time.time() < until:
        asked = [(tenant, n) for tenant in range(tenants) for n in waiting[tenant][:ASKED]]
        found = target.mget([f"{prefix}:{tenant}:{n}" for tenant, n in asked])
        now = time.time()
        for (tenant, n), text in zip(asked, found):
            if text is not None:
                seen[tenant, n] = (json.loads(text)["at"] / 1e6, now)
                waiting[tenant].remove(n)
        time.sleep(0.001)
    told.put(seen)


def streaming(file):
    told = subprocess.run([SYNCLINE, "status", str(file), "--json"], capture_output=True, check=True)
    return json.loads(told.stdout)["pipelines"][0]["state"] == "streaming"


def once(bench, quota, flooded):
    """The others' slowest percent, in seconds: from before the commit, and from its answer."""
    at, prefix = port(bench["url"]), f"bench-{os.getpid()}-{time.monotonic_ns()}"
    with source_table.connect(at) as connection, connection.cursor() as cursor:
        cursor.execute(f"create database if not exists {DATABASE}")
        cursor.execute(f"drop table if exists {DATABASE}.rows")
        cursor.execute(f"create table {DATABASE}.rows (tenant int, n int, at bigint, text varchar(200), primary key (tenant, n))")
    words = f"    tenant_quota: {{ rows_per_second: {2 * bench['rate']} }}\n" if quota else ""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bench.yaml"
        file.write_text(PIPELINE.format(folder=folder, url=bench["url"], database=DATABASE, redis=bench["redis"], quota=words, prefix=prefix))
        process = subprocess.Popen([SYNCLINE, "run", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not streaming(file):
                time.sleep(0.2)
            return measured(bench, at, prefix, flooded)
        finally:
            process.terminate()
            process.wait()


def measured(bench, at, prefix, flooded):
    told, committed = multiprocessing.Queue(), multiprocessing.Queue()
    tenants, rate, seconds = bench["tenants"], bench["rate"], bench["seconds"] + WARM_UP
    rows, until = int(seconds * rate), time.time() + seconds + PATIENCE
    writers = [list(range(first, tenants, WRITERS)) for first in range(min(WRITERS, tenants))]
    parts = [multiprocessing.Process(target=steady, args=(at, of, rate, seconds, committed)) for of in writers]
    parts.append(multiprocessing.Process(target=watch, args=(bench["redis"], prefix, tenants, rows, until, told)))
    if flooded:
        parts.append(multiprocessing.Process(target=flood, args=(at, tenants, FLOOD * rate, seconds)))
    for part in parts:
        part.start()
    commits = {}
    for _ in writers:
        commits.update(committed.get())
    seen = told.get()
    for part in parts:
        part.join()
    before, after = [], []
    for row, (began, answered) in commits.items():
        said, there = seen.get(row, (began, answered + PATIENCE))
        if row[1] >= WARM_UP * rate:
            before.append(there - said)
            # A row can be there before its writer has heard of its commit; less than this is not seen.
            after.append(max(there - answered, 0.0001))
    return percentile(before, 0.99), percentile(after, 0.99)


def main(seconds=30, pairs=5, tenants=20, rate=20):
    bench = {"url": server("MARIADB_FULL"), "redis": server("REDIS"), "seconds": seconds, "tenants": tenants, "rate": rate}
    lines, told = [], []
    for quota in (True, False):
        calm, flooded = [], []
        for _ in range(pairs):
            calm.append(once(bench, quota, False))
            flooded.append(once(bench, quota, True))
        name = "quota" if quota else "no quota"
        for what, runs in ((f"{name}, calm", calm), (f"{name}, a flood", flooded)):
            lines.append((what, *(f"{1000 * median(lags):.1f} ms" for lags in zip(*runs))))
        for n, since in enumerate(("before its commit", "its commit's answer")):
            ratios = [with_it[n] / without[n] for with_it, without in zip(flooded, calm)]
            told.append(f"{name}: from {since}, the flood makes the others' slowest percent {median(ratios):.2f} times as late "
                        f"(median of {pairs} pairs: {', '.join(f'{ratio:.2f}' for ratio in ratios)})")
    with source_table.connect(port(bench["url"])) as connection, connection.cursor() as cursor:
        cursor.execute(f"drop database {DATABASE}")
    table(f"(h) {tenants} tenants at {rate} rows/s each, one more at {FLOOD} times that; {seconds} s a run",
          ("run", "p99 of the others from before the commit", "from its answer"), lines)
    print("\n" + "\n".join(told))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:5]))
