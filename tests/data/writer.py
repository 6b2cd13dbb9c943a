"""Keeps changing the flights database until a stop file appears: inserts, updates, deletes, re-keys, roll-backs.

    services.sh python -m data.writer --url URL --stop FILE [--database flights] [--rate 200] [--seed 1] [--seconds N]

The same seed on the same data makes the same changes in the same order. It prints one JSON line with what it did;
`rows` counts the rows changed by committed transactions.
"""

import argparse
import json
import os
import random
import sys
import time

from checker.database import connect, rows

NOTES = ("late", "", " spaced ", "naïve façade", "日本語", "𝒯𝓮𝓼𝓽 🛫", "quote\"back\\slash", "line\nbreak\ttab", "a:b%c", None)
FLIGHT_COLUMNS = (
    "id, year, month, day, dep_time, sched_dep_time, dep_delay, arr_time, sched_arr_time, arr_delay, carrier, flight, "
    "tailnum, origin, dest, air_time, distance, hour, minute, time_hour, note, changed_at")


class Writer:
    def __init__(self, url, database, seed):
        self.connection = connect(url, database, autocommit=False)
        self.cursor = self.connection.cursor()
        self.random = random.Random(seed)
        self.ids = [row[0] for row in rows(self.connection, "SELECT id FROM flights ORDER BY id")]
        self.tails = [row[0] for row in rows(self.connection, "SELECT tailnum FROM planes ORDER BY tailnum")]
        self.hours = list(rows(self.connection, "SELECT origin, time_hour FROM weather ORDER BY origin, time_hour"))
        self.connection.commit()
        self.next_id = max(self.ids, default=0) + 1000
        self.removed = []
        self.counts = {"transactions": 0, "rolled_back": 0, "rows": 0}
        self.operations = [
            (self.insert, 25), (self.update, 40), (self.delete, 12), (self.rekey, 8), (self.insert_again, 4),
            (self.shift, 1), (self.update_many, 2), (self.plane, 3), (self.weather, 5)]

    def run(self, stop, rate, seconds):
        began, reported = time.monotonic(), time.monotonic()
        while not os.path.exists(stop):
            elapsed = time.monotonic() - began
            if seconds and elapsed > seconds:
                break
            if self.counts["rows"] > elapsed * rate:
                time.sleep(0.005)
                continue
            self.transaction()
            if time.monotonic() - reported > 10:
                reported = time.monotonic()
                print(json.dumps(self.counts), file=sys.stderr, flush=True)
        self.connection.close()
        return self.counts

    def transaction(self):
        """One to five operations; one transaction in thirty is rolled back and must leave no trace."""
        remembered = (list(self.removed), self.next_id)
        live = None
        rolled_back = self.random.random() < 1 / 30
        if rolled_back:
            live = (list(self.ids), list(self.tails), list(self.hours))
        done = {}
        for _ in range(self.random.randint(1, 5)):
            operation = self.random.choices(*zip(*self.operations))[0]
            done[operation.__name__] = done.get(operation.__name__, 0) + operation()
        if rolled_back:
            self.connection.rollback()
            self.ids, self.tails, self.hours = live
            self.removed, self.next_id = remembered
            self.counts["rolled_back"] += 1
            return
        self.connection.commit()
        self.counts["transactions"] += 1
        for name, changed in done.items():
            self.counts[name] = self.counts.get(name, 0) + changed
            self.counts["rows"] += changed

    def execute(self, sql, *arguments):
        return self.cursor.execute(sql, arguments)

    def take_id(self):
        at = self.random.randrange(len(self.ids))
        self.ids[at], self.ids[-1] = self.ids[-1], self.ids[at]
        return self.ids.pop()

    def flight(self, flight_id):
        pick = self.random
        delay = pick.choice((None, pick.randint(-30, 900)))
        return (
            flight_id, 2013, pick.randint(1, 12), pick.randint(1, 28), delay, pick.randint(0, 2359), delay, delay,
            pick.randint(0, 2359), delay, pick.choice(("UA", "AA", "B6", "DL")), pick.randint(1, 8500),
            pick.choice(self.tails), pick.choice(("EWR", "JFK", "LGA")), pick.choice(("IAH", "MIA", "BQN")),
            pick.choice((None, pick.randint(20, 700))), pick.randint(100, 50000) / 10, pick.randint(0, 23),
            pick.randint(0, 59), f"2013-0{pick.randint(1, 9)}-{pick.randint(1, 28):02} {pick.randint(0, 23):02}:00:00",
            pick.choice(NOTES), f"2026-01-{pick.randint(1, 28):02} 10:00:00.{pick.randint(0, 999999):06}")

    def insert_row(self, flight_id):
        values = self.flight(flight_id)
        self.execute(f"INSERT INTO flights ({FLIGHT_COLUMNS}) VALUES ({', '.join(['%s'] * len(values))})", *values)
        self.ids.append(flight_id)
        return 1

    def insert(self):
        self.next_id += 1
        return self.insert_row(self.next_id)

    def insert_again(self):
        """A key that was deleted before comes back with another row."""
        if not self.removed:
            return self.insert()
        return self.insert_row(self.removed.pop(self.random.randrange(len(self.removed))))

    def update(self):
        return self.execute(
            "UPDATE flights SET dep_delay = %s, note = %s, changed_at = %s WHERE id = %s",
            self.random.randint(-30, 900), self.random.choice(NOTES),
            f"2026-02-{self.random.randint(1, 28):02} 11:00:00.{self.random.randint(0, 999999):06}",
            self.random.choice(self.ids))

    def update_many(self):
        """One statement over a range of rows."""
        first = self.random.choice(self.ids)
        return self.execute(
            "UPDATE flights SET arr_delay = %s WHERE id BETWEEN %s AND %s", self.random.randint(-99, 999), first, first + 40)

    def delete(self):
        if len(self.ids) < 100:
            return 0
        flight_id = self.take_id()
        self.removed.append(flight_id)
        return self.execute("DELETE FROM flights WHERE id = %s", flight_id)

    def rekey(self):
        old = self.take_id()
        self.next_id += 1
        self.ids.append(self.next_id)
        return self.execute("UPDATE flights SET id = %s, note = 'moved' WHERE id = %s", self.next_id, old)

    def shift(self):
        """id = id + 1 over the highest rows: each row takes the key that its neighbour had."""
        self.next_id += 1
        low = self.next_id - 30
        moved = self.execute("UPDATE flights SET id = id + 1 WHERE id BETWEEN %s AND %s ORDER BY id DESC", low, self.next_id)
        self.ids = [flight_id + 1 if flight_id >= low else flight_id for flight_id in self.ids]
        self.removed = [flight_id for flight_id in self.removed if flight_id < low]
        return moved

    def plane(self):
        at = self.random.randrange(len(self.tails))
        old = self.tails[at]
        if self.random.random() < 0.7:
            return self.execute("UPDATE planes SET seats = %s WHERE tailnum = %s", self.random.randint(2, 450), old)
        self.tails[at] = new = f"{old[:6].rstrip('~')}~{self.random.randint(0, 999):03}"
        if new in self.tails[:at] + self.tails[at + 1:]:
            self.tails[at] = old
            return 0
        return self.execute("UPDATE planes SET tailnum = %s WHERE tailnum = %s", new, old)

    def weather(self):
        at = self.random.randrange(len(self.hours))
        origin, hour = self.hours[at]
        if self.random.random() < 0.7:
            return self.execute(
                "UPDATE weather SET temp = %s, precip = %s WHERE origin = %s AND time_hour = %s",
                self.random.randint(-200, 1000) / 10, self.random.randint(0, 300) / 100, origin, hour)
        moved = hour.replace(second=(hour.second + 1) % 60)
        self.hours[at] = (origin, moved)
        return self.execute(
            "UPDATE weather SET time_hour = %s WHERE origin = %s AND time_hour = %s", moved, origin, hour)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--database", default="flights")
    parser.add_argument("--stop", required=True, help="end as soon as this file exists")
    parser.add_argument("--rate", type=float, default=200, help="rows per second, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0, help="end after so long; default: never")
    options = parser.parse_args()
    writer = Writer(options.url, options.database, options.seed)
    print(json.dumps(writer.run(options.stop, options.rate, options.seconds)), flush=True)


if __name__ == "__main__":
    main()
