"""Binlog files that are damaged on the source's disk, before Syncline has read them: bits are flipped, ends are cut off. More files
come after them."""

import os
import struct

from acceptance.setting import needed
from checker.database import binlog_end

from .catalogue import SPARES, fault, halts

PART = "Identity and history"
HEAL = "syncline backfill FILE --pipeline NAME"
HEADER = struct.Struct("<IBIIIH")
# Events that end a transaction, and those of rows: inserts, updates, deletes as either server writes them.
COMMIT, ROWS = 16, (23, 24, 25, 30, 31, 32)


class Event:
    def __init__(self, start, kind, size):
        self.start, self.kind, self.end = start, kind, start + size


class BinlogFile:
    """The one before the last; what is in it, Syncline has not read."""

    def __init__(self, stage):
        stage.settle()
        stage.rotate()
        stage.change(15)
        name = binlog_end(stage.connection)[0]
        stage.rotate()
        stage.change(5)
        self.path = os.path.join(needed("SYNCLINE_SERVICES"), "run", stage.server, "data", name)
        self.events = list(self.read())

    def read(self):
        with open(self.path, "rb") as file:
            content = file.read()
        start = 4
        while start < len(content):
            _, kind, _, size, _, _ = HEADER.unpack_from(content, start)
            yield Event(start, kind, size)
            start += size

    def middle(self, *kinds):
        found = [event for event in self.events if event.kind in kinds]
        return found[len(found) // 2]

    def flip(self, place, bits=0x10):
        with open(self.path, "r+b") as file:
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ bits]))

    def cut(self, place):
        os.truncate(self.path, place)


def halts_and_heals(stage, damage, code):
    file = BinlogFile(stage)
    damage(file, file.middle(*ROWS))
    stage.halts(code)
    stage.heal()


@fault(PART, "Bits of a binlog event are flipped on the source's disk", halts("SYN-1307", HEAL), SPARES)
def binlog_bits(stage):
    # In a row, and in what says which kind of event it is.
    halts_and_heals(stage, lambda file, event: file.flip(event.end - 9), "SYN-1307")
    halts_and_heals(stage, lambda file, event: file.flip(event.start + 4, 0x01), "SYN-1307")


@fault(PART, "The size or the place that a binlog event names is wrong", halts("SYN-1306", HEAL), SPARES)
def binlog_places(stage):
    halts_and_heals(stage, lambda file, event: file.flip(event.start + 10, 0x02), "SYN-1306")
    halts_and_heals(stage, lambda file, event: file.flip(event.start + 14), "SYN-1306")


@fault(PART, "A binlog file is cut off within an event, or a size leads beyond its end", halts("SYN-1307", HEAL), SPARES)
def binlog_cut(stage):
    halts_and_heals(stage, lambda file, event: file.cut((event.start + event.end) // 2), "SYN-1307")
    halts_and_heals(stage, lambda file, event: file.flip(event.start + 12, 0x40), "SYN-1307")


@fault(PART, "A binlog file is cut off between two events, which its server does not notice", halts("SYN-1307", HEAL), SPARES)
def binlog_cut_between(stage):
    # Within a transaction, and behind one.
    halts_and_heals(stage, lambda file, event: file.cut(event.end), "SYN-1307")
    halts_and_heals(stage, lambda file, _: file.cut(file.middle(COMMIT).end), "SYN-1307")


@fault(PART, "A binlog file is removed behind the server's back", halts("SYN-1304", HEAL), SPARES)
def binlog_removed(stage):
    halts_and_heals(stage, lambda file, _: os.remove(file.path), "SYN-1304")
