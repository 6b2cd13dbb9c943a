"""What goes on by itself where the file says so: targets that refuse, routes that change, a pipeline that is far behind."""

import contextlib
import json
import time
import zlib

import pymysql

from acceptance.process import Failed
from checker.database import rows

from .catalogue import fault
from .links import proxy
from .stage import TARGETS
from .targets import MANY_FIELDS

BY_ITSELF = "ends equal by itself"
ROWS = 20000


def steps(stage):
    """Cause, place and step of each, from the audit."""
    audit = map(json.loads, stage.call("audit", "list", "pipeline.yaml", "--json")[2].splitlines())
    done = [entry["detail"] for entry in audit if entry["actor"] == entry["action"] == "recovery"]
    return [(step["cause"], step["of"], step["step"]) for step in done]


def until(what, is_so, patience=120):
    deadline = time.monotonic() + patience
    while not is_so():
        if time.monotonic() > deadline:
            raise Failed(f"still not {what}")
        time.sleep(0.2)


@fault("Targets", "An index has as many fields as it may, and the file says `target_refused: retry`", BY_ITSELF, ("mysql",))
def index_full_recovers(stage):
    limit = "index.mapping.total_fields.limit"
    stage.configure(stage.server, members="recovery: { on: { target_refused: retry }, limit: { times: 100, pause: 100ms } }")
    stage.settle()
    stage.search_request("PUT", f"/{stage.database}_t-000001/_settings", {limit: 8})
    with stage.running() as running:
        stage.sql(MANY_FIELDS)
        stage.change()
        until("opened again in vain", lambda: len(steps(stage)) > 1)
        stage.search_request("PUT", f"/{stage.database}_t-000001/_settings", {limit: 100})
        running.wait(lambda status: status["state"] == "streaming" and all(s["state"] == "ok" for s in status["sinks"]))
        stage.change()
    stage.settle()
    if set(steps(stage)) != {("target_refused", "search", "retry")}:
        raise Failed(f"steps of recovery: {steps(stage)}")


@fault("Configuration", "A route changes, and the file says `route_changed: resync`: its index is made anew beside the live one", BY_ITSELF, ("mariadb",))
def route_changed_resyncs(stage):
    members = "recovery: { on: { route_changed: resync }, limit: { pause: 1s } }"
    routes = {table: [(name, word.replace("{table}", table)) for name, word in TARGETS.items()] for table in ("t", "u")}
    stage.configure(stage.server, members=members, routes=routes)
    stage.settle()
    # The documents stay the same, which Syncline cannot know.
    stage.configure(stage.server, members=members, routes=routes, options='filter: [{ name: none, when: "id < 0 or id >= 0" }]')

    def resyncs():
        listed = stage.call("resync", "list", "pipeline.yaml", "--json")[2]
        return sorted((task["table"], task["target"], task["state"], task["asked_by"]) for task in map(json.loads, listed.splitlines()))
    expected = [(f"{stage.database}.{table}", "search", "completed", "recovery") for table in ("t", "u")]
    with stage.running(state="streaming") as running:
        stage.change()
        until("made anew", lambda: resyncs() == expected)
        running.wait(lambda status: status["state"] == "streaming")
        stage.change()
    # The checker knows an index by its first generation only.
    stage.settle(without="search")
    stage.expect(("verify", "pipeline.yaml"), 0)
    if sorted(steps(stage)) != [("route_changed", f"{stage.database}.{table}", "resync") for table in ("t", "u")]:
        raise Failed(f"steps of recovery: {steps(stage)}")


@fault("Identity and history", "The source is away for long, and the file has `recovery`: a probe sees it come back, and nobody waits any longer")
def source_back(stage):
    with proxy(stage) as tell:
        stage.configure(stage.server, members="recovery: { probe: 200ms }")
        stage.settle()
        with stage.running() as running:
            # Now and then a try comes by itself just before the probe does.
            for _ in range(5):
                tell("mode=refuse")
                stage.change()
                # Waits grow to some seconds meanwhile.
                time.sleep(8)
                if steps(stage):
                    raise Failed(f"it is not back: {steps(stage)}")
                tell("mode=ok")
                running.wait(lambda status: status["state"] == "streaming")
                if steps(stage) == [("unreachable", None, "wake")]:
                    break
            else:
                raise Failed(f"nobody was woken: {steps(stage)}")
            stage.change()
        stage.settle()


def own_login(stage):
    """Syncline is a user of our own; what sets its password and what ends its sessions."""
    name = f"f{zlib.crc32(stage.database.encode()):08x}"
    user = f"'{name}'@'%'"
    stage.sql(f"DROP USER IF EXISTS {user}", f"CREATE USER {user} IDENTIFIED BY 'first'",
              f"GRANT REPLICATION SLAVE, REPLICATION CLIENT, RELOAD, PROCESS ON *.* TO {user}", f"GRANT SELECT ON `{stage.database}`.* TO {user}")
    if stage.mariadb:
        # Reads the binlog's state; has another name there.
        stage.sql(f"GRANT BINLOG MONITOR ON *.* TO {user}")
    stage.login = f"{name}:first"

    def throw_out():
        for session in rows(stage.connection, "SELECT id FROM information_schema.processlist WHERE user = %s", (name,)):
            with contextlib.suppress(pymysql.err.Error):
                stage.sql(f"KILL {session[0]}")
    return user, throw_out


