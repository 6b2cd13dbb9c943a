"""Counts the row changes that a server's binlog holds, as the server's own tool prints them."""

import os
import re
import subprocess
from urllib.parse import unquote, urlsplit

from .database import binlog_files, connect, is_mariadb

ROW = re.compile(rb"^### (INSERT INTO|UPDATE|DELETE FROM) `((?:[^`]|``)+)`\.`((?:[^`]|``)+)`")
WORDS = {b"INSERT INTO": "insert", b"UPDATE": "update", b"DELETE FROM": "delete"}
SERVICES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "services", "services.sh")


def tool_arguments(url, files, start, stop):
    parts = urlsplit(url)
    arguments = [
        "--no-defaults", "--read-from-remote-server", f"--host={parts.hostname}", f"--port={parts.port or 3306}",
        f"--user={unquote(parts.username or 'root')}", "--base64-output=decode-rows", "--verbose",
        f"--start-position={start}"]
    if parts.password:
        arguments.append(f"--password={unquote(parts.password)}")
    if stop:
        arguments.append(f"--stop-position={stop}")
    return arguments + files


def count_rows(url, begin, end=None):
    """{table: {insert, update, delete}} between (file, position) and another one, or the end of the log."""
    connection = connect(url)
    tool = ["mariadb-binlog"] if is_mariadb(connection) else [SERVICES, "mysqlbinlog"]
    files = binlog_files(connection)
    connection.close()
    last = end[0] if end else files[-1]
    chosen = files[files.index(begin[0]):files.index(last) + 1]
    counts = {}
    command = tool + tool_arguments(url, chosen, begin[1], end[1] if end else None)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        for line in process.stdout:
            match = ROW.match(line)
            if match:
                table = b".".join(match.groups()[1:]).replace(b"``", b"`").decode()
                per_table = counts.setdefault(table, {"insert": 0, "update": 0, "delete": 0})
                per_table[WORDS[match.group(1)]] += 1
    if process.returncode:
        raise RuntimeError(f"{tool[-1]} failed with {process.returncode}")
    return counts


def total(counts, database=None):
    return sum(
        sum(per_table.values()) for table, per_table in counts.items()
        if database is None or table.startswith(database + "."))
