"""The checks of the acceptance run against made-up numbers and a made-up program."""

import os
import tempfile
import time
import types
import unittest
from unittest import mock

from acceptance import balance
from acceptance.process import Failed, Syncline
from acceptance.setting import SINKS

PROGRAM = """#!/bin/sh
trap 'echo drain >>"$SYNCLINE_PHASE_LOG"; sleep 5; exit 0' TERM
tell() { echo "$1" >>"$SYNCLINE_PHASE_LOG"; }
tell bulk; sleep 0.2; tell -bulk
tell window; tell bulk; sleep 0.5; tell -bulk; tell -window
[ "$ENDS" != 1 ] || exit 7
while :; do tell checkpoint; sleep 0.1; tell -checkpoint; done
"""


def table(**changes):
    return {"table": "d.t", "accepted": 10, "applied": 4, "superseded": 3, "filtered": {"a": 1, "b": 1}, "dead": 1,
            "in_flight": 0, **changes}


class Balance(unittest.TestCase):
    def test_every_term_counts(self):
        self.assertEqual(balance.require_balance({"tables": [table(), table()]})["accepted"], 20)
        for term in ("accepted", "applied", "superseded", "dead"):
            with self.subTest(term=term), self.assertRaises(Failed):
                balance.require_balance({"tables": [table(**{term: table()[term] + 1})]})
        with self.assertRaises(Failed):
            balance.require_balance({"tables": [table(filtered={"a": 1})]})

    def test_nothing_may_be_in_flight(self):
        with self.assertRaises(Failed):
            balance.require_balance({"tables": [table(accepted=11, in_flight=1)]})

    def counted(self, events):
        setting = types.SimpleNamespace(source="", database="d")
        return setting, mock.patch.object(balance, "count_rows", lambda *_: {"d.t": events, "other.t": {"insert": 99}})

    def test_the_stream_is_counted_to_the_row(self):
        setting, patched = self.counted({"insert": 3, "update": 4, "delete": 1})
        right = 8 * len(SINKS)
        with patched:
            self.assertEqual(balance.require_stream(setting, {"accepted": 5}, {"accepted": 5 + right}, None, None), 8)
            for wrong in (right - 1, right + 1):
                with self.assertRaises(Failed):
                    balance.require_stream(setting, {"accepted": 5}, {"accepted": 5 + wrong}, None, None)

    def test_a_row_that_backfill_left_out_shows(self):
        setting, patched = self.counted({"insert": 0, "update": 2, "delete": 0})
        with patched:
            balance.require_backfill(setting, {"accepted": 100 * len(SINKS)}, 100, None, None)
            with self.assertRaises(Failed):
                balance.require_backfill(setting, {"accepted": 100 * len(SINKS) - 1}, 100, None, None)


class Process(unittest.TestCase):
    def start(self, **environment):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        program = os.path.join(folder.name, "program")
        with open(program, "w", encoding="ascii") as file:
            file.write(PROGRAM)
        os.chmod(program, 0o755)
        setting = types.SimpleNamespace(folder=folder.name, file="x.yaml", database="d")
        with mock.patch.dict(os.environ, {"SYNCLINE_BIN": program, **environment}):
            life = Syncline(setting, 1).start()
        self.addCleanup(life.process.kill)
        return life

    def test_it_is_killed_in_the_phase_that_was_wanted(self):
        life = self.start()
        self.assertTrue(life.wait_for_phase(("window",), 10))
        time.sleep(0.1)
        self.assertEqual((life.kill(), life.process.returncode), (["window", "bulk"], -9))

    def test_draining_is_a_phase_to_be_killed_in(self):
        life = self.start()
        self.assertTrue(life.wait_for_phase(("checkpoint",), 10))
        life.process.terminate()
        self.assertTrue(life.wait_for_phase(("drain",), 10, may_end=True))
        self.assertIn("drain", life.kill())
        self.assertEqual(life.process.returncode, -9)

    def test_a_phase_that_never_comes_is_not_a_hit(self):
        self.assertFalse(self.start().wait_for_phase(("backfill",), 1))

    def test_an_end_of_its_own_fails(self):
        with self.assertRaises(Failed):
            self.start(ENDS="1").wait_for_phase(("drain",), 10)


if __name__ == "__main__":
    unittest.main()