@fault("Identity and history", "The login's password is another one for a while, then a privilege is gone, and the file says `source_refused: retry`", BY_ITSELF)
def source_refused_recovers(stage):
    user, throw_out = own_login(stage)
    stage.configure(stage.server, members="recovery: { probe: 1s, on: { source_refused: retry }, limit: { times: 200, pause: 50ms } }")
    stage.settle()
    taken = (
        (f"ALTER USER {user} IDENTIFIED BY 'second'", f"ALTER USER {user} IDENTIFIED BY 'first'"),
        (f"REVOKE REPLICATION SLAVE ON *.* FROM {user}", f"GRANT REPLICATION SLAVE ON *.* TO {user}"))
    with stage.running() as running:
        for take, give in taken:
            before = len(steps(stage))
            stage.sql(take)
            throw_out()
            stage.change()
            until("tried again in vain", lambda before=before: len(steps(stage)) > before + 1)
            stage.sql(give)
            running.wait(lambda status: status["state"] == "streaming")
            stage.change()
    stage.settle()
    if set(steps(stage)) != {("source_refused", None, "retry")}:
        raise Failed(f"steps of recovery: {steps(stage)}")
    stage.sql(f"DROP USER {user}")


def damaged(stage):
    """A name of ours alone: what others do on this server comes through the proxy, too."""
    return f"damaged{zlib.crc32(stage.database.encode())}"


@fault("Identity and history", "Bits of a binlog event are flipped on its way for a while, and the file says `log_damaged: retry`", BY_ITSELF)
def bits_on_the_way_recover(stage):
    with proxy(stage) as tell:
        stage.configure(stage.server, members="recovery: { on: { log_damaged: retry }, limit: { times: 200, pause: 50ms } }")
        stage.settle()
        with stage.running() as running:
            tell(f"garble={damaged(stage)}")
            stage.sql(f"INSERT INTO t (id, n, name) VALUES (1000, 1, '{damaged(stage)}')")
            until("tried again in vain", lambda: len(steps(stage)) > 1)
            tell("garble=")
            running.wait(lambda status: status["state"] == "streaming")
            stage.change()
        stage.settle()
    if set(steps(stage)) != {("log_damaged", None, "retry")}:
        raise Failed(f"steps of recovery: {steps(stage)}")


@fault("Identity and history", "Bits of a binlog event stay flipped, and the file says `log_damaged: backfill`", BY_ITSELF)
def bits_flipped_recovers(stage):
    with proxy(stage) as tell:
        stage.configure(stage.server, members="recovery: { on: { log_damaged: backfill }, limit: { times: 1 } }")
        stage.settle()
        tell(f"garble={damaged(stage)}")
        # No row holds it when all is read anew.
        come_and_go = (f"INSERT INTO t (id, n, name) VALUES (1000, 1, '{damaged(stage)}')", "DELETE FROM t WHERE id = 1000")
        stage.sql(*come_and_go)
        stage.change()
        stage.settle()
        if steps(stage) != [("log_damaged", None, "backfill")]:
            raise Failed(f"steps of recovery: {steps(stage)}")
        # Once more is beyond the limit.
        stage.sql(*come_and_go)
        stage.expect(("run", "pipeline.yaml", "--until-current"), 1, "SYN-1307", "which is the limit")
        tell("garble=")
        stage.settle()


@fault("Targets", "The pipeline is far behind, and the file says `widen`: more requests at once until it has caught up")
def far_behind(stage):
    stage.configure(stage.server, members="recovery: { widen: { behind: 1s, lanes: 12 } }")
    stage.settle()
    digits = "(SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)"
    number = "a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n"
    every = " CROSS JOIN ".join(f"{digits} {name}" for name in "abcde")
    stage.sql(f"INSERT INTO t (id, n, name) SELECT 1000 + {number}, 1, 'first' FROM {every} WHERE {number} < {ROWS}")
    # Each row once more, so that many addresses are written twice within a short time.
    stage.sql("UPDATE t SET n = n + 1, name = 'second' WHERE id >= 1000")
    time.sleep(2)
    with stage.running() as running:
        running.wait(lambda status: status["lag_seconds"] == 0 and ("behind", "search", "narrow") in steps(stage))
        stage.change()
    stage.settle()
    found = set(steps(stage))
    if found != {("behind", name, step) for name in ("search", "hot") for step in ("widen", "narrow")}:
        raise Failed(f"steps of recovery: {found}")
