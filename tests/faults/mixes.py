"""Random mixes of odd events: what happens, in which order and what runs meanwhile follows from a seed.

Between events Syncline runs to the end, is killed, runs beside them, or does not run at all. What halts is healed by the command
that its error names; in the end everything must be equal.
"""

from acceptance.process import Failed

from .catalogue import SPARES, Fault

SERVERS = ("mariadb", "mysql", *SPARES)
ROWS = "id, n, name, at"
COLUMNS = "id INT PRIMARY KEY, n INT, name VARCHAR(40), at DATETIME(3)"
TRIES = 8

EVENTS, DESTRUCTIVE = [], []


def event(run):
    EVENTS.append(run)
    return run


def destructive(run):
    """Takes the server's binlog away: on spare servers only."""
    DESTRUCTIVE.append(run)
    return run


@event
def rows(mix):
    mix.stage.change(mix.dice.randrange(5, 60))


@event
def moved_keys(mix):
    mix.stage.sql("UPDATE t SET id = id + 100 ORDER BY id DESC", "UPDATE t SET id = id - 100 ORDER BY id")


@event
def large_transaction(mix):
    mix.stage.sql("BEGIN", *(f"INSERT IGNORE INTO t ({ROWS}) SELECT id + {1000 * 2 ** n}, n, name, at FROM t" for n in range(5)),
                  "UPDATE t SET n = n + 1 WHERE id > 1000", "COMMIT", "DELETE FROM t WHERE id > 1000")


@event
def rolled_back(mix):
    mix.stage.sql("BEGIN", "DELETE FROM t", "ROLLBACK", "BEGIN", "UPDATE u SET n = 1", "SAVEPOINT s", "DELETE FROM u", "ROLLBACK TO s", "COMMIT")


@event
def column_added(mix):
    mix.columns += 1
    place = mix.dice.choice(("FIRST", "AFTER id", ""))
    mix.stage.sql(f"ALTER TABLE t ADD COLUMN c{mix.columns} INT DEFAULT {mix.dice.randrange(9)} {place}", f"UPDATE t SET c{mix.columns} = id WHERE id % 2 = 0")


@event
def column_dropped(mix):
    if mix.columns > 0:
        mix.stage.sql(f"ALTER TABLE t DROP COLUMN c{mix.columns}")
        mix.columns -= 1


@event
def truncated(mix):
    mix.stage.sql("TRUNCATE TABLE t")


@event
def made_again(mix):
    mix.stage.sql("DROP TABLE t", f"CREATE TABLE t ({COLUMNS})")
    mix.columns = 0


@event
def swapped(mix):
    mix.stage.sql("CREATE TABLE _t_new LIKE t", "INSERT INTO _t_new SELECT * FROM t", "RENAME TABLE t TO _t_old, _t_new TO t", "DROP TABLE _t_old")


@event
def renamed(mix):
    mix.stage.sql("RENAME TABLE t TO v", "UPDATE v SET n = n + 1", "RENAME TABLE v TO t")


@event
def row_image(mix):
    mix.stage.sql(f"SET SESSION binlog_row_image = {mix.dice.choice(('MINIMAL', 'NOBLOB', 'FULL'))}")


@event
def statement(mix):
    mix.stage.sql("SET SESSION binlog_format = STATEMENT", "DELETE FROM t WHERE id % 7 = 0", "SET SESSION binlog_format = ROW")


@event
def prepared(mix):
    """On a table of its own, since rows that are prepared block all that others do to their table."""
    mix.names += 1
    name, key = f"'{mix.stage.database}{mix.names}'", 1000 + mix.names
    session = mix.stage.session()
    session(f"XA START {name}", f"INSERT INTO x (id, n) VALUES ({key}, 1)", f"UPDATE x SET n = 2 WHERE id = {key}", f"XA END {name}", f"XA PREPARE {name}")
    mix.open.append((session, name))


@event
def ended(mix):
    if mix.open:
        session, name = mix.open.pop(mix.dice.randrange(len(mix.open)))
        session(f"XA {mix.dice.choice(('COMMIT', 'ROLLBACK'))} {name}")


@event
def file_rotated(mix):
    mix.stage.rotate()


@destructive
def purged(mix):
    mix.stage.purge()


@destructive
def reset(mix):
    mix.stage.sql("RESET MASTER" if mix.stage.mariadb else "RESET BINARY LOGS AND GTIDS")


class Mix:
    """One seed's events."""

    def __init__(self, stage):
        self.stage, self.dice = stage, stage.dice
        self.columns, self.names, self.open = 0, 0, []
        self.told = []
        # Not empty: a table without rows has no index yet.
        stage.sql(f"CREATE TABLE x ({COLUMNS})", "INSERT INTO x (id) VALUES (1)")

    def happen(self):
        events = EVENTS + (DESTRUCTIVE if self.stage.server in SPARES else [])
        one = self.dice.choice(events)
        self.told.append(one.__name__)
        one(self)

    def several(self):
        for _ in range(self.dice.randrange(1, 5)):
            self.happen()

    def run(self):
        self.make_equal()
        for _ in range(5):
            roll = self.dice.random()
            if roll < 0.3:
                self.several()
                self.make_equal()
            elif roll < 0.7:
                self.several()
                self.told.append("(killed)")
                self.stage.killed(("run", "pipeline.yaml"), self.dice.uniform(0.05, 1.5))
            else:
                self.beside()
        while self.open:
            ended(self)
        self.make_equal()
        self.stage.change()
        self.make_equal()

    def beside(self):
        """Events while Syncline runs; it may halt of them, and end."""
        self.make_equal()
        self.told.append("(beside)")
        with self.stage.running(may_halt=True):
            self.several()

    def make_equal(self):
        self.told.append("(equal)")
        for _ in range(TRIES):
            code, told, _ = self.stage.call("run", "pipeline.yaml", "--until-current")
            if code == 0:
                return self.stage.require_equal()
            if code == 5:
                halted = [table["table"] for table in self.stage.status()["tables"] if table["state"] == "halted"]
                arguments = [word for table in halted for word in ("--table", table)]
            elif code == 1 and "SYN-13" in told:
                arguments = []
            else:
                raise Failed(f"run ended with {code}:\n{told[-3000:]}")
            healed, told, _ = self.stage.call("backfill", "pipeline.yaml", *arguments)
            if healed not in (0, 1, 5):
                raise Failed(f"backfill {arguments} ended with {healed}:\n{told[-3000:]}")
        raise Failed(f"not equal after {TRIES} tries:\n{told[-3000:]}")


def mix(stage):
    mix = Mix(stage)
    try:
        mix.run()
    except Exception:
        print(f"  {' '.join(mix.told)}", flush=True)
        raise


def wanted(seeds):
    """Seeds take turns on the servers."""
    return [(Fault("", "", "", SERVERS, mix, False), SERVERS[seed % len(SERVERS)], seed) for seed in seeds]
