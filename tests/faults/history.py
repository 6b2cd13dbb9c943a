"""The source's identity and history: purged, reset, restored, or another server's."""

import contextlib
import json
import os
import shutil

from acceptance.process import Failed
from acceptance.setting import needed
from checker.database import rows

from .catalogue import SPARES, fault, halts

HEAL = "syncline backfill FILE --pipeline NAME"
RECOVERS = "ends equal by itself, twice; the third time it halts at the limit"


@fault("Identity and history", "The binlog was purged beyond the checkpoint", halts("SYN-1304", HEAL), SPARES)
def purged(stage):
    stage.settle()
    stage.change()
    stage.purge()
    stage.change()
    stage.halts("SYN-1304")
    stage.heal()


@fault("Identity and history", "`RESET MASTER`", halts("SYN-1305", HEAL), SPARES)
def reset(stage):
    stage.settle()
    stage.change()
    stage.sql("RESET MASTER" if stage.mariadb else "RESET BINARY LOGS AND GTIDS")
    stage.change()
    stage.halts("SYN-1305")
    stage.heal()


@fault("Identity and history", "`RESET MASTER` while Syncline waits for more: its connection goes on with the next file", halts("SYN-1305", HEAL), SPARES)
def reset_beside(stage):
    statement = "RESET MASTER" if stage.mariadb else "RESET BINARY LOGS AND GTIDS"
    # So that the file which is read has the number of the new binlog's first.
    stage.sql(statement)
    stage.settle()
    stage.change(100)
    with stage.running(may_halt=True):
        stage.sql(statement)
        # What stands in the first file of the new binlog is never sent.
        stage.change()
        stage.rotate()
        stage.change()
    stage.halts("SYN-1305")
    stage.heal()


@fault("Identity and history", "`RESET MASTER`, and the new binlog has grown beyond the checkpoint", halts("SYN-1305", HEAL), SPARES)
def reset_and_overtaken(stage):
    stage.settle()
    stage.sql("RESET MASTER" if stage.mariadb else "RESET BINARY LOGS AND GTIDS")
    stage.change(150)
    for _ in range(8):
        stage.rotate()
    stage.halts("SYN-1305")
    stage.heal()
    # And once more: epochs rise.
    stage.change()
    stage.purge()
    stage.halts("SYN-1304")
    stage.heal()


@fault("Identity and history", "The backfill that heals is killed and asked for again", halts("SYN-1304", HEAL), SPARES)
def healing_killed(stage):
    stage.settle()
    stage.change()
    stage.purge()
    stage.change()
    stage.halts("SYN-1304")
    for delay in (0.15, 0.3, 0.5, 0.8):
        stage.killed(("backfill", "pipeline.yaml"), delay)
        stage.change(5)
    stage.heal()


def recovers(stage, cause, *break_history):
    """It halts, and goes on by itself: no command is given. What was done is in the audit."""
    stage.configure(stage.server, members=f"recovery: {{ probe: 1s, on: {{ {cause}: backfill }}, limit: {{ times: 2, pause: 1s }} }}")
    stage.settle()
    for _ in range(2):
        stage.change()
        for action in break_history:
            action()
        stage.change()
        stage.settle()
    audit = map(json.loads, stage.call("audit", "list", "pipeline.yaml", "--json")[2].splitlines())
    done = [entry["detail"] for entry in audit if entry["actor"] == entry["action"] == "recovery"]
    steps = [(step["cause"], step["of"], step["step"]) for step in done]
    if steps != [(cause, None, "backfill")] * 2:
        raise Failed(f"steps of recovery: {steps}")
    # The third time is beyond the limit.
    stage.change()
    for action in break_history:
        action()
    stage.expect(("run", "pipeline.yaml", "--until-current"), 1, "which is the limit")
    stage.heal()


@fault("Identity and history", "The binlog was purged beyond the checkpoint, and the file says `history_lost: backfill`", RECOVERS, SPARES)
def purged_recovers(stage):
    recovers(stage, "history_lost", stage.purge)


@fault("Identity and history", "`RESET MASTER`, and the file says `history_changed: backfill`", RECOVERS, SPARES)
def reset_recovers(stage):
    statement = "RESET MASTER" if stage.mariadb else "RESET BINARY LOGS AND GTIDS"
    recovers(stage, "history_changed", lambda: stage.sql(statement))


@contextlib.contextmanager
def put_back(stage, running):
    """A copy of the server's data folder is made at the beginning, and put back at the end. Of a server that runs it is made in one moment,
    as snapshots of volumes are."""
    folder = os.path.join(needed("SYNCLINE_SERVICES"), "run", stage.server)
    data, copy = os.path.join(folder, "data"), os.path.join(stage.folder, "backup")
    stage.manage("pause" if running else "stop", stage.server)
    shutil.copytree(data, copy)
    stage.manage("resume" if running else "start", stage.server)
    stage.move_to(stage.server)
    yield
    stage.manage("kill", stage.server)
    shutil.rmtree(data)
    os.rename(copy, data)
    stage.manage("start", stage.server)
    stage.move_to(stage.server)


def restored(stage, running):
    stage.settle()
    stage.change()
    with put_back(stage, running):
        stage.change(60)
        stage.settle()
    # As many transactions as were lost, and more: their numbers are used again.
    stage.change(20)
    stage.halts("SYN-1305")
    stage.heal()
    with put_back(stage, running):
        stage.change(20)
        stage.settle()
    stage.change(100)
    for _ in range(5):
        stage.rotate()
        stage.change(10)
    stage.halts("SYN-1305")
    stage.heal()


@fault("Identity and history", "A backup of the server's data folder is put back", halts("SYN-1305", HEAL), SPARES)
def backup_restored(stage):
    restored(stage, running=False)


@fault("Identity and history", "A snapshot that was made of the data folder while the server ran is put back", halts("SYN-1305", HEAL), SPARES)
def snapshot_restored(stage):
    restored(stage, running=True)


@fault("Identity and history", "A backup of the server's data folder is put back that holds all that was read", servers=SPARES)
def backup_of_all(stage):
    stage.settle()
    with put_back(stage, running=True):
        pass
    stage.change()
    stage.settle()


MODES = ("OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON")


def switch(stage, mode, after_each=lambda: None):
    """Step by step, as the server wants it, with changes in between."""
    at, wanted = MODES.index(rows(stage.connection, "SELECT @@GLOBAL.gtid_mode")[0][0]), MODES.index(mode)
    while at != wanted:
        at += 1 if at < wanted else -1
        stage.sql(f"SET GLOBAL gtid_mode = {MODES[at]}")
        stage.change(5)
        after_each()


@fault("Identity and history", "`gtid_mode` is switched off and on again, step by step", servers=("mysql-spare",))
def gtid_mode(stage):
    switch(stage, "ON")
    for _ in range(2):
        stage.settle()
        switch(stage, "OFF", stage.settle)
        switch(stage, "ON", stage.settle)
        stage.rotate()
        stage.change()
    stage.settle()


@fault("Identity and history", "`gtid_mode` is switched off before all that has GTIDs was read, and on again later", halts("SYN-1305", HEAL),
       servers=("mysql-spare",))
def gtid_mode_unread(stage):
    switch(stage, "ON")
    stage.settle()
    stage.change()
    switch(stage, "OFF")
    stage.halts("SYN-1305")
    stage.heal()
    # Begun without GTIDs.
    switch(stage, "ON", stage.settle)
    for _ in range(2):
        stage.rotate()
        stage.change()
        stage.settle()
