"""The faults there are: what happens, on which servers, how it ends, and the code that shows it."""

from dataclasses import dataclass
from typing import Callable

# Servers of their own: a fault may take their whole binlog away, or them. Each has another one (`-2`).
SPARES = ("mariadb-spare", "mysql-spare")
# No server: a SQLite file is the source.
FILE = "sqlite"
EQUAL = "ends equal"
# In the order of the document.
PARTS = (
    "Identity and history", "Transactions", "Partial images", "Changes the stream does not carry", "DDL", "Keys", "Targets", "Ledger",
    "Configuration")


class NotHere(Exception):
    """This machine does not let the fault happen. It is not shown, and counts as that."""


def halts(code, command):
    """It stops, names the code, and the command makes it equal."""
    return f"halts with {code}; `{command}` ends equal"


@dataclass(frozen=True)
class Fault:
    part: str
    what: str
    ends: str
    servers: tuple
    run: Callable
    # Takes minutes, and gigabytes of disk.
    heavy: bool

    @property
    def name(self):
        return self.run.__name__


FAULTS = []


def fault(part, what, ends=EQUAL, servers=("mariadb", "mysql"), heavy=False):
    def add(run):
        FAULTS.append(Fault(part, what, ends, servers, run, heavy))
        return run
    return add
