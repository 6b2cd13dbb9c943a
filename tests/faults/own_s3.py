"""The services' S3 store behind a gate of one fault's own: it answers 503, loses answers, and lets something happen before or after
a request is carried out. The store is real; what happens to requests is not its doing."""

import contextlib
import http.client
import sys
import threading
import urllib.error
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from acceptance.process import Failed
from checker.targets import S3_LOGIN

from .stage import url_of

PREFIX = "lake"
MANIFEST = "manifest.json"
BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
OF_ONE_HOP = {"connection", "transfer-encoding", "server", "date", "content-length"}


class Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        gate = self.server
        if gate.refuses:
            gate.refused += 1
            return self.answer(503, {}, BUSY)
        before, after = gate.take("before", self), gate.take("after", self)
        before()
        answer = gate.carry_out(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        after()
        if gate.loses(self.command):
            self.close_connection = True
            return None
        return self.answer(*answer)

    def answer(self, status, headers, content):
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in OF_ONE_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on

    def log_message(self, *_):
        pass


class Gate(ThreadingHTTPServer):
    """As a context it is closed at the end."""

    daemon_threads = True

    def __init__(self, store):
        super().__init__(("127.0.0.1", 0), Request)
        self.store = urlsplit(store).netloc
        self.refuses, self.refused, self.losing, self.puts = False, 0, 0, 0
        self.plans, self.failed = [], None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_):
        """A client that is killed is gone: that is nothing. What was to happen and did not is."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self.failed = error

    def carry_out(self, method, path, headers, body):
        store = http.client.HTTPConnection(self.store)
        store.request(method, path, body, {**headers, "host": self.store})
        answer = store.getresponse()
        content = answer.read()
        store.close()
        return answer.status, dict(answer.getheaders()), content

    def refuse(self, refuses):
        self.refuses = refuses

    def once(self, when, method, end, happens):
        """`when`: before or after the next request of this method to an object whose name ends so is carried out."""
        self.plans.append((when, method, end, happens))

    def take(self, when, request):
        for plan in self.plans:
            of, method, end, happens = plan
            if of == when and method == request.command and urlsplit(request.path).path.endswith(end):
                self.plans.remove(plan)
                return happens
        return lambda: None

    def loses(self, method):
        """Whether the answer gets lost: that of each Nth object that is put."""
        self.puts += method == "PUT"
        return self.losing and method == "PUT" and self.puts % self.losing == 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
        if self.failed or self.plans:
            raise Failed(f"what was to happen did not: {self.failed or self.plans}")


class Bucket:
    """One that another client looks at and writes to, without Syncline's knowledge."""

    def __init__(self, store):
        self.store, self.name = store, f"lake-{uuid.uuid4().hex}"
        self.request("PUT", "")

    def request(self, method, path, body=None):
        headers = {**S3_LOGIN, "Content-Type": "application/octet-stream"}
        request = urllib.request.Request(f"{self.store}/{self.name}{path}", body, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def put(self, name, content):
        self.request("PUT", f"/{PREFIX}/{name}", content)

    def get(self, name):
        return self.request("GET", f"/{PREFIX}/{name}")

    def delete(self, name):
        self.request("DELETE", f"/{PREFIX}/{name}")


@contextlib.contextmanager
def lake_on_s3(stage):
    """The archive is in a bucket; that, and the gate in front of it."""
    bucket = Bucket(url_of("s3"))
    with Gate(bucket.store) as gate:
        stage.use_lake(
            f"s3://key:secret@{bucket.name}/{PREFIX}?region=us-east-1&endpoint={gate.url}",
            checked=f"s3:{bucket.store}/{bucket.name}/{PREFIX}")
        yield bucket, gate
