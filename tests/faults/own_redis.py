"""Redis servers of one fault's own: they are emptied and fail over, which others should not see."""

import os
import shutil
import socket
import subprocess
import tempfile
import time

import redis

from acceptance.process import Failed

PATIENCE = 30


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(what, is_so, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            if is_so():
                return
        except redis.RedisError:
            pass
        time.sleep(0.05)
    raise Failed(f"not within {patience} s: {what}")


class OwnRedis:
    """One server; as a context it is gone at the end."""

    def __init__(self, *options):
        self.folder, self.port = tempfile.mkdtemp(prefix="redis-"), free_port()
        self.command = ["redis-server", *options, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder]
        self.client = redis.Redis(port=self.port)
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("redis answers", self.client.ping)

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class OwnSentinel(OwnRedis):
    """A sentinel that needs nobody's consent."""

    def __init__(self, master):
        self.master = master
        super().__init__("sentinel.conf", "--sentinel")

    def start(self):
        path = os.path.join(self.folder, "sentinel.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"port {self.port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {self.master.port} 1\n"
                       "sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n")
        self.command = ["redis-server", path, "--sentinel"]
        super().start()

    @property
    def url(self):
        return f"redis-sentinel://127.0.0.1:{self.port}/main"

    def names(self):
        host, port = self.client.execute_command("SENTINEL", "get-master-addr-by-name", "main")
        return int(port)


class OwnCluster:
    """Three masters without replicas."""

    def __init__(self):
        self.nodes = [OwnRedis("--cluster-enabled", "yes", "--cluster-port", str(free_port())) for _ in range(3)]
        hosts = [f"127.0.0.1:{node.port}" for node in self.nodes]
        self.cli("create", *hosts).wait(PATIENCE)
        for node in self.nodes:
            wait_for("the cluster is whole", lambda node=node: b"cluster_state:ok" in node.client.execute_command("CLUSTER", "INFO"))

    @property
    def url(self):
        return f"redis-cluster://127.0.0.1:{self.nodes[0].port}"

    def cli(self, *arguments):
        return subprocess.Popen(
            ["redis-cli", "--cluster", *arguments, "--cluster-yes"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def move(self, source, target, slots):
        """Begins to move so many slots from one node to another."""
        source, target = (self.nodes[index].client.execute_command("CLUSTER", "MYID").decode() for index in (source, target))
        return self.cli("reshard", f"127.0.0.1:{self.nodes[0].port}", "--cluster-from", source, "--cluster-to", target,
                        "--cluster-slots", str(slots))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.__exit__()
