"""What a TRUNCATE leaves in an archive, which keeps every change: nothing before it counts, whatever somebody does to its lines."""

import json
import os

from acceptance.process import Failed
from checker.database import rows
from data.lake import rewrite

from .catalogue import fault


def found(stage, code):
    """`kind id` of what `verify` finds of `t` in the archive, and how many documents it compared there; all else must be well."""
    ended, told, shown = stage.call("verify", "pipeline.yaml", "--json")
    if ended != code:
        raise Failed(f"verify ended with {ended}, wanted {code}:\n{shown}\n{told[-3000:]}")
    parts = json.loads(shown)["tables"]
    ours = [part for part in parts if part["target"] == "lake" and part["table"] == f"{stage.database}.t"]
    if len(ours) != 1 or any(part["rows"] for part in parts if part is not ours[0]):
        raise Failed(f"verify found {shown}")
    return sorted((row["kind"], row["key"]["id"]) for row in ours[0]["rows"]), ours[0]["compared"]


def require(stage, wanted):
    """Exactly these are found, put right, and found no more."""
    after = sorted(("extra", key) for key in wanted)
    compared = 3 + len(wanted)
    if found(stage, 4) != (after, compared):
        raise Failed(f"found {found(stage, 4)}, wanted {(after, compared)}")
    stage.expect(("repair", "pipeline.yaml", "--yes"), 0)
    if found(stage, 0) != ([], 3):
        raise Failed(f"found {found(stage, 0)} after the repair")
    stage.settle()


@fault("Targets", "TRUNCATE of an archived table, and then somebody writes its lines anew: rows come back, or the TRUNCATE is gone", "`verify` names each; `repair` ends equal")
def archive_truncated(stage):
    stage.settle()
    before = [key for key, in rows(stage.connection, f"SELECT id FROM `{stage.database}`.t ORDER BY id")]
    stage.sql("TRUNCATE t", "INSERT INTO t (id, n, name) VALUES (1000, 1, 'a'), (1001, 2, 'b'), (1002, 3, 'c')")
    stage.settle()
    if found(stage, 0) != ([], 3):
        raise Failed(f"found {found(stage, 0)} after TRUNCATE")
    folder, table, newest = os.path.join(stage.folder, "archive"), f"{stage.database}.t", []

    def look(line):
        if line["table"] == table:
            newest.append(line["version"])
        return [line]

    def raised(line):
        # Behind the TRUNCATE, at a version that the source has reached.
        there = line["table"] == table and line["after"] is not None and line["key"]["id"] in before[:2]
        return [line, {**line, "version": max(newest)}] if there else [line]
    rewrite(folder, look)
    rewrite(folder, raised)
    require(stage, before[:2])
    rewrite(folder, lambda line: [] if line["table"] == table and line["op"] == "truncate" else [line])
    # Those of the two were deleted by the repair.
    require(stage, before[2:])
