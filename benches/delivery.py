"""One run of a program that writes a line to a file for each row it reads: from its start until the last row is there.

Most such programs never end by themselves; they are ended once all rows are there, and what they still write is counted
too. CPU seconds are the operating system's account of the finished process and of the children it waited for, so the start
of a virtual machine counts.
"""
import os
import re
import signal
import subprocess
import tempfile
import time

from measure import PeakMemory

BLOCK = 1 << 20
EDGE = 1 << 16
PATIENCE = 60
"""So many seconds without any output mean that nothing more will come."""


class NotDelivered(Exception):
    """Why a program has no figure."""


def last_words(log):
    """What a program said of its end, as a cell of a table: the first errors, or else its last lines."""
    lines = [line.strip() for line in log.splitlines() if line.strip() and not line.startswith("\t")]
    errors = [line for line in lines if re.search("error|exception", line, re.I)]
    return " ".join(errors[:2] or lines[-3:])[:300].replace("|", "/") or "it said nothing"


class Delivery:
    """What a command needed to write all rows into `folder/out`, its standard output unless it opens the file itself.

    `mark` is what it writes once for each row: the end of a line of JSON, as some tools log to the same place. `ends` says
    that it ends by itself.
    """

    def __init__(self, command, rows, folder, mark=b"}\n", ends=False):
        self.rows, self.mark, self.count, self.first, self.offset = rows, mark, 0, None, 0
        self.head = self.tail = b""
        self.path = folder / "out"
        with tempfile.TemporaryFile() as log, open(self.path, "wb") as out:
            began = time.monotonic()
            child = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=log)
            with PeakMemory(child.pid) as memory:
                self._watch(child.pid, began)
                self.wall = time.monotonic() - began
                if not ends:
                    os.kill(child.pid, signal.SIGTERM)
                self._end(child)
            self.peak_mb = memory.mb
            self._read()
            log.seek(0)
            self._judge(log.read().decode(errors="replace"))
        self.path.unlink()

    def _watch(self, pid, began):
        """Until all rows are there, or no more will come."""
        heard = time.monotonic()
        while True:
            over = ended(pid)
            if self._read():
                heard = time.monotonic()
                self.first = self.first or heard - began
            if over or self.count >= self.rows or time.monotonic() > heard + PATIENCE:
                return
            time.sleep(0.02)

    def _read(self):
        """Counts what has come since; whether anything has. The file is opened anew, as it may be another by now."""
        before = self.offset
        with open(self.path, "rb") as out:
            out.seek(before)
            while block := out.read(BLOCK):
                if len(self.head) < EDGE:
                    self.head += block[:EDGE]
                # A mark may lie across two blocks.
                self.count += (self.tail[1 - len(self.mark):] + block).count(self.mark)
                self.tail = (self.tail + block)[-EDGE:]
                self.offset += len(block)
        return self.offset > before

    def _end(self, child):
        """Not through Popen's own wait, which would lose the account."""
        give_up = time.monotonic() + 20
        while not ended(child.pid) and time.monotonic() < give_up:
            time.sleep(0.02)
        if not ended(child.pid):
            os.kill(child.pid, signal.SIGKILL)
        _, status, usage = os.wait4(child.pid, 0)
        self.exit_code = child.returncode = os.waitstatus_to_exitcode(status)
        self.cpu = usage.ru_utime + usage.ru_stime

    def _judge(self, log):
        """All rows and nothing else, from the first to the last."""
        if self.count != self.rows:
            raise NotDelivered(f"{self.count:,} of {self.rows:,} rows, exit code {self.exit_code}: {last_words(log)}")
        for number, edge in ((0, self.head), (self.rows - 1, self.tail)):
            if f"row {number} of the table".encode() not in edge:
                raise NotDelivered(f"row {number:,} is not where it should be in the output")


def ended(pid):
    """Whether a child has ended; it is not collected."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
