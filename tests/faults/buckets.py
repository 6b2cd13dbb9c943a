"""An archive on S3 that others write, too, and whose store refuses or answers nothing. The servers take turns: the source has no part
in it."""

import os
import shutil

from acceptance.process import Failed

from .catalogue import fault, halts
from .own_s3 import MANIFEST, lake_on_s3
from .targets import refuses_for_a_while

OTHER_ID = 4712
NEXT_RUN = "the other one is stopped, and the next run"


class Second:
    """Another Syncline with the same pipeline file, but for its replica's id, and a ledger that is a copy."""

    def __init__(self, stage):
        self.stage = stage
        with open(os.path.join(stage.folder, "pipeline.yaml"), encoding="utf-8") as file:
            text = file.read().replace("data: ./data", "data: ./second")
        with open(os.path.join(stage.folder, "second.yaml"), "w", encoding="utf-8") as file:
            file.write(text.replace(" }\n    routes", f", server_id: {OTHER_ID} }}\n    routes"))
        shutil.copytree(os.path.join(stage.folder, "data"), os.path.join(stage.folder, "second"))

    def run(self):
        self.stage.expect(("run", "second.yaml", "--until-current"), 0)

    def take_over(self):
        """From a run that is writing: of two that put a manifest at once either loses, and the first may have won."""
        for _ in range(5):
            code, told, _ = self.stage.call("run", "second.yaml", "--until-current")
            if code == 0:
                return
            if "SYN-1802" not in told:
                break
        raise Failed(f"it ended with {code}:\n{told[-3000:]}")


@fault("Targets", "An archive's store on S3 answers 503 for a while", servers=("mariadb",))
def s3_busy(stage):
    with lake_on_s3(stage) as (_, gate):
        refuses_for_a_while(stage, "lake", lambda: gate.refuse(True), lambda: gate.refuse(False))
        if not gate.refused:
            raise Failed("nothing was refused")


@fault("Targets", "An archive's store on S3 carries writes out whose answers are lost", servers=("mysql",))
def s3_answers_lost(stage):
    with lake_on_s3(stage) as (_, gate):
        # Every manifest is put after one or two files, so that each of them has its turn.
        gate.losing = 4
        with stage.running():
            for _ in range(6):
                stage.change(10)
        gate.losing = 0
        stage.settle()
        if gate.puts < 12:
            raise Failed(f"only {gate.puts} objects were put")


@fault("Targets", "Two runs write one archive on S3", halts("SYN-1802", NEXT_RUN), servers=("mariadb",))
def s3_two_writers(stage):
    with lake_on_s3(stage):
        stage.settle()
        second = Second(stage)
        stage.change()
        with stage.running(may_halt=True) as first:
            stage.change()
            second.take_over()
            stage.change()
            # Its other targets go on.
            first.wait(lambda status: [sink["connection"] for sink in status["sinks"] if sink["state"] == "halted"] == ["lake"])
            if "SYN-1802" not in first.told():
                raise Failed(first.told())
        stage.settle()
        # The older copy of the ledger, whose checkpoint the archive has left behind.
        stage.change()
        second.run()
        stage.settle()


@fault("Targets", "A second run takes an archive on S3 over while the first is about to clean it up", halts("SYN-1802", NEXT_RUN),
       servers=("mysql",))
def s3_taken_over(stage):
    with lake_on_s3(stage) as (bucket, gate):
        stage.settle()
        second = Second(stage)
        stage.change()
        bucket.put("t/0000000099-left.jsonl.zst", b"what a killed run has left")
        gate.once("after", "PUT", MANIFEST, second.run)
        stage.halts("SYN-1802")
        stage.settle()


@fault("Targets", "Somebody else puts a manifest into an archive on S3, just before Syncline does",
       halts("SYN-1802", "the manifest is put back, and the next run"), servers=("mariadb",))
def s3_foreign_manifest(stage):
    foreign = b"somebody else's"
    with lake_on_s3(stage) as (bucket, gate):
        for put_back in (lambda: bucket.delete(MANIFEST), lambda: bucket.put(MANIFEST, before)):
            gate.once("before", "PUT", MANIFEST, lambda: bucket.put(MANIFEST, foreign))
            stage.halts("SYN-1802")
            if bucket.get(MANIFEST) != foreign:
                raise Failed("it was overwritten")
            put_back()
            stage.settle()
            before = bucket.get(MANIFEST)
            stage.change()
