"""What the run against real servers consists of: Syncline on embedded parts, a target that obeys the test, Prometheus, Alertmanager
and whom that tells."""

import json
import os
import shutil
import sqlite3
import subprocess
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml

from acceptance.process import Failed, tail

from . import rules

METRICS, TARGET, RECEIVER = (port + int(os.environ.get("SYNCLINE_PORT_SHIFT", "0")) for port in (19470, 19471, 19472))

PIPELINE = f"""version: 1
http: {{ listen: "127.0.0.1:{METRICS}" }}
connections:
  shop: sqlite:shop.db
  shelf: sqlite:search.db
  hook: {{ url: "http://127.0.0.1:{TARGET}", request_timeout: 2s }}
pipelines:
  shop:
    source: {{ connection: shop, tables: ["main.*"] }}
    schedule: [{{ task: verify, cron: "0 3 * * *" }}]
    routes:
      - table: main.things
        to:
          - {{ connection: shelf, index: things }}
          - {{ connection: hook, url: "/things/{{key}}" }}
"""


class Listener:
    """Takes requests, keeps their bodies and answers with `status`."""

    def __init__(self, port):
        self.port, self.status, self.bodies, self.server = port, 200, [], None

    def start(self):
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                listener.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(listener.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_HEAD(self):
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self):
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


class Monitoring:
    """Prometheus with the shortened rules, and Alertmanager. Both belong to `tests/services`."""

    def __init__(self):
        self.services = os.path.abspath("tests/services/services.sh")
        self.call("start", "prometheus", "alertmanager")
        told = dict(line.removeprefix("export ").split("=", 1) for line in self.call("env").splitlines())
        self.run, self.prometheus = os.path.join(told["SYNCLINE_SERVICES"], "run"), told["SYNCLINE_TEST_PROMETHEUS"]
        self.alertmanager = told["SYNCLINE_TEST_ALERTMANAGER"]

    def call(self, *arguments):
        done = subprocess.run([self.services, *arguments], capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise Failed(f"{' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def configure(self, name, configuration):
        with open(os.path.join(self.run, name, "conf", f"{name}.yml"), "w", encoding="utf-8") as file:
            yaml.safe_dump(configuration, file)
        self.call("reload", name)

    def begin(self):
        rules.shortened(os.path.join(self.run, "prometheus", "conf", "shortened.rules.yml"))
        # Alertmanager reads its file first: nothing is told to nobody.
        self.configure("alertmanager", {
            "route": {"receiver": "test", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"},
            "receivers": [{"name": "test", "webhook_configs": [{"url": f"http://127.0.0.1:{RECEIVER}/", "send_resolved": True}]}]})
        self.configure("prometheus", {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["shortened.rules.yml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [self.alertmanager.removeprefix("http://")]}]}]},
            "scrape_configs": [{"job_name": "syncline", "static_configs": [{"targets": [f"127.0.0.1:{METRICS}"]}]}]})

    def end(self):
        self.configure("prometheus", {"global": {"scrape_interval": "1s"}})
        self.configure("alertmanager", {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]})

    def ask(self, query):
        address = f"{self.prometheus}/api/v1/{query}"
        with urllib.request.urlopen(address, timeout=5) as answer:
            return json.load(answer)["data"]


class Shop:
    """A shop of three things, and the binary that runs its pipeline."""

    def __init__(self, folder):
        self.folder, self.process = folder, None
        self.binary = os.path.abspath(os.environ.get("SYNCLINE_BIN", "target/release/syncline"))
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        with open(os.path.join(folder, "shop.yaml"), "w", encoding="utf-8") as file:
            file.write(PIPELINE)
        self.sql("shop.db", "PRAGMA journal_mode = WAL; CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL);"
                            "INSERT INTO things VALUES (1, 'one'), (2, 'two'), (3, 'three');")

    def sql(self, database, statements):
        connection = sqlite3.connect(os.path.join(self.folder, database), timeout=20)
        connection.executescript(statements)
        connection.close()

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen([self.binary, "run", "shop.yaml"], cwd=self.folder, stdout=log, stderr=log)
        self.wait("streaming", lambda: 'state="streaming"' in self.metrics())

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def call(self, *arguments, code=0):
        done = subprocess.run([self.binary, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != code:
            raise Failed(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def metrics(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{METRICS}/metrics", timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            return ""

    def wait(self, what, is_so, patience=30):
        deadline = time.monotonic() + patience
        while not is_so():
            if time.monotonic() > deadline:
                raise Failed(f"still not {what}\n{tail(os.path.join(self.folder, 'log'))}")
            time.sleep(0.1)
