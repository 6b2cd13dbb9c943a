"""Raw `_bulk` requests of pre-rendered bodies: the limit that a search sink is measured against."""
import http.client
import json
import threading
import time


def request(port, method, path, body=None, kind="application/json"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body, {"Content-Type": kind})
    response = connection.getresponse()
    return response.status, response.read()


def pages(port, index, size=1000):
    """Every document of an index as bodies for `_bulk`, with ids and external versions, `size` documents each."""
    query = json.dumps({"size": size, "version": True, "sort": ["_doc"]})
    _, answer = request(port, "POST", f"/{index}/_search?scroll=2m", query)
    bodies = []
    while True:
        page = json.loads(answer)
        hits = page["hits"]["hits"]
        if not hits:
            return bodies
        lines = []
        for hit in hits:
            meta = {"_id": hit["_id"], "version": hit["_version"], "version_type": "external_gte"}
            lines.append(json.dumps({"index": meta}))
            lines.append(json.dumps(hit["_source"], ensure_ascii=False, separators=(",", ":")))
        bodies.append(("\n".join(lines) + "\n").encode())
        scroll = json.dumps({"scroll": "2m", "scroll_id": page["_scroll_id"]})
        _, answer = request(port, "POST", "/_search/scroll", scroll)


def recreate(port, index, like):
    """A fresh index with the mapping and settings of another."""
    _, answer = request(port, "GET", f"/{like}")
    ((_, description),) = json.loads(answer).items()
    settings = description["settings"]["index"]
    keep = {k: v for k, v in settings.items() if k in ("number_of_shards", "number_of_replicas", "gc_deletes")}
    request(port, "DELETE", f"/{index}")
    body = json.dumps({"settings": keep, "mappings": description["mappings"]})
    status, answer = request(port, "PUT", f"/{index}", body)
    if status != 200:
        raise RuntimeError(answer)


def load(port, index, bodies, streams):
    """Sends all bodies over so many connections and makes them visible, as Syncline does before it ends; answers the
    seconds."""
    queue, lock = list(reversed(bodies)), threading.Lock()
    failed = []

    def send():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while True:
            with lock:
                if not queue:
                    return
                body = queue.pop()
            connection.request("POST", f"/{index}/_bulk?filter_path=errors", body, {"Content-Type": "application/x-ndjson"})
            answer = json.loads(connection.getresponse().read())
            if answer.get("errors") is not False:
                failed.append(answer)

    began = time.monotonic()
    threads = [threading.Thread(target=send) for _ in range(streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise RuntimeError(failed[0])
    request(port, "POST", f"/{index}/_refresh")
    return time.monotonic() - began
