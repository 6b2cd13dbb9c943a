"""The checker's command line.

    services.sh python -m checker compare --source URL --table 'flights.*' --target SPEC...
        (or --source sqlite:FILE --table 'main.*')
    services.sh python -m checker count --source URL --from FILE:POSITION [--to FILE:POSITION]
    services.sh python -m checker position --source URL

A target is NAME=SPEC, with {table} for the table's name where it helps:
    search=http://127.0.0.1:19200/{table}          redis=redis://127.0.0.1:16379/0?key={table}:{key}
    archive=file:FOLDER or s3:URL                  cache=sqlite-cache:FILE?key={table}:{key}
    index=sqlite-search:FILE?index={table}
Exit: 0 equal, 1 drift, 2 usage.
"""

import argparse
import json
import sys
import time

from . import source, sqlite_source
from .binlog import count_rows, total
from .compare import compare
from .database import binlog_end, connect
from .sqlite_target import SqliteCache, SqliteSearch
from .targets import Archive, Redis, Search

READERS = {
    "http": Search, "https": Search, "redis": Redis, "rediss": Redis, "redis-cluster": Redis, "file": Archive, "s3": Archive,
    "sqlite-cache": SqliteCache, "sqlite-search": SqliteSearch}


def reader_of(spec, table):
    scheme = spec.split(":", 1)[0]
    if scheme not in READERS:
        sys.exit(f"checker: unknown target {spec}; schemes: {', '.join(READERS)}")
    return READERS[scheme](spec, table)


def dead_keys(options, table, target):
    """--dead TARGET:TABLE:KEY,KEY"""
    keys = set()
    for word in options.dead:
        of_target, of_table, names = word.split(":", 2)
        if of_target == target and of_table == table:
            keys.update(names.split(","))
    return keys


def tables(options, pattern):
    """All tables that a pattern names, with their rows."""
    if options.source.startswith("sqlite:"):
        for name in sqlite_source.tables_like(options.source, pattern):
            yield sqlite_source.read_table(options.source, name, options.key)
        return
    for name in source.tables_like(options.source, pattern):
        yield source.read_table(options.source, name, options.key, options.zero_date_text, options.where)


def comparisons(options):
    """What is found, table by table and target by target."""
    targets = [spec.split("=", 1) for spec in options.target]
    for pattern in options.table:
        for table in tables(options, pattern):
            table.rename(dict(word.split("=", 1) for word in options.field))
            for target, spec in targets:
                dead = dead_keys(options, table.name, target)
                yield compare(table, target, reader_of(spec, table), dead, options.absent_is_null, options.show)


def told(found, show):
    """Lines for people."""
    return [found.summary(), *(f"  {line}" for line in found.lines), *(f"  PROBLEM   {problem}" for problem in found.problems[:show])]


def command_compare(options):
    began, drift, compared = time.monotonic(), 0, 0
    for found in comparisons(options):
        compared += found.compared
        drift += not found.equal
        print("\n".join(told(found, options.show)), flush=True)
    print(f"{'DRIFT' if drift else 'equal'}: {compared} documents compared in {time.monotonic() - began:.1f} s")
    return 1 if drift else 0


def place(text):
    file, _, position = text.rpartition(":")
    return (file, int(position)) if file else None


def command_count(options):
    counts = count_rows(options.source, place(options.begin), place(options.end) if options.end else None)
    print(json.dumps({"tables": counts, "rows": total(counts)}, indent=1, sort_keys=True))
    return 0


def command_position(options):
    print("%s:%d" % binlog_end(connect(options.source)))
    return 0


def arguments(words=None):
    parser = argparse.ArgumentParser(prog="checker", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("compare")
    one.add_argument("--source", required=True)
    one.add_argument("--table", action="append", required=True, help="database.table or database.*")
    one.add_argument("--target", action="append", required=True, help="NAME=SPEC")
    one.add_argument("--key", action="append", help="key columns, default: the primary key")
    one.add_argument("--where", help="SQL: only these rows belong into the targets")
    one.add_argument("--field", action="append", default=[], help="COLUMN=FIELD: what a column is called in documents")
    one.add_argument("--dead", action="append", default=[], help="TARGET:TABLE:KEY,... must be absent (dead letters)")
    one.add_argument("--absent-is-null", action="store_true", help="a member that is absent counts as null")
    one.add_argument("--zero-date-text", action="store_true", help="the route has zero_date: text")
    one.add_argument("--show", type=int, default=20, help="so many rows per table and target in detail")
    two = commands.add_parser("count")
    two.add_argument("--source", required=True)
    two.add_argument("--from", dest="begin", required=True)
    two.add_argument("--to", dest="end")
    three = commands.add_parser("position")
    three.add_argument("--source", required=True)
    return parser.parse_args(words)


def main():
    options = arguments()
    commands = {"compare": command_compare, "count": command_count, "position": command_position}
    sys.exit(commands[options.command](options))


if __name__ == "__main__":
    main()
