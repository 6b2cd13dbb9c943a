"""Transactions: XA, savepoints, such with many rows of one version, and such of several gigabytes in binlog files beyond 4 GiB."""

from acceptance.process import Failed
from checker.database import binlog_end, rows

from .catalogue import SPARES, fault

PART = "Transactions"
# What is not sent to any target costs only the reader: it is there to be read past.
OPTIONS = "transform: [{ field: filler, drop: true }]"
# Rows, their filler's MiB and how often they change; each change is logged with the row before and after it.
ROWS, FILLER, TIMES = 200, 1, 12
WRAPS_AT = 4 << 30
PEAK_MIB = 200


@fault(PART, "XA transactions: committed, rolled back, left open over a restart")
def xa(stage):
    stage.settle()
    # On MySQL a transaction that is prepared stays with its session.
    other, third = stage.session(), stage.session()
    for session, name, statement in (
            (stage.sql, "a", "UPDATE t SET n = -1 WHERE id < 20"), (other, "b", "INSERT INTO u (id, n) VALUES (900, 1), (901, 1)"),
            (third, "c", "DELETE FROM u WHERE id < 20")):
        name = f"'{stage.database}{name}'"
        session(f"XA START {name}", statement, f"XA END {name}", f"XA PREPARE {name}")
    stage.settle()
    stage.sql(f"XA COMMIT '{stage.database}a'")
    third(f"XA ROLLBACK '{stage.database}c'")
    stage.change()
    stage.settle()
    with stage.running():
        other(f"XA COMMIT '{stage.database}b'")
        stage.change()
    stage.settle()


@fault(PART, "The commit of an XA transaction that was prepared before the first start")
def xa_unseen(stage):
    other = stage.session()
    name = f"'{stage.database}'"
    other(f"XA START {name}", "INSERT INTO t (id, n) VALUES (900, 1)", "DELETE FROM u WHERE id < 20", f"XA END {name}", f"XA PREPARE {name}")
    stage.settle()
    other(f"XA COMMIT {name}")
    stage.change()
    stage.settle()


@fault(PART, "Savepoints, and a transaction that is rolled back")
def savepoints(stage):
    stage.settle()
    stage.sql(
        "BEGIN", "INSERT INTO t (id, n) VALUES (900, 1)", "SAVEPOINT s", "INSERT INTO t (id, n) VALUES (901, 1)",
        "ROLLBACK TO s", "INSERT INTO t (id, n) VALUES (902, 1)", "COMMIT",
        "BEGIN", "DELETE FROM t", "ROLLBACK")
    stage.change()
    stage.settle()


@fault(PART, "An XA transaction changes a table that is captured only after it was prepared")
def xa_captured_later(stage):
    stage.sql("CREATE TABLE late (id INT PRIMARY KEY, n INT)", "INSERT INTO late VALUES (1, 1), (2, 2), (3, 3)")
    stage.configure(stage.server, reading=f'exclude: ["{stage.database}.late"]')
    stage.expect(("run", "pipeline.yaml", "--until-current"), 0)
    name, other = f"'{stage.database}'", stage.session()
    other(f"XA START {name}", "UPDATE late SET n = 9 WHERE id = 1", "DELETE FROM late WHERE id = 2", "INSERT INTO late VALUES (4, 4)",
          "UPDATE t SET n = -5 WHERE id < 40", f"XA END {name}", f"XA PREPARE {name}")
    stage.change(tables=("u",))
    stage.expect(("run", "pipeline.yaml", "--until-current"), 0)
    stage.configure(stage.server)
    stage.settle()
    other(f"XA COMMIT {name}")
    stage.change()
    stage.settle()


def stage_with_filler(stage):
    stage.configure(stage.server, options=OPTIONS)
    stage.sql(*(f"ALTER TABLE {table} ADD COLUMN filler LONGBLOB" for table in ("t", "u")))
    stage.purge()
    stage.settle()


