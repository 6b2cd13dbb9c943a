"""Rule 6: every accepted delivery is applied, superseded, filtered, dead or in flight, each counted on its own."""

from checker.binlog import count_rows, total

from .process import Failed
from .setting import SINKS

TERMS = ("accepted", "applied", "superseded", "dead", "in_flight")


def sums(status):
    """The terms over all tables; what a filter took is under `filtered`."""
    found = {term: sum(table[term] for table in status["tables"]) for term in TERMS}
    found["filtered"] = sum(sum(table["filtered"].values()) for table in status["tables"])
    return found


def require_balance(status):
    """Of a pipeline that is current: it adds up per table, nothing is in flight."""
    for table in status["tables"]:
        terms = table["applied"] + table["superseded"] + sum(table["filtered"].values()) + table["dead"] + table["in_flight"]
        if table["accepted"] != terms:
            raise Failed(f"balance of {table['table']}: accepted {table['accepted']}, the terms add up to {terms}: {table}")
        if table["in_flight"]:
            raise Failed(f"{table['table']}: {table['in_flight']} in flight, though it is current")
    return sums(status)


def require_stream(setting, before, after, begin, end):
    """Without backfill, accepted is the binlog's rows times the sinks, to the row."""
    changed = total(count_rows(setting.source, begin, end), setting.database)
    accepted = after["accepted"] - before["accepted"]
    if accepted != changed * len(SINKS):
        raise Failed(f"accepted {accepted}, but {changed} rows in the binlog for {len(SINKS)} sinks make {changed * len(SINKS)}")
    return changed


def require_backfill(setting, counted, loaded, begin, end):
    """While rows are read and changed at once: each row was read unless a change overtook it. A kill may make it read
    rows again, so there is no upper bound. Returns the changes and the deliveries of rows that were read."""
    changed = total(count_rows(setting.source, begin, end), setting.database)
    read = counted["accepted"] - changed * len(SINKS)
    least = (loaded - changed) * len(SINKS)
    if read < least:
        raise Failed(f"{read} deliveries of rows read, but {least} at least: {loaded} rows loaded, {changed} changes")
    return changed, read
