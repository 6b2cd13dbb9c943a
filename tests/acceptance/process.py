"""Starts Syncline, watches the phases it tells of, and kills it in the one that is wanted."""

import json
import os
import signal
import subprocess
import time
from collections import Counter

PHASES = ("backfill", "window", "bulk", "checkpoint", "drain")


class Failed(Exception):
    """The run has shown a fault."""


def tail(path, lines=25):
    with open(path, encoding="utf-8", errors="replace") as file:
        return "".join(file.readlines()[-lines:])


class Syncline:
    """One process. Its phase log is its own, so that every line belongs to this life."""

    def __init__(self, setting, life):
        self.setting = setting
        self.binary = os.path.abspath(os.environ.get("SYNCLINE_BIN", "target/release/syncline"))
        self.phase_log = os.path.join(setting.folder, f"phases-{life:03}")
        self.log = os.path.join(setting.folder, "syncline.log")
        self.process = None
        self.seen = 0
        self.peak_kib = 0

    def start(self, *arguments):
        open(self.phase_log, "w").close()
        with open(self.log, "ab") as log:
            log.write(f"---- {' '.join(arguments)}\n".encode())
            log.flush()
            self.process = subprocess.Popen(
                [self.binary, "run", self.setting.file, *arguments], stdout=log, stderr=log, cwd=self.setting.folder,
                env={**os.environ, "SYNCLINE_PHASE_LOG": self.phase_log})
        return self

    def lines(self):
        with open(self.phase_log, encoding="ascii") as file:
            return [line for line in file.read().split("\n")[:-1] if line]

    def new_lines(self):
        with open(self.phase_log, "rb") as file:
            file.seek(self.seen)
            text = file.read()
        whole = text.rfind(b"\n") + 1
        self.seen += whole
        return text[:whole].decode().split()

    def require_life(self):
        if self.process.poll() is not None:
            raise Failed(f"syncline ended by itself with {self.process.returncode}:\n{tail(self.log)}")

    def wait_for_phase(self, wanted, seconds, may_end=False):
        """True as soon as a new line names one of the wanted phases."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if any(line in wanted for line in self.new_lines()):
                return True
            if may_end and self.process.poll() is not None:
                return False
            self.require_life()
            time.sleep(0.0005)
        return False

    def kill(self):
        """SIGKILL; answers the phases it died in: those it had told of entering and not of leaving."""
        self.process.send_signal(signal.SIGKILL)
        self.collect()
        told = Counter(self.lines())
        return [phase for phase in PHASES if told[phase] > told["-" + phase]]

    def collect(self):
        if self.process.returncode is not None:
            return self.process.returncode
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.peak_kib = usage.ru_maxrss
        return self.process.returncode

    def stop(self):
        """SIGTERM, which must end with 0."""
        self.process.send_signal(signal.SIGTERM)
        code = self.collect()
        if code != 0:
            raise Failed(f"SIGTERM ended with {code}, not 0:\n{tail(self.log)}")

    def finish(self, seconds):
        """Waits for the end of `--until-current`, which must be 0."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                self.kill()
                raise Failed(f"--until-current did not end within {seconds} s:\n{tail(self.log)}")
            time.sleep(0.1)
        if self.process.returncode != 0:
            raise Failed(f"--until-current ended with {self.process.returncode}:\n{tail(self.log)}")

    def memory_kib(self):
        """What it holds in memory now."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    def status(self):
        done = subprocess.run(
            [self.binary, "status", self.setting.file, "--json"], capture_output=True, cwd=self.setting.folder, check=False)
        if done.returncode != 0:
            raise Failed(f"status ended with {done.returncode}: {done.stderr.decode()}")
        return next(p for p in json.loads(done.stdout)["pipelines"] if p["name"] == self.setting.database)
