"""What the pipeline file says differs from what it said at the last start."""

from acceptance.process import Failed

from .catalogue import fault
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


def read_again(stage, *tables):
    require_stale(stage, *tables)
    stage.change(10)
    for table in tables:
        stage.expect(("backfill", "pipeline.yaml", "--table", f"{stage.database}.{table}"), 0)
        if state_of(stage, table) != "ok":
            raise Failed(f"{table} is {state_of(stage, table)}, not ok")
    stage.require_equal()
    stage.change(10)
    stage.settle()


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
