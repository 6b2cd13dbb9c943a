"""The faults there are: what happens, on which servers, how it ends, and the code that shows it."""

from dataclasses import dataclass
from typing import Callable

# Servers of their own: a fault may take their whole binlog away, or them. Each has another one (`-2`).
SPARES = ("mariadb-spare", "mysql-spare")
EQUAL = "ends equal"
# In the order of the document.
PARTS = (
    "Identity and history", "Transactions", "Partial images", "Changes the stream does not carry", "DDL", "Keys", "Targets", "Ledger",
    "Configuration")


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

    @property
    def name(self):
        return self.run.__name__


FAULTS = []


def fault(part, what, ends=EQUAL, servers=("mariadb", "mysql")):
    def add(run):
        FAULTS.append(Fault(part, what, ends, servers, run))
        return run
    return add