def large_transaction(stage):
    """What comes last in it stands beyond 4 GiB: rows that change again, move and go."""
    stage.sql("BEGIN", *(
        f"INSERT INTO t (id, n, filler) VALUES ({1000 + row}, 0, REPEAT(CHAR({65 + row % 26}), {FILLER << 20}))" for row in range(ROWS)))
    stage.sql(*["UPDATE t SET n = n + 1 WHERE id >= 1000"] * TIMES)
    stage.sql("UPDATE t SET filler = NULL WHERE id >= 1000", "UPDATE t SET n = n * 2, name = 'twice' WHERE id % 2 = 0",
              "UPDATE t SET id = id + 1000 WHERE id BETWEEN 1000 AND 1010", "DELETE FROM t WHERE id BETWEEN 1020 AND 1030",
              "UPDATE t SET n = -1 WHERE id = 1015", "REPLACE INTO t (id, n) VALUES (1025, 5)", "DELETE FROM u WHERE id % 3 = 0",
              "UPDATE t SET n = -2 WHERE id = 1015", "COMMIT")


def require_largest(stage, at_least=0, at_most=1 << 63):
    largest = max(row[1] for row in rows(stage.connection, "SHOW BINARY LOGS"))
    if not at_least <= largest <= at_most:
        raise Failed(f"the largest binlog file has {largest} bytes")


def require_bounded(running):
    peak = running.peak_mib()
    if peak > PEAK_MIB:
        raise Failed(f"it took {peak} MiB at its peak, {PEAK_MIB} are allowed")


def read_with_kills(stage):
    """Killed while it is read, and then read to its end in bounded memory, with changes behind it."""
    for seconds in (0.5, 2):
        stage.killed(("run", "pipeline.yaml"), seconds)
    with stage.running() as running:
        stage.change()
        end = ":".join(map(str, binlog_end(stage.connection)))
        running.wait(lambda status: all(end in sink["position"] for sink in status["sinks"]))
        require_bounded(running)
    stage.settle()


def many_changes(times):
    """More than any target takes at once, most of them of the same few rows."""
    return (*(f"INSERT IGNORE INTO t (id, n) SELECT id + {100 * 2 ** n}, n FROM t" for n in range(5)),
            *["UPDATE t SET n = IF(n = 7, 8, 7)"] * times, "UPDATE t SET name = 'x' WHERE id > 100",
            "UPDATE t SET id = id + 5000 WHERE id BETWEEN 1000 AND 1100", "DELETE FROM t WHERE id BETWEEN 1200 AND 1300")


def read_in_pieces(stage):
    """Killed again and again while it is read."""
    for seconds in (0.3, 0.5, 0.7, 0.9):
        stage.killed(("run", "pipeline.yaml"), seconds)
    stage.settle()


@fault(PART, "An XA transaction of thousands of rows, read again and again")
def xa_of_many(stage):
    stage.settle()
    name = f"'{stage.database}'"
    stage.sql(f"XA START {name}", *many_changes(5), f"XA END {name}", f"XA PREPARE {name}")
    stage.settle()
    stage.sql(f"XA COMMIT {name}")
    read_in_pieces(stage)


@fault(PART, "A compressed transaction with far more rows than bytes, read again and again", servers=("mysql",))
def more_rows_than_bytes(stage):
    stage.settle()
    (file, before), times = binlog_end(stage.connection)[:2], 60
    stage.sql("SET SESSION binlog_transaction_compression = ON", "BEGIN", *many_changes(times), "COMMIT")
    # Others write to this server, too.
    events = rows(stage.connection, f"SHOW BINLOG EVENTS IN '{file}' FROM {before}")
    size = max((end - start for _, start, kind, _, end, _ in events if kind == "Transaction_payload"), default=0)
    images = 2 * times * rows(stage.connection, "SELECT COUNT(*) FROM t")[0][0]
    if not 0 < size <= images // 2:
        raise Failed(f"it has {size} bytes in the binlog for {images} rows")
    read_in_pieces(stage)


@fault(PART, "A transaction of more than 4 GiB, so a binlog file of more", servers=SPARES, heavy=True)
def giant(stage):
    stage_with_filler(stage)
    large_transaction(stage)
    require_largest(stage, at_least=WRAPS_AT)
    read_with_kills(stage)
    stage.purge()


@fault(PART, "A transaction of more than 4 GiB, compressed to a few MB", servers=SPARES, heavy=True)
def compressed(stage):
    stage_with_filler(stage)
    switch = "GLOBAL log_bin_compress" if stage.mariadb else "SESSION binlog_transaction_compression"
    stage.sql(f"SET {switch} = ON")
    large_transaction(stage)
    stage.sql(f"SET {switch} = OFF")
    require_largest(stage, at_most=WRAPS_AT // 20)
    read_with_kills(stage)
