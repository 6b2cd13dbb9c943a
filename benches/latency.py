#!/usr/bin/env python3
"""(c) Commit at the source -> acknowledged by OpenSearch, under a steady load, beside one-document `_bulk` requests.

    tests/services/services.sh python benches/latency.py [SECONDS] [ROWS_PER_SECOND]

The load is half of what the machine sustains from commit to acknowledgement while the source is written, unless given.
One process commits a row, waits for its acknowledgement, rests for a hundredth of a second, and so on. Another does the
same with documents that it sends straight to another index. Both go through a relay in front of OpenSearch, which notes
when the answer of a request with a watched document comes back: measured is from the commit, or from the sending, until
then. Neither waits for the other, so that a pause of the server meets both alike; a third process writes the load.
"""
import http.client
import json
import multiprocessing
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bulk_streams
import relay
import source_table
from measure import SYNCLINE, port, server, table
from search_load import PIPELINE, drop

REST = 0.01
WARM_UP = 10


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000


def write_steadily(at, rate, seconds):
    """Transactions of 20 rows at the given rate; answers the rows per second that were reached."""
    with source_table.connect(at) as connection, connection.cursor() as cursor:
        number, began = 0, time.monotonic()
        while (spent := time.monotonic() - began) < seconds:
            values = ",".join(f"({10_000_000 + number + n},{n},{number},1.25,0.5,'name','load','2026-01-01 00:00:00',1,null)" for n in range(20))
            cursor.execute(f"insert into bench.t values {values}")
            number += 20
            if (ahead := number / rate - spent) > 0:
                time.sleep(ahead)
        return number / spent


def sustained(source_at, answers):
    """Rows per second from the first commit to the last acknowledgement, written as fast as the source takes them."""
    began = time.monotonic()
    rows = write_steadily(source_at, 1_000_000, WARM_UP) * WARM_UP
    with source_table.connect(source_at) as connection, connection.cursor() as cursor:
        cursor.execute("insert into bench.t values (90000000,1,1,1.25,0.5,'name','last','2026-01-01 00:00:00',1,null)")
        taken = acknowledged(answers, 90_000_000, began, patience=300)
        cursor.execute("delete from bench.t")
    time.sleep(WARM_UP)
    return rows / taken


def repeat(once, seconds):
    """Calls `once(key)` with a rest in between; answers the seconds it gave after the warm-up."""
    found, began, key = [], time.monotonic(), 90_000_000
    while (spent := time.monotonic() - began) < seconds:
        key += 1
        taken = once(key)
        if spent > WARM_UP:
            found.append(taken)
        time.sleep(REST)
    return found


def acknowledged(answers, key, began, patience=30):
    """Seconds from `began` until the document of this key was acknowledged."""
    while answers.poll(patience):
        found, at = answers.recv()
        if found == key:
            return at - began
    raise RuntimeError(f"{key} was not acknowledged within {patience} s")


def watch(source_at, answers, seconds):
    """Seconds from commit to acknowledgement."""
    with source_table.connect(source_at) as connection, connection.cursor() as cursor:

        def once(key):
            cursor.execute(f"insert into bench.t values ({key},1,1,1.25,0.5,'name','watched','2026-01-01 00:00:00',1,null)")
            return acknowledged(answers, key, time.monotonic())

        return repeat(once, seconds)


def send_directly(search_at, answers, seconds):
    """Seconds from sending one document to its acknowledgement."""
    post = http.client.HTTPConnection("127.0.0.1", search_at, timeout=30)

    def once(key):
        document = {"id": key, "a": 1, "b": 1, "c": "1.25", "d": 0.5, "e": "name", "f": "watched", "h": 1, "j": None}
        meta = {"index": {"_id": str(key), "version": key, "version_type": "external_gte"}}
        body = json.dumps(meta) + "\n" + json.dumps(document) + "\n"
        began = time.monotonic()
        post.request("POST", "/bench_direct/_bulk", body, {"Content-Type": "application/x-ndjson"})
        post.getresponse().read()
        return acknowledged(answers, key, began)

    return repeat(once, seconds)


def at_once(*calls):
    """Each call in a process of its own; their answers in order."""
    context = multiprocessing.get_context("fork")
    pipes = []
    for call in calls:
        ours, theirs = context.Pipe()
        context.Process(target=lambda call=call, end=theirs: end.send(call()), daemon=True).start()
        theirs.close()
        pipes.append(ours)
    return [pipe.recv() for pipe in pipes]


def main(seconds=30, rate=None):
    source, search = server("MARIADB_FULL"), server("OPENSEARCH")
    at, search_at = port(source), port(search)
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "bench.yaml"
        relayed, answers = relay.start(search_at, rb'"_id": ?"(9\d{7})"')
        direct_relayed, direct_answers = relay.start(search_at, rb'"_id": ?"(9\d{7})"')
        url = f"opensearch://127.0.0.1:{relayed}"
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
        try:
            half = int(sustained(at, answers) / 2)
            rate = rate or half
            through, direct, reached = at_once(
                lambda: watch(at, answers, WARM_UP + seconds),
                lambda: send_directly(direct_relayed, direct_answers, WARM_UP + seconds),
                lambda: write_steadily(at, rate, WARM_UP + seconds + 1))
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait()
    rows = [(title, f"{percentile(values, .5):.1f}", f"{percentile(values, .99):.1f}", len(values))
            for title, values in (("commit → acknowledged through syncline", through), ("direct one-document _bulk", direct))]
    table(f"(c) latency at {reached:,.0f} rows/s for {seconds} s (half of what is sustained: {half:,})", ("what", "p50 ms", "p99 ms", "samples"), rows)
    ratio = [percentile(through, share) / percentile(direct, share) for share in (.5, .99)]
    print(f"\nratio p50 {ratio[0]:.2f}, p99 {ratio[1]:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
