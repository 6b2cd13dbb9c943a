"""The source's identity and history: purged, reset, restored, or another server's."""

from .catalogue import SPARES, fault, halts

HEAL = "syncline backfill FILE --pipeline NAME"


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


@fault("Identity and history", "`RESET MASTER`, and the new binlog has grown beyond the checkpoint", halts("SYN-1305", HEAL), SPARES)
def reset_and_overtaken(stage):
    stage.settle()
    stage.sql("RESET MASTER" if stage.mariadb else "RESET BINARY LOGS AND GTIDS")
    stage.change(400)
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
