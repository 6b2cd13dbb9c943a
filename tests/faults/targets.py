"""Targets that refuse for a while."""

import time

from .catalogue import fault

SOME_TRIES = 2


@fault("Targets", "An index is blocked for writing, as it is at the flood stage of a full disk")
def index_blocked(stage):
    stage.settle()
    with stage.running() as running:
        stage.block_index("t", True)
        stage.change()
        running.wait(lambda status: any(sink["state"] == "retrying" for sink in status["sinks"]))
        time.sleep(SOME_TRIES)
        stage.block_index("t", False)
        stage.change()
        running.wait(lambda status: all(sink["state"] == "ok" for sink in status["sinks"]))
    stage.settle()


@fault("Targets", "The archive's folder takes no files for a while")
def folder_closed(stage):
    stage.settle()
    with stage.running() as running:
        stage.close_archive(True)
        stage.change()
        running.wait(lambda status: any(sink["state"] == "retrying" for sink in status["sinks"]))
        time.sleep(SOME_TRIES)
        stage.close_archive(False)
        running.wait(lambda status: all(sink["state"] == "ok" for sink in status["sinks"]))
    stage.settle()
