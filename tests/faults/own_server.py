"""A spare server that runs with other options for a while, as somebody may have set it up."""

import contextlib
import os
import subprocess

import pymysql

from acceptance.setting import needed
from checker.database import connect

from .own_redis import wait_for
from .stage import url_of


@contextlib.contextmanager
def started_with(stage, server, *options):
    """The same command with more options; at the end it runs as it did before. Connections to it break, both times."""
    folder = os.path.join(needed("SYNCLINE_SERVICES"), "run", server)
    with open(os.path.join(folder, "pid"), encoding="ascii") as file:
        pid = file.read().strip()
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
        command = file.read().rstrip("\0").split("\0")
    stage.manage("stop", server)
    with open(os.path.join(folder, "log"), "ab") as log:
        process = subprocess.Popen([*command, *options], cwd=folder, stdout=log, stderr=log, start_new_session=True)
    # Whoever stops the servers stops this one, too.
    with open(os.path.join(folder, "pid"), "w", encoding="ascii") as file:
        file.write(str(process.pid))
    try:
        wait_for(f"{server} answers", lambda: answers(server))
        yield
    finally:
        process.terminate()
        process.wait()
        stage.manage("start", server)


def answers(server):
    with contextlib.suppress(pymysql.err.Error):
        connect(url_of(server)).close()
        return True
    return False
