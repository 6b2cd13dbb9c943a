"""Targets that refuse for a while. Where the source has no part in it, the servers take turns."""

import os
import subprocess
import time

from .catalogue import fault, halts
from .own_disk import OwnDisk
from .own_redis import OwnCluster, OwnRedis

SOME_TRIES = 2
MANY_FIELDS = "ALTER TABLE t " + ", ".join(f"ADD COLUMN extra{number} INT DEFAULT {number}" for number in range(8))


def refuses_for_a_while(stage, sink, refuse, relent):
    """It is tried again and again meanwhile, and nothing is lost."""
    stage.settle()
    with stage.running() as running:
        refuse()
        stage.change()
        running.wait(lambda status: any(s["state"] == "retrying" and s["connection"] == sink for s in status["sinks"]))
        time.sleep(SOME_TRIES)
        relent()
        stage.change()
        running.wait(lambda status: all(s["state"] == "ok" for s in status["sinks"]))
    stage.settle()


@fault("Targets", "An index is blocked for writing, as it is at the flood stage of a full disk")
def index_blocked(stage):
    refuses_for_a_while(stage, "search", lambda: stage.block_index("t", True), lambda: stage.block_index("t", False))


@fault("Targets", "A role may write all indices but one", servers=("mariadb",))
def index_denied(stage):
    grant = stage.own_role()
    grant("*_u*", "*_t*")
    refuses_for_a_while(stage, "search", lambda: grant("*_u*"), lambda: grant("*_u*", "*_t*"))


@fault("Targets", "An index has as many fields as it may", halts("SYN-1602", "a higher `total_fields.limit`, and the next run"), servers=("mysql",))
def index_full(stage):
    limit = "index.mapping.total_fields.limit"
    stage.settle()
    stage.search_request("PUT", f"/{stage.database}_t-000001/_settings", {limit: 8})
    stage.sql(MANY_FIELDS)
    stage.change()
    stage.halts("SYN-1602")
    stage.search_request("PUT", f"/{stage.database}_t-000001/_settings", {limit: 100})
    stage.settle()


@fault("Targets", "Somebody else writes a document with a version of a higher epoch",
       halts("SYN-1605", "the index is deleted, and the next run"), servers=("mariadb",))
def foreign_document(stage):
    stage.settle()
    stage.sql("REPLACE INTO t (id, n) VALUES (3, 1)")
    index = f"/{stage.database}_t-000001"
    stage.search_request("PUT", f"{index}/_doc/3?version={9 * 10 ** 18}&version_type=external_gte", {"id": 3, "n": 2})
    stage.halts("SYN-1605")
    stage.search_request("DELETE", index)
    stage.settle()


@fault("Targets", "Redis is out of memory for a while", servers=("mysql",))
def redis_full(stage):
    with OwnRedis() as hot:
        stage.use_redis(hot.url)
        refuses_for_a_while(
            stage, "hot", lambda: hot.client.config_set("maxmemory", 1), lambda: hot.client.config_set("maxmemory", 0))


@fault("Targets", "A Redis master is a replica for a while", servers=("mariadb",))
def redis_replica(stage):
    with OwnRedis() as hot:
        stage.use_redis(hot.url)
        refuses_for_a_while(stage, "hot", lambda: hot.client.replicaof("127.0.0.1", "1"), lambda: hot.client.replicaof("NO", "ONE"))


@fault("Targets", "Slots of a Redis cluster move while it is written", servers=("mysql",))
def redis_slots_move(stage):
    with OwnCluster() as cluster:
        stage.use_redis(cluster.url)
        stage.settle()
        with stage.running():
            for source, target in ((0, 1), (1, 2), (2, 0)):
                moving = cluster.move(source, target, slots=600)
                while moving.poll() is None:
                    stage.change(5)
                if moving.returncode != 0:
                    raise subprocess.CalledProcessError(moving.returncode, moving.args)
            stage.change()
        stage.settle()


@fault("Targets", "The archive's folder takes no files for a while")
def folder_closed(stage):
    refuses_for_a_while(stage, "lake", lambda: stage.close_archive(True), lambda: stage.close_archive(False))


@fault("Targets", "The archive's disk is full for a while, and gets room page by page", servers=("mariadb",))
def disk_full(stage):
    with OwnDisk(os.path.join(stage.folder, "archive")) as disk:
        refuses_for_a_while(stage, "lake", disk.fill, lambda: disk.give_room(pages=6))
