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
OTHER = f"""version: 1
connections: {{{{ shop: "{{source}}" }}}}
pipelines:
  other:
    source: {{{{ connection: shop, tables: ["{{database}}.*"], server_id: {OURS} }}}}
    routes: [{{{{ table: "{{database}}.*", to: [{{{{ stdout: true }}}}] }}}}]
"""


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


def replica(stage, folder):
    """A program that reads the binlog as a replica of our id does. MySQL tells replicas apart by more than that, which only another
    Syncline has in common with ours."""
    source = urlsplit(stage.source)
    command = [
        "mariadb-binlog", "--read-from-remote-server", "--host", source.hostname, "--port", str(source.port), "--user", "root",
        "--stop-never", f"--stop-never-slave-server-id={OURS}", "--raw", f"--result-file={folder}/", binlog_end(stage.connection)[0]]
    if not stage.mariadb:
        with open(os.path.join(folder, "pipeline.yaml"), "w", encoding="utf-8") as file:
            file.write(OTHER.format(source=stage.source, database=stage.database))
        command = [stage.binary, "run", "pipeline.yaml"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def times_read(stage):
    """How often it has begun to read the binlog."""
    with open(os.path.join(stage.folder, "run.log"), encoding="utf-8") as log:
        return log.read().count("reading the binlog")


@fault(PART, "Another replica has our `server_id`: the server throws one of them out")
def same_server_id(stage):
    stage.configure(stage.server, reading=f"server_id: {OURS}")
    stage.settle()
    with tempfile.TemporaryDirectory() as folder, stage.running() as running:
        for _ in range(3):
            before = times_read(stage)
            other = replica(stage, folder)
            stage.change(5)
            # Syncline is thrown out, and comes again, which throws the other one out.
            wait_for("Syncline is thrown out", lambda before=before: times_read(stage) > before)
            other.kill()
            other.wait()
            goes_on_after(stage, running, lambda: None)
    stage.settle()
