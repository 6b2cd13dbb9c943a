"""What the pipeline file says differs from what it said at the last start."""

from acceptance.process import Failed

from .catalogue import FILE, fault, halts
from .stage import TARGETS

READ_AGAIN = "shown as `stale`; `syncline backfill FILE --table TABLE` ends equal"


def without(name):
    return [(target, word) for target, word in TARGETS.items() if target != name]


def state_of(stage, table):
    return next(t["state"] for t in stage.status()["tables"] if t["table"] == f"{stage.database}.{table}")


def require_stale(stage, *tables):
    stage.expect(("run", "pipeline.yaml", "--until-current"), 0)
    for table in tables:
        if state_of(stage, table) != "stale":
            raise Failed(f"{table} is {state_of(stage, table)}, not stale")


def read_again(stage, *tables, **checked):
    require_stale(stage, *tables)
    stage.change(10)
    for table in tables:
        stage.expect(("backfill", "pipeline.yaml", "--table", f"{stage.database}.{table}"), 0)
        if state_of(stage, table) != "ok":
            raise Failed(f"{table} is {state_of(stage, table)}, not ok")
    stage.require_equal(**checked)
    stage.change(10)
    stage.settle(**checked)


@fault("Configuration", "A target at a connection of its own is added", servers=("mariadb",))
def target_added(stage):
    for name in ("hot", "lake"):
        stage.configure(stage.server, targets=without(name))
        stage.settle(without=name)
        stage.change(10)
        stage.configure(stage.server)
        stage.settle()


@fault("Configuration", "A target is taken out, rows go, and it comes back", servers=("mysql",))
def target_returns(stage):
    stage.settle()
    for name in ("hot", "search", "shelf", "lake"):
        stage.configure(stage.server, targets=without(name))
        stage.sql("DELETE FROM t WHERE id % 3 = 0")
        stage.change(10)
        stage.settle(without=name)
        stage.configure(stage.server)
        stage.change(10)
        stage.settle()


@fault("Configuration", "A second target at a connection is added", servers=("mariadb",))
def second_target(stage):
    stage.settle()
    other = f"other_{stage.database}"
    stage.configure(stage.server, targets=[*TARGETS.items(), ("search", f'index: "{other}_{{table}}"')])
    stage.settle(more=[f"other={stage.search}/{other}_{{table}}"])


@fault("Configuration", "A transform is taken out of a route", READ_AGAIN, servers=("mysql",))
def transform_changed(stage):
    stage.configure(stage.server, options="transform:\n  - { field: made, value: 5 }")
    stage.expect(("run", "pipeline.yaml", "--until-current"), 0)
    stage.configure(stage.server)
    read_again(stage, "t", "u")


@fault("Configuration", "A filter is changed, and rows pass that did not", READ_AGAIN, servers=("mariadb",))
def filter_changed(stage):
    stage.configure(stage.server, options="filter:\n  - { name: few, when: n < 300000 }")
    stage.expect(("run", "pipeline.yaml", "--until-current"), 0)
    stage.configure(stage.server, options="filter:\n  - { name: all, when: n >= 0 }")
    read_again(stage, "t", "u")


@fault("Configuration", "The id of documents is changed", READ_AGAIN, servers=("mysql",))
def id_changed(stage):
    by_other = [(name, word + (', id: "{key}-{n}"' if "index" in word else "")) for name, word in TARGETS.items()]
    stage.configure(stage.server, targets=by_other)
    stage.expect(("run", "pipeline.yaml", "--until-current"), 0)
    stage.configure(stage.server)
    read_again(stage, "t", "u")


@fault("Configuration", "The key of a route is changed", READ_AGAIN, servers=("mariadb",))
def key_changed(stage):
    for table in ("t", "u"):
        stage.sql(f"ALTER TABLE {table} ADD COLUMN code INT NOT NULL DEFAULT 0", f"UPDATE {table} SET code = id + 1000")
    stage.configure(stage.server, options="key: [code]")
    stage.expect(("run", "pipeline.yaml", "--until-current"), 0)
    stage.configure(stage.server)
    # The lines of before have the other key.
    read_again(stage, "t", "u", without="lake")


