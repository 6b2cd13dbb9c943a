"""What happens to the connection that the binlog is read on."""

import contextlib
import os
import subprocess
import sys
import tempfile
import urllib.request
from urllib.parse import urlsplit

from acceptance.process import Failed
from checker.database import binlog_end

from .catalogue import fault
from .own_redis import free_port, wait_for
from .stage import Stage

PART = "Identity and history"
OURS = 4711


@contextlib.contextmanager
def proxy(stage: Stage):
    """The source is reached through a proxy; what sets it."""
    control, stage.port = free_port(), free_port()
    program = os.path.join(os.path.dirname(stage.services), "fault_proxy.py")
    process = subprocess.Popen([sys.executable, program, str(stage.port), str(urlsplit(stage.source).port), str(control)])

    def tell(what):
        with urllib.request.urlopen(f"http://127.0.0.1:{control}/set?{what}") as answer:
            return answer.status == 200

    def answers():
        with contextlib.suppress(OSError):
            return tell("mode=ok")
    wait_for("the proxy answers", answers)
    stage.configure(stage.server)
    try:
        yield tell
    finally:
        process.kill()
        process.wait()


def accepted(status):
    return sum(table["accepted"] for table in status["tables"])


def goes_on_after(stage, running, trouble):
    """Changes that come after it reach the targets beside the running Syncline."""
    before = accepted(stage.status())
    trouble()
    stage.change(20)
    running.wait(lambda status: accepted(status) > before and all(not table["in_flight"] for table in status["tables"]))


@fault(PART, "The connection to the source is dead, and nobody says so")
def half_open(stage):
    with proxy(stage) as tell:
        stage.settle()
        with stage.running() as running:
            goes_on_after(stage, running, lambda: tell("strand=1"))
        stage.settle()


@fault(PART, "Another replica has our `server_id`: the server throws one of them out", servers=("mariadb",))
def same_server_id(stage):
    stage.configure(stage.server, reading=f"server_id: {OURS}")
    stage.settle()
    with tempfile.TemporaryDirectory() as folder, stage.running() as running:
        for _ in range(3):
            source = urlsplit(stage.source)
            other = subprocess.Popen(
                ["mariadb-binlog", "--read-from-remote-server", "--host", source.hostname, "--port", str(source.port), "--user", "root",
                 "--stop-never", f"--stop-never-slave-server-id={OURS}", "--raw", f"--result-file={folder}/",
                 binlog_end(stage.connection)[0]], stderr=subprocess.DEVNULL)
            stage.change(5)
            # Syncline comes again, which throws the other one out.
            other.wait(60)
            goes_on_after(stage, running, lambda: None)
        if running.told().count("reading the binlog") < 4:
            raise Failed(f"nobody was thrown out:\n{running.told()}")
    stage.settle()
