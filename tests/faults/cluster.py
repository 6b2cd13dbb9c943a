"""Nodes of a search cluster that are killed while Syncline writes, and one that loses all it had."""

import time

from acceptance.process import Failed

from .catalogue import fault
from .forgetful import NOTICED
from .links import accepted
from .own_search import ONE_REPLICA, OwnSearchCluster
from .stage import TARGETS

SOME_TRIES = 2


def sink(status):
    return next(sink for sink in status["sinks"] if sink["connection"] == "search")


def written(stage, running):
    """Changes reach all targets."""
    before = accepted(stage.status())
    stage.change(20)
    running.wait(lambda status: accepted(status) > before and all(not table["in_flight"] for table in status["tables"]))


def waits(stage, running):
    """Changes do not reach the cluster, and are not lost."""
    stage.change(20)
    running.wait(lambda status: sink(status)["queued"] or sink(status)["state"] == "retrying")
    time.sleep(SOME_TRIES)
    if not any(table["in_flight"] for table in stage.status()["tables"]):
        raise Failed("the cluster took changes that nobody could have taken")


@fault("Targets", "Of three nodes of a search cluster one is killed, then another; later the only one with all documents is lost for ever",
       servers=("mariadb",), heavy=True)
def search_nodes(stage):
    with OwnSearchCluster(stage) as cluster:
        stage.configure(stage.server, targets=[
            (name, f"{word}, {ONE_REPLICA}" if name == "search" else word) for name, word in TARGETS.items()])
        stage.settle()
        indices = [f"{stage.database}_{table}-000001" for table in ("t", "u")]
        cluster.ask("GET", "/_cluster/health?wait_for_status=green&timeout=60s")
        first = cluster.primary(indices[0])
        second = 1 - first
        with stage.running() as running:
            stage.change(10)
            cluster.kill(first)
            written(stage, running)
            # The one that is left has no majority.
            cluster.kill(second)
            waits(stage, running)
            cluster.start(second)
            written(stage, running)
        stage.settle()
        with stage.running() as running:
            written(stage, running)
            cluster.kill(second)
            cluster.forget(second)
            # It was killed before most of what the other one had acknowledged.
            cluster.start(first)
            waits(stage, running)
            cluster.take_stale(first, *indices)
            written(stage, running)
            time.sleep(NOTICED)
        stage.settle()
