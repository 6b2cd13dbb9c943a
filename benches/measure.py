"""What the benchmarks share: timing a command as a whole process, pairs of runs, and the small table they print.

A figure is the median of paired runs (A B A B ...), with CPU seconds by the operating system's own account of the finished
process. Wall time on a shared machine says little; ratios of one run say more.
"""
import os
import platform
import re
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SYNCLINE = os.environ.get("SYNCLINE_BIN", str(ROOT / "target/release/syncline"))


def server(name):
    """The address of a test server, from the environment that tests/services/services.sh env prints."""
    value = os.environ.get(f"SYNCLINE_TEST_{name}")
    if not value:
        sys.exit(f'SYNCLINE_TEST_{name} is not set: tests/services/services.sh start …, then eval "$(tests/services/services.sh env)"')
    return value


def port(url):
    return int(url.rsplit(":", 1)[1].split("/")[0])


class PeakMemory:
    """The peak memory of a process, looked at every hundredth of a second while it lives.

    The account of the finished process would not do: it also counts what its parent, this Python, had when it started it.
    """

    def __init__(self, pid):
        self.mb, self.status, self.over = 0, f"/proc/{pid}/status", threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def _look(self):
        while not self.over.wait(0.01):
            try:
                with open(self.status) as status:
                    peak = re.search(r"VmHWM:\s+(\d+)", status.read())
            except OSError:
                return
            if peak:
                self.mb = max(self.mb, int(peak[1]) / 1024)


class Run:
    """One finished process."""

    def __init__(self, command, stdout=subprocess.DEVNULL, cwd=None):
        began = time.monotonic()
        child = subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, cwd=cwd)
        with PeakMemory(child.pid) as memory:
            self.stderr = child.stderr.read().decode()
            _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        self.wall = time.monotonic() - began
        self.cpu = usage.ru_utime + usage.ru_stime
        self.peak_mb = memory.mb
        if child.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))} ended with {child.returncode}:\n{self.stderr[-2000:]}")


def median(values):
    return statistics.median(values)


def table(title, header, rows):
    print(f"\n## {title}\n\n{machine()}\n")
    print("| " + " | ".join(header) + " |")
    print("|" + "-|" * len(header))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")


def machine():
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    model = next((l.split(":", 1)[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "?")
    return f"{os.cpu_count()} cores ({model}), {memory} GiB, {platform.system()} {platform.release()}"
