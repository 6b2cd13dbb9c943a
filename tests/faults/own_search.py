"""A search cluster of one fault's own: three nodes of the distribution that the services' OpenSearch runs, which are killed and lose
their data. The third holds no documents; it has a vote, and it is asked what the cluster holds."""

import glob
import json
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request

from acceptance.process import Failed
from acceptance.setting import needed
from checker.targets import search_request

from .own_redis import free_port, wait_for
from .stage import url_of

NODES = range(3)
WITH_DOCUMENTS = "n0,n1"
# A copy that is gone is not made again meanwhile: what only one node holds can be lost.
ONE_REPLICA = (
    'settings: {number_of_shards: 1, number_of_replicas: 1, "unassigned.node_left.delayed_timeout": 10m, '
    f'"routing.allocation.include._name": "{WITH_DOCUMENTS}"}}')
# Most of a start is reading classes: only the module that carries requests, no proof that the classes are sound, and no agent that
# looks at each of them for what it may do.
MODULE = "transport-netty4"
NOT_NEEDED = ("-Xms", "-Xmx", "-javaagent:", "--add-modules=")
JAVA = ["-Xms256m", "-Xmx256m", "-XX:+UnlockDiagnosticVMOptions", "-XX:-BytecodeVerificationRemote"]
START = 120


def command_of_services():
    """How the services' server was started: the program with its options, and the settings."""
    with open(os.path.join(needed("SYNCLINE_SERVICES"), "run", "opensearch", "pid"), encoding="ascii") as file:
        pid = file.read().strip()
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
        words = file.read().rstrip("\0").split("\0")
    return words[:words.index("-E")], os.stat(f"/proc/{pid}").st_uid


def value_of(words, name):
    return next(word.removeprefix(name) for word in words if word.startswith(name))


class OwnSearchCluster:
    """As a context it is gone at the end."""

    def __init__(self, stage):
        self.stage = stage
        self.words, self.user = command_of_services()
        self.folder = tempfile.mkdtemp(prefix="search-")
        os.chmod(self.folder, 0o755)
        self.ports, self.peers = [free_port() for _ in NODES], [free_port() for _ in NODES]
        self.home = self.slim_home(value_of(self.words, "-Dopensearch.path.home="))
        # What the agent brings is named by others, also without it.
        self.agent = next(glob.iglob(os.path.join(self.home, "agent", "*-bootstrap-*.jar")))
        self.processes = [None for _ in NODES]

    def slim_home(self, whole):
        home = os.path.join(self.folder, "home")
        for name in ("modules", "plugins"):
            os.makedirs(os.path.join(home, name))
        for name in os.listdir(whole):
            if name not in ("modules", "plugins"):
                os.symlink(os.path.join(whole, name), os.path.join(home, name))
        shutil.copytree(os.path.join(whole, "modules", MODULE), os.path.join(home, "modules", MODULE))
        return home

    def place(self, node, name=""):
        return os.path.join(self.folder, f"n{node}", name)

    def command(self, node):
        replaced = {
            "-Dopensearch.path.home=": self.home, "-Dopensearch.path.conf=": self.place(node, "conf"),
            "-Djava.io.tmpdir=": self.place(node, "tmp")}
        java = [word for word in self.words[:-1] if not word.startswith((*NOT_NEEDED, *replaced))]
        at = java.index("-cp")
        settings = {
            "cluster.name": self.stage.database, "node.name": f"n{node}", "network.host": "127.0.0.1", "http.port": self.ports[node],
            "transport.port": self.peers[node], "path.data": self.place(node, "data"), "path.logs": self.place(node, "logs"),
            "discovery.seed_hosts": ",".join(f"127.0.0.1:{port}" for port in self.peers),
            "cluster.initial_cluster_manager_nodes": ",".join(f"n{node}" for node in NODES),
            "node.store.allow_mmap": "false", "cluster.routing.allocation.disk.threshold_enabled": "false"}
        # Whoever kills the test kills them, too.
        drop = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", "--pdeathsig=KILL"]
        return [
            *drop, *java[:at], *(name + value for name, value in replaced.items()), *JAVA, f"-Xbootclasspath/a:{self.agent}", *java[at:], self.words[-1],
            *(word for name, value in settings.items() for word in ("-E", f"{name}={value}"))]

    def start(self, *nodes):
        conf = value_of(self.words, "-Dopensearch.path.conf=")
        for node in nodes:
            for name in ("data", "logs", "tmp"):
                os.makedirs(self.place(node, name), exist_ok=True)
            shutil.copytree(conf, self.place(node, "conf"), dirs_exist_ok=True)
            subprocess.run(["chown", "-R", f"{self.user}:{self.user}", self.place(node)], check=True)
            with open(self.place(node, "log"), "ab") as log:
                self.processes[node] = subprocess.Popen(
                    self.command(node), cwd=self.home, env={**os.environ, "HOME": self.place(node, "tmp")}, stdout=log, stderr=log)
        wait_for("the nodes are together", self.together, START)

    def together(self):
        """All that run, and none that was killed."""
        if any(process is not None and process.poll() is not None for process in self.processes):
            raise Failed(f"a node ended by itself, see {self.folder}")
        try:
            found = self.ask("GET", "/_cluster/state/nodes?cluster_manager_timeout=1s")["nodes"].values()
        except (OSError, ValueError):
            return False
        return {node["name"] for node in found} == {f"n{node}" for node in NODES if self.processes[node] is not None}

    def kill(self, node):
        self.processes[node].kill()
        self.processes[node].wait()
        self.processes[node] = None

    def forget(self, node):
        shutil.rmtree(self.place(node, "data"))

    def ask(self, method, path, body=None):
        body = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(search_request(self.url, path, body, method), timeout=30) as answer:
            return json.load(answer)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.ports[-1]}"

    def primary(self, index):
        """Which node has it."""
        state = self.ask("GET", f"/_cluster/state/routing_table,nodes/{index}")
        shard = next(copy for copy in state["routing_table"]["indices"][index]["shards"]["0"] if copy["primary"])
        return int(state["nodes"][shard["node"]]["name"].removeprefix("n"))

    def take_stale(self, node, *indices):
        """What an operator does who has nothing better."""
        self.ask("POST", "/_cluster/reroute", {"commands": [
            {"allocate_stale_primary": {"index": index, "shard": 0, "node": f"n{node}", "accept_data_loss": True}} for index in indices]})

    def __enter__(self):
        self.start(*NODES)
        self.stage.search, self.stage.search_login = self.url, "http://" + ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return self

    def __exit__(self, kind, *_):
        self.stage.search, self.stage.search_login = url_of("opensearch"), None
        for node in NODES:
            if self.processes[node] is not None:
                self.kill(node)
        if kind is None:
            shutil.rmtree(self.folder)