@fault("Configuration", "A table is taken out, its rows change and go and its columns change places, and it comes back", servers=("mariadb", "mysql", FILE))
def table_returns(stage):
    stage.settle()
    for round in range(2):
        stage.configure(stage.server, reading=f'exclude: ["{stage.schema}.t"]')
        stage.expect(("run", "pipeline.yaml", "--until-current"), 0)
        stage.sql("DELETE FROM t WHERE id % 3 = 0", "UPDATE t SET n = n + 1")
        stage.change(20)
        stage.expect(("run", "pipeline.yaml", "--until-current"), 0)
        if round == 1 and stage.server != FILE:
            # The same types at the same places, which no table map tells apart.
            stage.sql("ALTER TABLE t ADD COLUMN m INT DEFAULT 5 AFTER id, DROP COLUMN n", "ALTER TABLE t RENAME COLUMN m TO n")
        stage.configure(stage.server)
        stage.settle()
        stage.change(20)
        stage.settle()


@fault("Configuration", "The second of a connection's targets is taken out, rows go, and it comes back", servers=("mysql",))
def second_target_returns(stage):
    other = f"other_{stage.database}"
    both, more = [*TARGETS.items(), ("search", f'index: "{other}_{{table}}"')], [f"other={stage.search}/{other}_{{table}}"]
    stage.configure(stage.server, targets=both)
    stage.settle(more=more)
    stage.configure(stage.server)
    stage.sql("DELETE FROM t WHERE id % 3 = 0")
    stage.settle()
    stage.sql("DELETE FROM u WHERE id % 3 = 0")
    stage.configure(stage.server, targets=both)
    stage.settle(more=more)


@fault("DDL", "Rows change with the columns, and the route says `on_schema_change: halt`", halts("SYN-1309", "syncline backfill FILE --table TABLE"))
def alteration_halts(stage):
    stage.configure(stage.server, options="on_schema_change: halt")
    stage.settle()
    stage.sql("ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT 7")
    stage.change()
    stage.halts("SYN-1309", ends=5)
    stage.heal("--table", f"{stage.database}.t")


@fault("DDL", "Rows change with the columns, and the route says `on_schema_change: continue`",
       "goes on; `syncline verify` names the rows that are as before, and `syncline repair` ends equal")
def alteration_goes_on(stage):
    stage.configure(stage.server, options="on_schema_change: continue")
    stage.settle()
    stage.sql("ALTER TABLE t ADD COLUMN extra INT NOT NULL DEFAULT 7", "UPDATE t SET n = n + 1 WHERE id < 40")
    stage.expect(("run", "pipeline.yaml", "--until-current"), 0)
    repaired(stage)


@fault("Changes the stream does not carry", "A foreign key with `ON DELETE CASCADE` that the route accepts (`on_cascade: accept`)",
       "goes on; `syncline verify` names the rows, and `syncline repair` ends equal", servers=("mariadb",))
def cascade_accepted(stage):
    stage.configure(stage.server, options="on_cascade: accept")
    stage.sql("CREATE TABLE child (id INT PRIMARY KEY, t INT, FOREIGN KEY (t) REFERENCES t (id) ON DELETE CASCADE ON UPDATE CASCADE)",
              "INSERT INTO child SELECT id + 1000, id FROM t")
    stage.settle()
    stage.sql("DELETE FROM t WHERE id % 3 = 0", "UPDATE t SET id = id + 100 WHERE id % 3 = 1")
    stage.expect(("run", "pipeline.yaml", "--until-current"), 0)
    repaired(stage)


def repaired(stage):
    """What the comparison finds is put right. An archive holds lines, which are not compared."""
    if stage.call("verify", "pipeline.yaml")[0] != 4:
        raise Failed("nothing was found")
    stage.expect(("repair", "pipeline.yaml", "--yes"), 0)
    stage.require_equal(without="lake")
    stage.change(tables=("u",))
    stage.settle(without="lake")
