"""Two servers, of which one takes the other's place."""

from checker.database import binlog_end, connect, rows

from .catalogue import SPARES, fault, halts
from .stage import url_of

PART = "Identity and history"
HEAL = "syncline backfill FILE --pipeline NAME"


class Pair:
    """The stage's server, and another one that copies it. Both begin with an empty binlog."""

    def __init__(self, stage):
        self.stage, self.first, self.second = stage, stage.server, f"{stage.server}-2"
        self.manage("start", self.second)
        self.mariadb = stage.mariadb
        self.connect()
        self.reset = "RESET MASTER" if self.mariadb else "RESET BINARY LOGS AND GTIDS"
        self.stop_copying()
        self.on_replica("RESET SLAVE ALL" if self.mariadb else "RESET REPLICA ALL", f"DROP DATABASE IF EXISTS {stage.database}", self.reset)
        stage.sql(f"DROP DATABASE {stage.database}", self.reset)
        stage.fill()

    def connect(self):
        self.replica = connect(url_of(self.second))

    def manage(self, action, server):
        self.stage.manage(action, server)

    def on_replica(self, *statements):
        with self.replica.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def copy(self):
        port = url_of(self.first).rsplit(":", 1)[1]
        if self.mariadb:
            self.on_replica(
                "SET GLOBAL gtid_slave_pos = ''",
                f"CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port}, MASTER_USER = 'root', MASTER_USE_GTID = slave_pos",
                "START SLAVE")
        else:
            self.on_replica(
                f"CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {port}, SOURCE_USER = 'root', "
                "SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1", "START REPLICA")

    def catch_up(self):
        """Until the copy has everything."""
        if self.mariadb:
            position = rows(self.stage.connection, "SELECT @@GLOBAL.gtid_binlog_pos")[0][0]
            done = rows(self.replica, f"SELECT MASTER_GTID_WAIT('{position}', 60)")[0][0]
        else:
            gtids = rows(self.stage.connection, "SELECT @@GLOBAL.gtid_executed")[0][0]
            done = rows(self.replica, f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{gtids}', 60)")[0][0]
        assert done == 0, f"the replica did not catch up: {done}"

    def stop_copying(self):
        self.on_replica("STOP SLAVE" if self.mariadb else "STOP REPLICA")

    def fail_over(self):
        """The first one is gone, and the second takes writes."""
        self.stop_copying()
        self.manage("kill", self.first)
        self.replica.close()
        self.stage.move_to(self.second)

    def close(self):
        """As it was: the first one runs."""
        self.manage("start", self.first)
        self.stage.drop(url_of(self.first))


@fault(PART, "Failover to a replica that has all that was read", servers=SPARES)
def failover(stage):
    pair = Pair(stage)
    pair.copy()
    stage.configure(pair.first, pair.second)
    stage.settle()
    stage.change()
    pair.catch_up()
    pair.fail_over()
    stage.change()
    stage.settle()
    assert stage.status()["epoch"] == 1, stage.status()
    stage.change()
    stage.settle()
    assert stage.status()["epoch"] == 1, "a server that stays begins no epoch"
    pair.close()


@fault(PART, "Failover beside a running Syncline", servers=SPARES)
def failover_while_running(stage):
    pair = Pair(stage)
    pair.copy()
    stage.configure(pair.first, pair.second)
    stage.settle()
    with stage.running() as running:
        stage.change()
        pair.catch_up()
        pair.fail_over()
        stage.change()
        running.wait(lambda status: status["epoch"] == 1 and status["state"] == "streaming")
        stage.change()
    stage.settle()
    pair.close()


@fault(PART, "Failover to a replica that lacks what was read", halts("SYN-1305", HEAL), SPARES)
def failover_behind(stage):
    pair = Pair(stage)
    pair.copy()
    stage.configure(pair.first, pair.second)
    stage.settle()
    pair.catch_up()
    pair.stop_copying()
    stage.change()
    stage.settle()
    pair.fail_over()
    stage.change()
    stage.configure(pair.second)
    stage.halts("SYN-1305")
    stage.heal()
    pair.close()


@fault(PART, "Failover to a replica that lacks what only some targets were given", halts("SYN-1305", HEAL), SPARES)
def failover_between(stage):
    pair = Pair(stage)
    pair.copy()
    stage.configure(pair.first, pair.second)
    stage.settle()
    with stage.running() as running:
        stage.block_index("t", True, "write")
        stage.change(5)
        running.wait(lambda status: any(sink["state"] == "retrying" for sink in status["sinks"]))
        pair.catch_up()
        pair.stop_copying()
        stage.change()
        end = ":".join(map(str, binlog_end(stage.connection)))
        running.wait(lambda status: [end in sink["position"] for sink in status["sinks"]].count(True) == 3)
    stage.block_index("t", False, "write")
    pair.fail_over()
    assert "cannot take its place" in stage.killed(("run", "pipeline.yaml"), 3)
    stage.configure(pair.second)
    stage.halts("SYN-1305")
    stage.heal()
    pair.close()


@fault(PART, "Another server behind the same address", halts("SYN-1305", HEAL), SPARES)
def foreign(stage):
    pair = Pair(stage)
    stage.settle()
    pair.replica.close()
    stage.drop(url_of(pair.first))
    stage.connection.close()
    stage.source = url_of(pair.second)
    stage.connection = connect(stage.source)
    stage.fill()
    stage.configure(pair.second)
    stage.halts("SYN-1305")
    stage.heal()
