"""Targets and ledgers that have lost what they held, or hold what they held before. The servers take turns: what is lost
does not depend on the source."""

import os
import shutil
import time

from .catalogue import fault, halts
from .own_redis import OwnRedis, OwnSentinel, wait_for

ANEW = "syncline backfill FILE"
# Targets are asked every five seconds.
NOTICED = 6.5


def lost(stage, lose):
    """What is lost while Syncline runs, with changes and without, and while it does not run."""
    stage.settle()
    with stage.running():
        lose()
        stage.change(20)
        time.sleep(NOTICED)
        lose()
        time.sleep(NOTICED)
    stage.require_equal()
    lose()
    stage.settle()


@fault("Targets", "An index is deleted", servers=("mariadb",))
def index_deleted(stage):
    lost(stage, lambda: stage.search_request("DELETE", f"/{stage.database}_t-000001"))


@fault("Targets", "Redis is flushed", servers=("mysql",))
def redis_flushed(stage):
    with OwnRedis() as hot:
        stage.use_redis(hot.url)
        lost(stage, hot.client.flushall)


@fault("Targets", "Redis is killed and comes back without what it had not written to its disk", servers=("mariadb",))
def redis_forgets(stage):
    with OwnRedis("--save", "") as hot:
        stage.use_redis(hot.url)
        stage.settle()
        hot.client.save()
        stage.change(40)
        with stage.running():
            stage.change(40)
            time.sleep(1)
            hot.kill()
            hot.start()
            stage.change(10)
            time.sleep(NOTICED)
        stage.settle()


@fault("Targets", "Redis fails over to a replica that lacks acknowledged writes", servers=("mysql",))
def redis_failover(stage):
    with OwnRedis() as master, OwnRedis("--replicaof", "127.0.0.1", str(master.port)) as replica, OwnSentinel(master) as sentinel:
        wait_for("the sentinel knows the replica", lambda: sentinel.client.info("sentinel")["master0"]["slaves"] == 1)
        stage.use_redis(sentinel.url, checked=master.url)
        stage.settle()
        with stage.running():
            stage.change(10)
            time.sleep(1)
            replica.client.save()
            replica.kill()
            stage.change(40)
            time.sleep(1)
            master.kill()
            replica.start()
            wait_for("the replica is promoted", lambda: sentinel.names() == replica.port)
            stage.change(10)
            time.sleep(NOTICED)
        stage.use_redis(sentinel.url, checked=replica.url)
        stage.settle()


@fault("Targets", "A SQLite target is deleted, or replaced by an older copy", servers=("mariadb",))
def file_deleted(stage):
    path = os.path.join(stage.folder, "search.db")

    def delete():
        for end in ("", "-wal", "-shm"):
            if os.path.exists(path + end):
                os.remove(path + end)
    lost(stage, delete)
    shutil.copy(path, path + ".old")
    stage.change(30)
    stage.settle()
    delete()
    os.rename(path + ".old", path)
    stage.settle()


@fault("Targets", "An archive is deleted, or replaced by an older copy", servers=("mysql",))
def archive_deleted(stage):
    path = os.path.join(stage.folder, "archive")

    def delete():
        shutil.rmtree(path)
        os.mkdir(path)
    stage.settle()
    shutil.copytree(path, path + ".old")
    with stage.running():
        delete()
        stage.change(20)
        time.sleep(NOTICED)
    stage.settle()
    delete()
    stage.change(10)
    stage.settle()
    delete()
    os.rmdir(path)
    os.rename(path + ".old", path)
    stage.settle()


@fault("Targets", "A file of an archive is missing", halts("SYN-1802", "take the archive away, and it is written anew"), servers=("mariadb",))
def archive_file_missing(stage):
    stage.settle()
    stage.change(30)
    stage.settle()
    path = os.path.join(stage.folder, "archive")
    files = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names if name.endswith(".zst")]
    os.remove(stage.dice.choice(sorted(files)))
    stage.change(5)
    stage.halts("SYN-1802")
    shutil.rmtree(path)
    os.mkdir(path)
    stage.settle()


@fault("Ledger", "The ledger is deleted, and rows with it", servers=("mysql",))
def ledger_deleted(stage):
    stage.settle()
    stage.sql("DELETE FROM t WHERE id < 20")
    shutil.rmtree(os.path.join(stage.folder, "data"))
    stage.change(10)
    stage.settle()
    shutil.rmtree(os.path.join(stage.folder, "data"))
    stage.sql("DELETE FROM t WHERE id < 40")
    stage.settle()


@fault("Ledger", "The ledger is an older copy", servers=("mariadb",))
def ledger_older(stage):
    data = os.path.join(stage.folder, "data")
    stage.settle()
    shutil.copytree(data, data + ".old")
    stage.change(30)
    stage.settle()
    shutil.rmtree(data)
    os.rename(data + ".old", data)
    stage.change(10)
    stage.settle()


@fault("Ledger", "The ledger is a copy from before the pipeline began anew", halts("SYN-2106", ANEW), servers=("mysql",))
def ledger_of_earlier_epoch(stage):
    data = os.path.join(stage.folder, "data")
    stage.settle()
    shutil.copytree(data, data + ".old")
    shutil.rmtree(data)
    stage.change(10)
    stage.settle()
    shutil.rmtree(data)
    os.rename(data + ".old", data)
    stage.change(10)
    stage.halts("SYN-2106")
    stage.heal()
